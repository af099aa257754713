//! The steps of the new process, up to the exec.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::unistd::{Gid, Uid};

use super::target::Target;
use super::{FromInside, Request, environment, terminal};
use crate::cgroup::{enter, scope};
use crate::channel::Channel;
use crate::config::Namespace;
use crate::error::{Context, Error, Result};
use crate::init::command::{self, NotExecuted};
use crate::namespace::NamespaceSet;
use crate::security::lsm::{Label, LabelChange};
use crate::security::{attributes, caps, seccomp, selinux};
use crate::sys::process::{self, CloneOptions, Cloned};
use crate::sys::pty::Pty;
use crate::sys::signals;

/// Exit code of a command that cannot be executed, as a shell's.
const CANNOT_EXECUTE: i32 = 126;
/// Exit code of a command that is not there.
const NOT_FOUND: i32 = 127;

/// What went wrong, and the exit code that the process ends with.
pub(super) type Failure = (Error, i32);

/// Enters the container and executes the command; returns only the reason why it could not. `channel`
/// leads to the caller.
pub(super) fn run(
    request: &Request,
    target: &Target,
    in_v2: bool,
    pty: Option<&Pty>,
    channel: &Channel,
) -> std::result::Result<Infallible, Failure> {
    let directory = request.directory.clone().or_else(|| std::env::current_dir().ok());
    enter(request, target, in_v2, pty, channel.as_fd(), channel).map_err(|error| (error, 1))?;
    let environment = environment::of_command(request, target);
    let command = match request.command.as_slice() {
        [] => vec![environment::login_shell(request.uid.unwrap_or(0)).into()],
        command => command.to_vec(),
    };
    if (target.namespaces.has(Namespace::Mnt) || request.directory.is_some())
        && let Some(directory) = directory
    {
        // If the container has a directory of that name; else the current directory stays the root.
        let _ = nix::unistd::chdir(&directory);
    }
    signals::ignore_as_caller();
    Err(execute(&command, &environment))
}

/// Enters the container, with its restrictions; nothing of the host's stays open but `channel`. If
/// another process goes on in place of this one, that is sent through `steps`.
pub(super) fn enter(
    request: &Request,
    target: &Target,
    in_v2: bool,
    pty: Option<&Pty>,
    channel: BorrowedFd<'_>,
    steps: &Channel,
) -> Result<()> {
    prepare(target, in_v2)?;
    let label_change = join(request, target, steps)?;
    // From here on what this process does is decided inside: only what is needed stays open.
    let mut kept = vec![channel, steps.as_fd()];
    kept.extend(pty.map(|pty| pty.peer.as_fd()));
    kept.extend(label_change.as_ref().map(LabelChange::as_fd));
    process::close_all_but(&kept).context(|| CANNOT_CLOSE)?;
    // In the caller's session the command could type into the caller's terminal.
    nix::unistd::setsid().context(|| "cannot start a session")?;
    if let Some(pty) = pty {
        terminal::take(pty)?;
    }
    // The last that takes files and descriptors is done, and this process still is of the caller's user.
    if !target.attributes.prlimit.is_empty() {
        take_limits(steps)?;
    }
    restrict(request, target, label_change, pty.is_some(), steps)?;
    // From here on paths of the container are followed.
    process::close_all_but(&[channel]).context(|| CANNOT_CLOSE)
}

const CANNOT_CLOSE: &str = "cannot close the host's descriptors";

/// The steps outside, with the caller's rights.
fn prepare(target: &Target, in_v2: bool) -> Result<()> {
    if !target.keeps_keyring {
        let [keyring, context] = &target.key_contexts;
        selinux::label_keys(Some(keyring), Some(context))?;
        attributes::leave_keyring()?;
    }
    attributes::set_files(&target.attributes, None)?;
    stay_closed()?;
    if let Some(pid) = target.core_cookie_of {
        process::share_core_cookie_of(pid)
            .context(|| "cannot take the container's core scheduling cookie")?;
    }
    enter_cgroups(target, in_v2)
}

/// Joins the namespaces; returns how this process takes its security label afterwards.
fn join(request: &Request, target: &Target, steps: &Channel) -> Result<Option<LabelChange>> {
    let mut to_join = target.namespaces.without(Namespace::Pid);
    if target.by_user_namespace && target.namespaces.has(Namespace::Pid) {
        // The mounts last: until then /proc is that of this process's pid namespace.
        target.join(target.namespaces.without(Namespace::Mnt))?;
        stay_closed()?;
        go_on_as_sibling(steps)?;
        to_join =
            NamespaceSet::of(target.namespaces.kinds().filter(|kind| *kind == Namespace::Mnt));
    }
    // Prepared by the process that takes the label, as the kernel takes a label only from the process
    // that opened the file; and from the host's /proc.
    let label_change = target.label.as_ref().map(Label::prepare).transpose()?;
    if !to_join.is_empty() {
        target.join(to_join)?;
        stay_closed()?;
    }
    if request.remount && !target.namespaces.has(Namespace::Mnt) {
        remount_proc_and_sys()?;
    }
    if target.namespaces.has(Namespace::Mnt) {
        nix::unistd::chdir("/").context(|| "cannot enter the container's root")?;
    }
    Ok(label_change)
}

/// Gives up what the container may not have.
fn restrict(
    request: &Request,
    target: &Target,
    label_change: Option<LabelChange>,
    owns_terminal: bool,
    steps: &Channel,
) -> Result<()> {
    if let Some(persona) = target.persona {
        attributes::set_personality(persona).context(|| "cannot set the personality")?;
    }
    caps::inherit_none()?;
    if !request.elevated.capabilities {
        caps::drop_to(target.capabilities)?;
    }
    take_ids(request, target, owns_terminal)?;
    stay_closed()?;
    if let Some(label_change) = label_change {
        label_change.apply()?;
    }
    if target.no_new_privs || request.no_new_privs {
        process::prctl(libc::PR_SET_NO_NEW_PRIVS, 1).context(|| "cannot set no_new_privs")?;
    }
    if let Some(filter) = &target.guard {
        seccomp::load(filter)?;
    }
    if let Some(filter) = &target.seccomp
        && let Some(listener) = seccomp::load(filter)?
    {
        steps.send(&FromInside::Listener, &[listener.as_fd()])?;
    }
    if let Some(uid) = request.uid.map(Uid::from_raw) {
        nix::unistd::setresuid(uid, uid, uid).context(|| format!("cannot become user {uid}"))?;
        stay_closed()?;
    }
    Ok(())
}

/// Has the caller set the limits, which this process may not raise any more.
fn take_limits(channel: &Channel) -> Result<()> {
    channel.send(&FromInside::SetLimits, &[])?;
    match channel.receive::<Option<Error>>()? {
        Some((failure, _)) => failure.map_or(Ok(()), Err),
        None => process::exit_now(1),
    }
}

/// Keeps others from looking into this process, which has the caller's memory. A change of ids may have
/// allowed it (fs.suid_dumpable in proc(5)).
fn stay_closed() -> Result<()> {
    process::prctl(libc::PR_SET_DUMPABLE, 0).context(|| "cannot protect this process")
}

/// Enters the container's cgroups, if need be by way of the systemd unit that they are in: an ordinary
/// user may move processes within what was delegated to them, but not from elsewhere.
fn enter_cgroups(target: &Target, in_v2: bool) -> Result<()> {
    match enter::join(&target.cgroups, in_v2) {
        Err(error) if error.lacks_rights() => {
            let Some(unit) = target.client.systemd_unit()? else {
                return Err(error.hint(
                    "run it from the cgroup that the container was started in, \
                     or stay outside its cgroup with -e CGROUP",
                ));
            };
            scope::enter(&unit)?;
            enter::join(&target.cgroups, false)
        }
        result => result,
    }
}

/// Goes on in a new child of the caller: this process joined a pid namespace, but only processes that it
/// makes from now on are in it.
fn go_on_as_sibling(steps: &Channel) -> Result<()> {
    let sibling = CloneOptions { cgroup: None, sibling: true };
    match process::clone3(0, sibling).context(|| "cannot make a process in the container")? {
        Cloned::Child => Ok(()),
        Cloned::Parent(pid, _) => {
            steps.send(&FromInside::GoesOnAs(pid.as_raw()), &[])?;
            process::exit_now(0)
        }
    }
}

fn remount_proc_and_sys() -> Result<()> {
    use nix::mount::{MntFlags, MsFlags, mount, umount2};
    process::unshare(Namespace::Mnt.flag()).context(|| "cannot make a mount namespace")?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)
        .context(|| "cannot make mounts slaves")?;
    for (fstype, path) in [("proc", "/proc"), ("sysfs", "/sys")] {
        // Perhaps nothing is mounted there.
        let _ = umount2(path, MntFlags::MNT_DETACH);
        mount(Some("none"), path, Some(fstype), MsFlags::empty(), none)
            .context(|| format!("cannot mount {path}"))?;
    }
    Ok(())
}

/// Takes the command's groups, and becomes root in a user namespace. The command's user is taken later,
/// when nothing needs root any more, and gets the terminal if that is the command's own.
fn take_ids(request: &Request, target: &Target, owns_terminal: bool) -> Result<()> {
    let user_namespace = target.namespaces.has(Namespace::User);
    let groups = request.groups.as_deref().unwrap_or(&[]);
    let groups: Vec<Gid> = groups.iter().copied().map(Gid::from_raw).collect();
    match nix::unistd::setgroups(&groups) {
        Ok(()) => {}
        // Forbidden where an ordinary user wrote the id map.
        Err(Errno::EPERM) if groups.is_empty() => {}
        Err(errno) => {
            return Err(Error::new("cannot set the command's supplementary groups").errno(errno));
        }
    }
    if user_namespace || request.gid.is_some() {
        let gid = Gid::from_raw(request.gid.unwrap_or(0));
        nix::unistd::setresgid(gid, gid, gid).context(|| format!("cannot become group {gid}"))?;
    }
    if user_namespace {
        let root = Uid::from_raw(0);
        nix::unistd::setresuid(root, root, root)
            .context(|| "cannot become root of the container")?;
    }
    let uid = Uid::from_raw(request.uid.unwrap_or(0));
    for number in (0..3).filter(|_| owns_terminal) {
        let fd = process::standard(number);
        if nix::unistd::isatty(fd).unwrap_or(false) {
            // A terminal that the command's user may not open again is a nuisance, no failure.
            let _ = nix::unistd::fchown(fd, Some(uid), None);
        }
    }
    Ok(())
}

/// Executes the command; returns only if that fails.
fn execute(command: &[OsString], environment: &[OsString]) -> Failure {
    let NotExecuted { errno, searched } =
        command::execute(command, environment, environment::CLEAN_PATH);
    let error =
        Error::new(format!("Failed to exec \"{}\"", command[0].to_string_lossy())).errno(errno);
    let error = match searched {
        Some(path) if errno == Errno::ENOENT => {
            error.hint(format!("looked in the container's {}", path.display()))
        }
        _ => error,
    };
    (error, exec_code(errno))
}

/// The exit code for a failure to execute, by its errno.
fn exec_code(errno: Errno) -> i32 {
    match errno {
        Errno::ENOENT | Errno::ENOTDIR => NOT_FOUND,
        _ => CANNOT_EXECUTE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_of_a_shell() {
        assert_eq!(exec_code(Errno::ENOENT), 127);
        assert_eq!(exec_code(Errno::EACCES), 126);
    }
}
