//! Running a command inside a running container.
//!
//! One process is made: it starts in the container's pid namespace, enters cgroups and the other
//! namespaces, takes the container's restrictions, and executes the command. Nothing of the host's
//! stays open in it, and until the exec nobody inside can look into it. [`target`] is what must be known
//! of the container before that, [`inside`] the new process's steps, [`terminal`] and [`environment`]
//! what the command gets from the caller; [`command`] waits for the command's end.

mod command;
mod environment;
mod function;
mod inside;
mod target;
mod terminal;

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use nix::sys::signal::Signal;
use nix::unistd::{Pid, Uid};
use serde::{Deserialize, Serialize};

use crate::cgroup::enter;
use crate::channel::Channel;
use crate::config::{Arch, Namespace};
use crate::error::{Context, Error, Kind, Result};
use crate::identity::Identity;
use crate::init::command::wait;
use crate::monitor::client::{Client, Init};
use crate::namespace::{NamespaceSet, set};
use crate::security::attributes;
use crate::sys::process::{self, CloneOptions, Cloned};
use crate::sys::pty::Pty;
use crate::terminal::relay::{self, Relay};
use crate::terminal::{Held, Raw};
use command::{Command, PASSED_ON};
pub use function::Prepared;
pub(crate) use function::{Shown, end};
use target::{Questions, Target};

/// Which of the host's privileges the command keeps (lxc-attach(1), `-e`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elevated {
    /// Capabilities are not dropped.
    pub capabilities: bool,
    /// The command stays in the caller's cgroups.
    pub cgroup: bool,
    /// The command gets neither the LSM profile nor the seccomp filter.
    pub lsm: bool,
}

/// The environment of the command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Environment {
    /// The caller's.
    Keep,
    /// None but these of the caller's.
    Clear(Vec<String>),
}

/// The personality of the command (personality(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Personality {
    /// The container's.
    #[default]
    OfContainer,
    /// The caller's.
    OfCaller,
    /// This one.
    Number(u32),
}

impl From<Arch> for Personality {
    fn from(arch: Arch) -> Self {
        Self::Number(attributes::persona(arch))
    }
}

/// What to run, and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The container.
    pub identity: Identity,
    /// The command; empty for the user's login shell.
    pub command: Vec<OsString>,
    /// Privileges that are kept.
    pub elevated: Elevated,
    /// The only namespaces to join; `None` for all that the container does not share with us.
    pub namespaces: Option<NamespaceSet>,
    /// Mount proc and sys anew, where the mount namespace is not joined.
    pub remount: bool,
    /// The environment to start from.
    pub environment: Environment,
    /// Variables to add, `NAME=VALUE`.
    pub set_variables: Vec<String>,
    /// User id inside; `None` for root.
    pub uid: Option<u32>,
    /// Group id inside; `None` for root's.
    pub gid: Option<u32>,
    /// The command's personality.
    #[serde(default)]
    pub personality: Personality,
    /// An SELinux context instead of init's.
    pub context: Option<String>,
    /// A file that gets what the terminal shows.
    pub pty_log: Option<PathBuf>,
    /// The directory inside, instead of the caller's; the root if the container has none of that name.
    pub directory: Option<PathBuf>,
    /// The command's supplementary groups; `None` for none.
    pub groups: Option<Vec<u32>>,
    /// Whether the command can gain no privileges by an exec, whatever the container's configuration
    /// says.
    pub no_new_privs: bool,
    /// Whether a command of `leave_to_parent` gets a terminal of the container's in place of the
    /// caller's, as a command of `attach` does.
    #[serde(default)]
    pub terminal: bool,
}

impl Request {
    /// To run the login shell in `identity`, restricted as the container is.
    pub fn of(identity: Identity) -> Self {
        Self {
            identity,
            command: Vec::new(),
            elevated: Elevated::default(),
            namespaces: None,
            remount: false,
            environment: Environment::Keep,
            set_variables: Vec::new(),
            uid: None,
            gid: None,
            personality: Personality::OfContainer,
            context: None,
            pty_log: None,
            directory: None,
            groups: None,
            no_new_privs: false,
            terminal: false,
        }
    }
}

/// How an attached command ended.
#[derive(Debug)]
pub enum Ended {
    /// With this exit code; 128 and the signal's number if a signal killed it.
    Code(i32),
    /// The command could not be executed, for this reason and with this exit code.
    Failed(Error, i32),
}

/// What the new process says before it executes the command.
#[derive(Debug, Serialize, Deserialize)]
enum FromInside {
    /// The process failed and is about to exit with this code.
    Failed(Error, i32),
    /// A sibling with this pid, a child of the caller's as well, goes on in its place.
    GoesOnAs(i32),
    /// The message carries the listener of the process's seccomp filter.
    Listener,
    /// The process waits for its limits to be set, and for an `Option<Error>` that says whether they are.
    SetLimits,
}

/// Runs the command and waits for it.
pub fn attach(request: &Request) -> Result<Ended> {
    let log = request.pty_log.as_deref().map(terminal::open_log).transpose()?;
    let client = Client::new(&request.identity);
    let target = find(request, &client)?;
    let terminal = terminal::of_caller();
    let pty = terminal
        .map(|terminal| terminal::allocate(&client, process::standard(terminal)))
        .transpose()?;
    let (ours, theirs) = Channel::pair()?;
    // Held before there is a command: a signal must not end this process and leave the command running.
    let signals = Held::new(if pty.is_some() { &relay::SIGNALS } else { &PASSED_ON })?;
    let (cloned, in_v2) = clone_into(&target, false)?;
    let Cloned::Parent(pid, pidfd) = cloned else {
        let released = signals.release().map_err(|error| (error, 1));
        let run = || inside::run(request, &target, in_v2, pty.as_ref(), &theirs);
        fail(released.and_then(|()| run()), &theirs)
    };
    drop(theirs);
    let mut command = Command { pid, pidfd };
    if let Some(ended) = command.executed(&ours, &signals, &target)? {
        return Ok(ended);
    }
    let (Some(terminal), Some(pty)) = (terminal, pty) else {
        return command.follow(&signals).map(Ended::Code);
    };
    let Pty { ptx, peer } = pty;
    drop(peer);
    match pass_on(terminal, &ptx, &command, log.as_ref(), &signals)? {
        Some(signal) => process::die_of(signal as i32),
        None => wait(command.pid).map(Ended::Code),
    }
}

/// Passes bytes between the caller's `terminal` and the command's until the command ends. Returns the
/// signal that ended this before, which is still to take effect.
fn pass_on(
    terminal: i32,
    ptx: &OwnedFd,
    command: &Command,
    log: Option<&File>,
    signals: &Held,
) -> Result<Option<Signal>> {
    let raw = Raw::enter(process::standard(terminal))?;
    let relay = Relay {
        input: raw.as_fd(),
        output: raw.as_fd(),
        ptx: ptx.as_fd(),
        until: Some(command.pidfd.as_fd()),
        escape: None,
        log,
        signals,
        interrupt: Some(&|signal| command.tell(signal)),
    };
    relay.run()
}

/// A command that was left to the parent of this process, as the parent's own child.
#[derive(Debug, Serialize, Deserialize)]
pub struct Left {
    /// The command's pid.
    pub pid: i32,
    /// Another child that the parent got, which has ended.
    pub gone: Option<i32>,
    /// Why the command could not be executed, and the code that it ends with.
    pub failed: Option<(Error, i32)>,
}

/// Runs the command as a child of this process's parent. The standard descriptors stay as they are,
/// terminals included, unless the command is to have a terminal of the container's. Returns when the
/// command is executed, or could not be; with a terminal of the container's, when it has ended.
pub fn leave_to_parent(request: &Request) -> Result<Left> {
    let client = Client::new(&request.identity);
    let target = find(request, &client)?;
    let terminal = terminal::of_caller().filter(|_| request.terminal);
    let pty = terminal
        .map(|terminal| terminal::allocate(&client, process::standard(terminal)))
        .transpose()?;
    let signals = terminal.map(|_| Held::new(&relay::SIGNALS)).transpose()?;
    let (ours, theirs) = Channel::pair()?;
    let (cloned, in_v2) = clone_into(&target, true)?;
    let Cloned::Parent(pid, pidfd) = cloned else {
        drop(ours);
        let released = signals.as_ref().map_or(Ok(()), Held::release).map_err(|error| (error, 1));
        let run = || inside::run(request, &target, in_v2, pty.as_ref(), &theirs);
        fail(released.and_then(|()| run()), &theirs)
    };
    drop(theirs);
    let mut command = Command { pid, pidfd };
    let mut left = Left { pid: pid.as_raw(), gone: None, failed: None };
    while let Some((message, fds)) = ours.receive()? {
        match message {
            FromInside::Listener => client.add_seccomp_listeners(&fds)?,
            FromInside::GoesOnAs(other) => {
                left.gone = Some(left.pid);
                left.pid = other;
                command.become_sibling(other)?;
            }
            FromInside::Failed(error, code) => left.failed = Some((error, code)),
            FromInside::SetLimits => command.set_limits(&ours, &target.attributes)?,
        }
    }
    if left.failed.is_none()
        && let (Some(terminal), Some(pty), Some(signals)) = (terminal, pty, signals)
    {
        // After a signal the command is left to the caller.
        let Pty { ptx, peer } = pty;
        drop(peer);
        pass_on(terminal, &ptx, &command, None, &signals)?;
    }
    Ok(left)
}

/// Tells the caller, who prints it, why this process failed, and ends this process.
fn fail(failure: std::result::Result<Infallible, inside::Failure>, channel: &Channel) -> ! {
    let Err((error, code)) = failure;
    // A caller that is gone cannot be told.
    let _ = channel.send(&FromInside::Failed(error, code), &[]);
    process::exit_now(code)
}

/// What is known of the container. If another user runs it, this process becomes that user.
fn find(request: &Request, client: &Client) -> Result<Target> {
    let (init, mut questions) = target::ask(request, client)?;
    if !init.peer.is_our_equal() {
        become_owner(&init, request)?;
        questions = Questions::ask(request, client)?;
    }
    Target::find(request, client, init, questions)
}

/// Becomes the user who runs the container: what its monitor says must not be acted on with more rights
/// than that user has.
fn become_owner(init: &Init, request: &Request) -> Result<()> {
    let (user, group) = (init.peer.uid, init.peer.gid);
    let namespaces = request.namespaces.map_or_else(|| set::other_than_ours(init.pid), Ok)?;
    require_users(namespaces, user, request)?;
    attributes::leave_keyring()?;
    nix::unistd::setgroups(&[])
        .and_then(|()| nix::unistd::setresgid(group, group, group))
        .and_then(|()| nix::unistd::setresuid(user, user, user))
        .context(|| format!("cannot become user {user}, who runs {}", request.identity))
}

/// For a container that another `user` runs: fails unless its user namespace is among those to be joined.
fn require_users(namespaces: NamespaceSet, user: Uid, request: &Request) -> Result<()> {
    if namespaces.has(Namespace::User) {
        return Ok(());
    }
    Err(Error::new(format!(
        "{} is run by user {user}, so its user namespace has to be joined",
        request.identity
    ))
    .kind(Kind::Denied))
}

/// The seccomp filter of a command in the container, if it is to have one; read with the rights of the user
/// who runs the container, which this process takes.
pub fn filter(request: &Request) -> Result<Option<Vec<u8>>> {
    let client = Client::new(&request.identity);
    let target = find(request, &client)?;
    Ok(target.seccomp)
}

/// Passes bytes between the terminal among the standard descriptors and the terminal of the process
/// `pid`, whose other side is `ptx`, until the process of `pidfd` ends.
pub fn relay(pid: i32, pidfd: OwnedFd, ptx: &OwnedFd) -> Result<()> {
    let Some(terminal) = terminal::of_caller() else { return Ok(()) };
    let signals = Held::new(&relay::SIGNALS)?;
    let command = Command { pid: Pid::from_raw(pid), pidfd };
    // After a signal the process is left to the caller.
    pass_on(terminal, ptx, &command, None, &signals).map(drop)
}

/// Makes a process, a child of this one or its `sibling`, in the container's v2 cgroup if that works at
/// once; the second value says whether it did. If the caller by itself may join the container's pid
/// namespace, the process is made in there, as all further ones of the caller are, and nobody inside can
/// look into the caller. Else the process protects itself before it joins that namespace.
fn clone_into(target: &Target, sibling: bool) -> Result<(Cloned, bool)> {
    if !target.by_user_namespace {
        // Until an exec the new process shares our memory, and must not be read from inside.
        process::prctl(libc::PR_SET_DUMPABLE, 0).context(|| "cannot protect this process")?;
    }
    if target.namespaces.has(Namespace::Pid) && !target.by_user_namespace {
        process::setns(target.pidfd.as_fd(), Namespace::Pid.flag())
            .context(|| "cannot join the container's pid namespace")?;
    }
    let cgroup = enter::unified(&target.cgroups);
    let mut in_v2 = cgroup.is_some();
    let mut cloned = process::clone3(0, CloneOptions { cgroup, sibling });
    if in_v2 && cloned.is_err() {
        // An old kernel, or a cgroup with others below it.
        in_v2 = false;
        cloned = process::clone3(0, CloneOptions { cgroup: None, sibling });
    }
    Ok((cloned.context(|| "cannot make a process")?, in_v2))
}

/// Makes a process inside the container, with the restrictions of an attached command, where nothing of
/// the host's is open but `channel`. It calls `work` with the result of entering, and ends after that.
pub(super) fn fork_inside(
    identity: &Identity,
    channel: &Channel,
    work: impl FnOnce(Result<()>),
) -> Result<Pid> {
    let request = Request::of(identity.clone());
    let client = Client::new(identity);
    let (init, questions) = target::ask(&request, &client)?;
    let target = Target::find(&request, &client, client.require_equal(init)?, questions)?;
    let own = File::open("/proc/self/ns/pid").context(|| "cannot open /proc/self/ns/pid")?;
    let (ours, theirs) = Channel::pair()?;
    let cloned = clone_into(&target, false);
    if let Ok((Cloned::Child, in_v2)) = cloned {
        drop(ours);
        let entered = process::silence_stdio()
            .context(|| "cannot leave the terminal")
            .and_then(|()| inside::enter(&request, &target, in_v2, None, channel.as_fd(), &theirs));
        work(entered);
        process::exit_now(0)
    }
    drop(theirs);
    if !target.by_user_namespace {
        // The caller's next process is made outside the container again.
        process::setns(own.as_fd(), Namespace::Pid.flag())
            .context(|| "cannot leave the container")?;
    }
    process::prctl(libc::PR_SET_DUMPABLE, 1).context(|| "cannot unprotect this process")?;
    let Cloned::Parent(pid, pidfd) = cloned?.0 else { process::exit_now(1) };
    let mut inside = Command { pid, pidfd };
    while let Some((message, fds)) = ours.receive()? {
        if let Some(error) = inside.on_message((message, fds), &ours, &target)? {
            return Err(error);
        }
    }
    Ok(inside.pid)
}
