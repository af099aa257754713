//! The side of the one who asks: nothing of that process changes.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::sys::wait::waitpid;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ANSWER_FD, ORDER_FD, Order, PROGRAM, envelope};
use crate::channel::Channel;
use crate::error::{Context, Error, Result};
use crate::sys::spawn::Program;

/// Where the helper is installed, in the order in which it is looked up; the variable is for packages.
const PLACES: [&str; 2] = [
    match option_env!("LXC_RS_HELPER") {
        Some(path) => path,
        None => "/usr/libexec/lxc/lxc-helper",
    },
    "/usr/local/libexec/lxc/lxc-helper",
];

static HELPER: OnceLock<PathBuf> = OnceLock::new();

/// Says where the helper is, for a program that has the library of an installation of its own. The
/// first call counts; it says whether this was it.
pub fn set_program(path: impl Into<PathBuf>) -> bool {
    HELPER.set(path.into()).is_ok()
}

/// The helper that is used unless [`set_program`] was called, as far as one is installed.
fn program() -> Result<&'static Path> {
    if let Some(path) = HELPER.get() {
        return Ok(path);
    }
    PLACES.iter().map(Path::new).find(|path| path.exists()).ok_or_else(|| {
        Error::new(format!("the program {PROGRAM} of lxc-rs is not installed"))
            .hint(format!("it is looked up as {}", PLACES.join(" and ")))
    })
}

/// Where this package's program is for a process that runs another one.
pub(crate) fn default_program() -> std::io::Result<PathBuf> {
    let program = program().map_err(std::io::Error::other)?;
    std::fs::canonicalize(program)
}

/// Has `order` done, and waits for the answer. Standard input, output and error are the helper's, too.
pub(crate) fn ask<T: DeserializeOwned>(order: &Order) -> Result<T> {
    let path = program()?;
    let (ours, theirs) = Channel::pair()?;
    let order = envelope::encode("order", order)?;
    let helper = Program {
        program: path,
        arguments: vec![PROGRAM.into()],
        variable: None,
        session: false,
        null: None,
        keep: &[(order.as_fd(), ORDER_FD), (theirs.as_fd(), ANSWER_FD)],
    };
    let pid = helper.spawn().what(|| format!("cannot execute {}", path.display()))?;
    drop((order, theirs));
    let answer = ours.receive::<()>();
    let ended = loop {
        match waitpid(pid, None) {
            Err(Errno::EINTR) => {}
            // Somebody else in this process waits for all children, or ignores their end.
            Err(Errno::ECHILD) => break "ended".to_owned(),
            result => {
                let status = result.what(|| format!("cannot wait for {}", path.display()))?;
                break format!("ended with {status:?}");
            }
        }
    };
    let file = answer?.and_then(|((), fds)| fds.into_iter().next());
    let Some(file) = file else {
        return Err(Error::new(format!("{} {ended} without an answer", path.display())));
    };
    envelope::decode::<Result<T>>("answer", file)?
}

/// Sends the answer to an order.
pub(super) fn answer(channel: OwnedFd, answer: &Result<impl Serialize>) -> Result<()> {
    let file = envelope::encode("answer", answer)?;
    Channel::from(channel).send(&(), &[file.as_fd()])
}
