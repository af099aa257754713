//! From the command that starts a container to the process that stays with it.
//!
//! A monitor in the background is a fresh image of this program: small, with one thread, whatever
//! program asked for the start. It gets its descriptors under fixed numbers: the plan (a sealed memory
//! file), the bound command socket, the socket on which the caller waits for the outcome, and the
//! protected file that it is executed from.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;

use nix::sys::wait::waitpid;
use serde::{Deserialize, Serialize};

use crate::channel::Channel;
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::init::Plan;
use crate::paths;
use crate::security::{own_image, sealed};
use crate::sys::spawn::{Background, take_inherited};

const PLAN_FD: i32 = 3;
const SOCKET_FD: i32 = 4;
const OUTCOME_FD: i32 = 5;
/// The file it is executed from: its descendants enter the container.
const IMAGE_FD: i32 = 6;

/// How a start in the background went, as the monitor tells the caller.
#[derive(Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// Init runs.
    Running {
        /// What the configuration asks for and this host cannot do.
        warnings: Vec<String>,
    },
    /// It failed, and nothing is left of it.
    Failed(Error),
}

/// The title of a monitor, which tools and people look for in the list of processes.
fn title(identity: &Identity) -> String {
    format!("[lxc monitor] {} {}", identity.lxcpath.display(), identity.name)
}

/// Whether this program was executed as a monitor.
pub fn is_monitor(argv0: &OsString) -> bool {
    argv0.as_encoded_bytes().starts_with(b"[lxc monitor] ")
}

/// Executes monitors, all from one protected file, which it opens for the first.
#[derive(Debug, Default)]
pub struct Launcher(OnceLock<OwnedFd>);

impl Launcher {
    fn image(&self) -> Result<&OwnedFd> {
        match self.0.get() {
            Some(image) => Ok(image),
            None => own_image::open().map(|image| self.0.get_or_init(|| image)),
        }
    }

    /// Starts the monitor of `plan` in the background, with the bound command socket `listener`, and
    /// waits for the outcome. Returns the warnings of the start.
    pub fn start(&self, plan: &Plan, listener: OwnedFd) -> Result<Vec<String>> {
        let (ours, theirs) = Channel::pair()?;
        let path = paths::program().what(|| "cannot find this program's own file")?;
        let image = format!("/proc/self/fd/{IMAGE_FD}");
        let encoded = encode(plan)?;
        let monitor = Background {
            program: Path::new(&image),
            arguments: vec![title(&plan.identity).into()],
            variable: Some((own_image::PATH_VARIABLE, path.as_os_str())),
            null: 0..=2,
            keep: &[
                (encoded.as_fd(), PLAN_FD),
                (listener.as_fd(), SOCKET_FD),
                (theirs.as_fd(), OUTCOME_FD),
                (self.image()?.as_fd(), IMAGE_FD),
            ],
        };
        let pid = monitor.spawn().what(|| "cannot start the monitor")?;
        drop((encoded, listener, theirs));
        match ours.receive()? {
            Some((Outcome::Running { warnings }, _)) => Ok(warnings),
            Some((Outcome::Failed(error), _)) => {
                // It ends now; a zombie of it would be left behind.
                let _ = waitpid(pid, None);
                Err(error)
            }
            None => {
                let status = waitpid(pid, None).what(|| "cannot wait for the monitor")?;
                Err(Error::new(format!("the monitor died during the start: {status:?}")))
            }
        }
    }
}

/// A memory file with the plan.
fn encode(plan: &Plan) -> Result<OwnedFd> {
    let bytes = serde_json::to_vec(plan)
        .map_err(|error| Error::new(format!("cannot encode the plan: {error}")))?;
    sealed::copy_of(c"lxc-rs-plan", bytes.as_slice())
}

/// What a monitor in the background was handed over: the plan, the bound command socket, and where
/// the caller waits for the outcome.
#[derive(Debug)]
pub struct HandedOver {
    /// The plan.
    pub plan: Plan,
    /// The command socket.
    pub listener: OwnedFd,
    /// The caller's ear.
    pub outcome: Channel,
}

/// Takes what this program was executed with as a monitor; `None`, with the caller told, if that is
/// no start.
pub fn take() -> Option<HandedOver> {
    let fds = take_inherited([PLAN_FD, SOCKET_FD, OUTCOME_FD, IMAGE_FD]);
    let [plan, listener, outcome, image] = fds.ok()?;
    // As long as the mount is held by a descriptor it could be changed.
    drop(image);
    let outcome = Channel::from(outcome);
    match read(plan) {
        Ok(plan) => {
            name_process();
            Some(HandedOver { plan, listener, outcome })
        }
        Err(error) => {
            // A caller that is gone cannot be told.
            let _ = outcome.send(&Outcome::Failed(error), &[]);
            None
        }
    }
}

fn read(fd: OwnedFd) -> Result<Plan> {
    let bytes = std::io::read_to_string(File::from(fd)).what(|| "cannot read the plan")?;
    serde_json::from_str(&bytes)
        .map_err(|error| Error::new(format!("cannot decode the plan: {error}")))
}

/// The name that tools without the whole command line show, instead of `exe`.
fn name_process() {
    let _ = nix::sys::prctl::set_name(c"lxc-monitor");
}
