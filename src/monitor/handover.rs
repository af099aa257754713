//! From the command that starts a container to the process that stays with it.
//!
//! A monitor in the background is a fresh image of this program: small, with one thread, whatever
//! program asked for the start. It is executed from a protected file, with one descriptor under a fixed
//! number: the channel that its order comes by. The order brings the plan (a sealed memory file) and the
//! bound command socket along. Where there are many containers to start, one such image is copied for each:
//! to copy it costs less than to execute it. `lxc-start`, and the helper of a program that uses the library, are fresh
//! images already, and are copied, too.

use std::cell::OnceCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::title;
use crate::channel::Channel;
use crate::envelope;
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::init::{Plan, command};
use crate::logging;
use crate::paths;
use crate::security::rexec;
use crate::sys::process::{self, CloneOptions, Cloned};
use crate::sys::spawn::{Image, Program, inherited};
use crate::sys::{exec, handed, signals};

/// What errors call that which is handed over.
const PLAN: &str = "plan of the start";
/// The channel of orders.
const ORDERS_FD: i32 = 3;

/// What the fresh process is told to do.
#[derive(Debug, Serialize, Deserialize)]
enum Order {
    /// Be the monitor of the plan that comes along, with the command socket that does; tell the
    /// outcome by the channel of this order.
    Run,
    /// Fork, and let the child be such a monitor; a channel for the outcome comes along as well.
    Fork,
}

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

/// A process that executed this program anew and waits for an order, or is a copy of this one.
#[derive(Debug)]
struct FreshProcess {
    /// What it is told by, and tells the outcome by.
    orders: Channel,
    pid: Pid,
}

impl FreshProcess {
    fn execute(title: String) -> Result<Self> {
        let (orders, theirs) = Channel::pair()?;
        let path = paths::program()?;
        // The monitor's descendants enter the container.
        let file = rexec::open_program()?;
        let mut environment = exec::own_environment();
        environment.push(exec::variable(handed::PATH_VARIABLE, path.as_os_str()));
        let image = Program {
            program: Image::Open(file.as_fd()),
            arguments: vec![title.into()],
            environment,
            session: true,
            unblocked: false,
            null: Some(0..=2),
            keep: &[(theirs.as_fd(), ORDERS_FD)],
        };
        let pid = image.spawn().context(|| "cannot start the monitor")?;
        Ok(Self { orders, pid })
    }

    /// What came of the start that it was made for. If it failed, the process is gone when this returns.
    fn came_to(&self, outcome: Result<Option<Result<Vec<String>>>>) -> Result<Vec<String>> {
        match outcome {
            Ok(Some(outcome)) => outcome.inspect_err(|_| drop(self.wait())),
            Ok(None) => Err(died().note(self.wait()?)),
            Err(error) => Err(error.note(self.wait()?)),
        }
    }

    /// Waits for its end: a zombie of it would be left behind. How it ended.
    fn wait(&self) -> Result<String> {
        command::wait(self.pid).map(|code| format!("it ended with exit code {code}"))
    }
}

/// Starts the monitor of `plan` in the background, with the bound command socket `listener`, and
/// waits for the outcome. Returns the warnings of the start.
pub fn start(plan: &Plan, listener: OwnedFd) -> Result<Vec<String>> {
    let process = FreshProcess::execute(title::of(&plan.identity))?;
    let encoded = envelope::encode(PLAN, plan)?;
    let ordered = process.orders.send(&Order::Run, &[encoded.as_fd(), listener.as_fd()]);
    drop((encoded, listener));
    process.came_to(ordered.and_then(|()| outcome(&process.orders)))
}

/// Whether [`copy`] can make the monitor of `identity`: this process runs from a protected file, and has room for
/// the monitor's title.
pub fn can_copy(identity: &Identity) -> bool {
    title::has_room(identity) && rexec::is_protected()
}

/// As [`start`]; the monitor is a copy of this process, in which `live` does all it has to do, with the
/// channel for the outcome.
pub fn copy(
    plan: &Plan,
    listener: OwnedFd,
    live: impl FnOnce(OwnedFd, Channel),
) -> Result<Vec<String>> {
    let (ours, theirs) = Channel::pair()?;
    let cloned = process::clone3(0, CloneOptions::default());
    let Cloned::Parent(pid, _) = cloned.context(|| "cannot make a process for the monitor")? else {
        // Its file is closed with all the others.
        logging::end();
        let left = process::silence_stdio()
            .and_then(|()| leave_starter(&[listener.as_fd(), theirs.as_fd()]))
            .context(|| "cannot leave the process that starts the container")
            .and_then(|()| be_called(&plan.identity));
        match left {
            Ok(()) => {
                name_process();
                live(listener, theirs);
            }
            Err(error) => tell(&theirs, error),
        }
        // What it has of its parent's must not be ended by it.
        process::exit_now(0)
    };
    drop((theirs, listener));
    let process = FreshProcess { orders: ours, pid };
    process.came_to(outcome(&process.orders))
}

/// Starts many monitors, one after the other, all copies of one image.
#[derive(Debug, Default)]
pub struct Zygote(OnceCell<FreshProcess>);

impl Zygote {
    /// As [`start`].
    pub fn start(&self, plan: &Plan, listener: OwnedFd) -> Result<Vec<String>> {
        let process = if let Some(process) = self.0.get() {
            process
        } else {
            let process = FreshProcess::execute(title::with_room())?;
            self.0.get_or_init(|| process)
        };
        let (ours, theirs) = Channel::pair()?;
        let encoded = envelope::encode(PLAN, plan)?;
        let along = [encoded.as_fd(), listener.as_fd(), theirs.as_fd()];
        process.orders.send(&Order::Fork, &along)?;
        drop((encoded, listener, theirs));
        outcome(&ours)?.unwrap_or_else(|| Err(died()))
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        if let Some(FreshProcess { orders, pid }) = self.0.take() {
            // It ends where there is nobody to order anything.
            drop(orders);
            let _ = command::wait(pid);
        }
    }
}

/// What came of a start; `None` if the monitor ended without a word.
fn outcome(channel: &Channel) -> Result<Option<Result<Vec<String>>>> {
    Ok(channel.receive()?.map(|(outcome, _)| match outcome {
        Outcome::Running { warnings } => Ok(warnings),
        Outcome::Failed(error) => Err(error),
    }))
}

fn died() -> Error {
    Error::new("the monitor died during the start")
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

/// Takes the order that this program was executed as a monitor for. Returns in each monitor that is
/// made, with `None` in what is none: no start, with the caller told, or no more of them.
pub fn take() -> Option<HandedOver> {
    let [orders] = inherited([ORDERS_FD]).ok()?;
    leave_starter(&[orders.as_fd()]).ok()?;
    let orders = Channel::from(orders);
    loop {
        // A caller that is gone has nothing to order.
        let (order, fds) = orders.receive().ok()??;
        let mut fds = fds.into_iter();
        let (plan, listener, theirs) = (fds.next()?, fds.next()?, fds.next());
        let outcome = match (order, theirs) {
            (Order::Run, None) => return begin(plan, listener, orders),
            (Order::Fork, Some(theirs)) => Channel::from(theirs),
            _ => return None,
        };
        // The caller's child, as if it had been executed by itself.
        let options = CloneOptions { sibling: true, ..CloneOptions::default() };
        match process::clone3(0, options) {
            Ok(Cloned::Parent(..)) => {}
            Ok(Cloned::Child) => {
                drop(orders);
                return begin_copy(plan, listener, outcome);
            }
            Err(error) => {
                let failed =
                    Err::<(), _>(error).context(|| "cannot make a process for the monitor");
                tell(&outcome, failed.err()?);
            }
        }
    }
}

/// Keeps nothing of the process that started this one but the descriptors `kept`.
fn leave_starter(kept: &[BorrowedFd<'_>]) -> io::Result<()> {
    // What else it had open, such as a pipe whose reader waits for its end, would stay open as long as the
    // container runs.
    process::close_all_but(kept)?;
    signals::forget_caller();
    // That of who executed this program would be kept busy.
    std::env::set_current_dir("/")
}

fn begin_copy(plan: OwnedFd, listener: OwnedFd, outcome: Channel) -> Option<HandedOver> {
    let handed_over = begin(plan, listener, outcome)?;
    match be_called(&handed_over.plan.identity) {
        Ok(()) => Some(handed_over),
        Err(error) => {
            tell(&handed_over.outcome, error);
            None
        }
    }
}

/// Gives this process, a copy of another one, a session and the title of the monitor of `identity`.
fn be_called(identity: &Identity) -> Result<()> {
    nix::unistd::setsid().context(|| "cannot start a session")?;
    title::set(&title::of(identity))
}

fn begin(plan: OwnedFd, listener: OwnedFd, outcome: Channel) -> Option<HandedOver> {
    match envelope::decode(PLAN, plan) {
        Ok(plan) => {
            name_process();
            Some(HandedOver { plan, listener, outcome })
        }
        Err(error) => {
            tell(&outcome, error);
            None
        }
    }
}

fn tell(outcome: &Channel, error: Error) {
    // A caller that is gone cannot be told.
    let _ = outcome.send(&Outcome::Failed(error), &[]);
}

/// The name that tools without the whole command line show, instead of `exe`.
fn name_process() {
    let _ = nix::sys::prctl::set_name(c"lxc-monitor");
}
