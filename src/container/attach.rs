//! Running a command inside a running container.
//!
//! One process is made: it starts in the container's pid namespace, enters cgroups and the other
//! namespaces, takes the container's restrictions, and executes the command. Nothing of the host's
//! stays open in it, and until the exec nobody inside can look into it.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid};

use crate::cgroup::enter;
use crate::config::Namespace;
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::init::Channel;
use crate::monitor::client::Client;
use crate::namespace::{NamespaceSet, set};
use crate::security::{caps, seccomp};
use crate::sys::process::{self, CloneOptions, Cloned};
use crate::sys::pty::{self, Pty};
use crate::terminal::{Raw, relay::Relay};

/// Exit code of a command that cannot be executed, as a shell's.
const CANNOT_EXECUTE: i32 = 126;
/// Exit code of a command that is not there.
const NOT_FOUND: i32 = 127;
/// Where commands are looked up with a cleared environment.
const CLEAN_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Which of the host's privileges the command keeps (lxc-attach(1), `-e`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Elevated {
    /// Capabilities are not dropped.
    pub capabilities: bool,
    /// It stays in the caller's cgroups.
    pub cgroup: bool,
    /// Neither LSM profile nor seccomp filter.
    pub lsm: bool,
}

/// The environment of the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Environment {
    /// The caller's.
    Keep,
    /// None but these of the caller's.
    Clear(Vec<String>),
}

/// What to run, and how.
#[derive(Clone, Debug)]
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
    /// A 32-bit personality instead of the container's.
    pub arch: Option<crate::config::Arch>,
    /// A file that gets what the terminal shows.
    pub pty_log: Option<PathBuf>,
}

/// What is known of the container before joining it.
struct Target {
    pid: Pid,
    pidfd: OwnedFd,
    namespaces: NamespaceSet,
    cgroups: Vec<OwnedFd>,
    capabilities: u64,
    variables: Vec<String>,
    no_new_privs: bool,
    seccomp: Option<Vec<u8>>,
    bits32: bool,
}

/// How an attached command ended.
#[derive(Debug)]
pub enum Ended {
    /// With this exit code; 128 and the signal's number if a signal killed it.
    Code(i32),
    /// It could not be executed, for this reason and with this exit code.
    Failed(Error, i32),
}

/// Runs the command and waits for it.
pub fn attach(request: &Request) -> Result<Ended> {
    let client = Client::new(&request.identity);
    let target = Target::find(request, &client)?;
    let terminal = terminal_of_caller();
    let pty = match terminal {
        Some(_) => Some(allocate_pty(&client)?),
        None => None,
    };
    let (ours, theirs) = Channel::pair()?;
    // Until the exec the new process shares our memory, and must not be read from inside.
    process::prctl(libc::PR_SET_DUMPABLE, 0).what(|| "cannot protect this process")?;
    if target.namespaces.has(Namespace::Pid) {
        process::setns(target.pidfd.as_fd(), Namespace::Pid.flag())
            .what(|| "cannot join the container's pid namespace")?;
    }
    let cgroup = enter::unified(&target.cgroups);
    let mut in_v2 = cgroup.is_some();
    let mut cloned = process::clone3(0, CloneOptions { cgroup, sibling: false });
    if in_v2 && cloned.is_err() {
        // An old kernel, or a cgroup with others below it.
        in_v2 = false;
        cloned = process::clone3(0, CloneOptions::default());
    }
    let Cloned::Parent(pid, pidfd) = cloned.what(|| "cannot make a process")? else {
        let (error, code) = match run_inside(request, &target, in_v2, pty.as_ref()) {
            Err(failure) => failure,
            Ok(never) => match never {},
        };
        // The caller prints it; a caller that is gone cannot.
        let _ = theirs.send(&error, &[]);
        process::exit_now(code)
    };
    drop(theirs);
    if let Some((error, _)) = ours.receive::<Error>()? {
        return Ok(Ended::Failed(error, wait_for(pid)?));
    }
    if let (Some(terminal), Some(Pty { ptx, peer })) = (terminal, pty) {
        drop(peer);
        let log = request.pty_log.as_deref().map(open_log).transpose()?;
        let raw = Raw::enter(process::standard(terminal))?;
        let relay = Relay {
            input: raw.as_fd(),
            output: raw.as_fd(),
            ptx: ptx.as_fd(),
            until: Some(pidfd.as_fd()),
            escape: None,
            log: log.as_ref(),
        };
        relay.run()?;
    }
    wait_for(pid).map(Ended::Code)
}

/// The code that a failure to execute ends with, by its errno.
fn exec_code(errno: Errno) -> i32 {
    match errno {
        Errno::ENOENT | Errno::ENOTDIR => NOT_FOUND,
        _ => CANNOT_EXECUTE,
    }
}

fn wait_for(pid: Pid) -> Result<i32> {
    loop {
        match waitpid(pid, None) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(code),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(128 + signal as i32),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::new("cannot wait for the command").errno(errno)),
        }
    }
}

fn open_log(path: &Path) -> Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = File::options();
    options
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
        .what(|| format!("cannot open the terminal's log {}", path.display()))
}

/// The first of the standard descriptors that is a terminal.
fn terminal_of_caller() -> Option<i32> {
    (0..3).find(|number| nix::unistd::isatty(process::standard(*number)).unwrap_or(false))
}

/// A pseudo terminal of the container, else, where it has none of its own, of the host.
fn allocate_pty(client: &Client) -> Result<Pty> {
    let devpts = match client.devpts()? {
        Some(devpts) => devpts,
        None => File::open("/dev").map(OwnedFd::from).what(|| "cannot open /dev")?,
    };
    pty::allocate(devpts.as_fd()).what(|| "cannot allocate a pseudo terminal")
}

impl Target {
    fn find(request: &Request, client: &Client) -> Result<Self> {
        let pid = client.init_pid()?;
        let pidfd = client.init_pidfd()?;
        let namespaces = match request.namespaces {
            Some(namespaces) => namespaces,
            None => namespaces_to_join(client.clone_flags()?, pid)?,
        };
        let elevated = request.elevated;
        let cgroups = if elevated.cgroup { Vec::new() } else { client.cgroups()? };
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
            .what(|| format!("cannot read /proc/{pid}/status"))?;
        let held = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
        let held = held.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        let capabilities = if elevated.capabilities { u64::MAX } else { held.unwrap_or(0) };
        let item = |key: &str| client.config_item(key).map(Option::unwrap_or_default);
        let seccomp = match item("lxc.seccomp.profile")? {
            profile if profile.is_empty() || elevated.lsm => None,
            profile => Some(seccomp::compile(Path::new(profile.trim()))?),
        };
        let bits32 = match request.arch {
            Some(arch) => arch == crate::config::Arch::Bits32,
            None => item("lxc.arch")?.trim() == "i686",
        };
        let mut variables: Vec<String> =
            item("lxc.environment")?.lines().map(str::to_owned).collect();
        variables.extend(item("lxc.environment.runtime")?.lines().map(str::to_owned));
        Ok(Self {
            pid,
            pidfd,
            namespaces,
            cgroups,
            capabilities,
            variables,
            no_new_privs: item("lxc.no_new_privs")?.trim() == "1",
            seccomp,
            bits32,
        })
    }
}

/// The container's own namespaces, and those of others that it shares but not with us.
fn namespaces_to_join(own: u64, pid: Pid) -> Result<NamespaceSet> {
    let own = NamespaceSet::from_flags(own);
    let differs = |kind: &Namespace| -> Result<bool> {
        let link = |process: &str| {
            let path = format!("/proc/{process}/ns/{}", kind.name());
            match std::fs::read_link(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                result => result.map(Some).what(|| format!("cannot read {path}")),
            }
        };
        Ok(link("self")? != link(&pid.to_string())?)
    };
    let mut kinds: Vec<Namespace> = own.kinds().collect();
    for kind in Namespace::ALL.into_iter().filter(|kind| !own.has(*kind)) {
        if differs(&kind)? {
            kinds.push(kind);
        }
    }
    Ok(NamespaceSet::of(kinds))
}

type Failure = (Error, i32);

/// The new process, up to the exec.
fn run_inside(
    request: &Request,
    target: &Target,
    in_v2: bool,
    pty: Option<&Pty>,
) -> std::result::Result<std::convert::Infallible, Failure> {
    prepare(request, target, in_v2, pty).map_err(|error| (error, 1))?;
    let environment = environment(request, target);
    let command = match request.command.as_slice() {
        [] => vec![login_shell(request.uid.unwrap_or(0)).into()],
        command => command.to_vec(),
    };
    process::reset_signal_handlers();
    process::close_on_exec_from(3)
        .what(|| "cannot mark the caller's descriptors")
        .map_err(|error| (error, 1))?;
    Err(execute(&command, &environment))
}

fn prepare(request: &Request, target: &Target, in_v2: bool, pty: Option<&Pty>) -> Result<()> {
    enter::join(&target.cgroups, in_v2)?;
    let to_join = target.namespaces.without(Namespace::Pid);
    if to_join != NamespaceSet::default() {
        join(target, to_join)?;
    }
    if request.remount && !target.namespaces.has(Namespace::Mnt) {
        remount_proc_and_sys()?;
    }
    if target.namespaces.has(Namespace::Mnt) {
        nix::unistd::chdir("/").what(|| "cannot enter the container's root")?;
    }
    if target.bits32 {
        let persona = nix::sys::personality::Persona::from_bits_retain(0x0008);
        nix::sys::personality::set(persona).what(|| "cannot set the personality")?;
    }
    if !request.elevated.capabilities {
        caps::drop_to(target.capabilities)?;
    }
    if let Some(pty) = pty {
        take_terminal(pty)?;
    }
    take_ids(request, target)?;
    if target.no_new_privs {
        process::prctl(libc::PR_SET_NO_NEW_PRIVS, 1).what(|| "cannot set no_new_privs")?;
    }
    if let Some(filter) = &target.seccomp {
        seccomp::load(filter)?;
    }
    if let Some(uid) = request.uid.map(Uid::from_raw) {
        nix::unistd::setresuid(uid, uid, uid).what(|| format!("cannot become user {uid}"))?;
    }
    Ok(())
}

/// All at once (Linux 5.8); one by one where a namespace is among them that we are in already.
fn join(target: &Target, kinds: NamespaceSet) -> Result<()> {
    match process::setns(target.pidfd.as_fd(), kinds.flags()) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
        result => return result.what(|| "cannot join the container's namespaces"),
    }
    // Opened before the first is joined: afterwards /proc is the container's.
    let opened: Vec<(Namespace, OwnedFd)> = kinds
        .kinds()
        .map(|kind| Ok((kind, set::open(target.pid, kind)?)))
        .collect::<Result<_>>()?;
    for (kind, fd) in opened {
        process::setns(fd.as_fd(), kind.flag())
            .what(|| format!("cannot join the container's {} namespace", kind.name()))?;
    }
    Ok(())
}

fn remount_proc_and_sys() -> Result<()> {
    use nix::mount::{MntFlags, MsFlags, mount, umount2};
    process::unshare(Namespace::Mnt.flag()).what(|| "cannot make a mount namespace")?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)
        .what(|| "cannot make mounts slaves")?;
    for (fstype, path) in [("proc", "/proc"), ("sysfs", "/sys")] {
        // Nothing may be mounted there.
        let _ = umount2(path, MntFlags::MNT_DETACH);
        mount(Some("none"), path, Some(fstype), MsFlags::empty(), none)
            .what(|| format!("cannot mount {path}"))?;
    }
    Ok(())
}

/// The terminal becomes that of the command's own session, in place of the caller's terminals.
fn take_terminal(pty: &Pty) -> Result<()> {
    nix::unistd::setsid().what(|| "cannot start a session")?;
    process::set_controlling_terminal(pty.peer.as_fd())
        .what(|| "cannot take the pseudo terminal")?;
    for number in 0..3 {
        if nix::unistd::isatty(process::standard(number)).unwrap_or(false) {
            process::dup_onto(pty.peer.as_fd(), number)
                .what(|| "cannot connect the pseudo terminal")?;
        }
    }
    Ok(())
}

/// Takes the group, and root of a user namespace; the user follows when nothing needs root any more.
fn take_ids(request: &Request, target: &Target) -> Result<()> {
    let user_namespace = target.namespaces.has(Namespace::User);
    match nix::unistd::setgroups(&[]) {
        // EPERM: forbidden where an ordinary user wrote the id map.
        Ok(()) | Err(Errno::EPERM) => {}
        Err(errno) => return Err(Error::new("cannot drop the caller's groups").errno(errno)),
    }
    if user_namespace || request.gid.is_some() {
        let gid = Gid::from_raw(request.gid.unwrap_or(0));
        nix::unistd::setresgid(gid, gid, gid).what(|| format!("cannot become group {gid}"))?;
    }
    if user_namespace {
        let root = Uid::from_raw(0);
        nix::unistd::setresuid(root, root, root).what(|| "cannot become root of the container")?;
    }
    let uid = Uid::from_raw(request.uid.unwrap_or(0));
    for number in 0..3 {
        let fd = process::standard(number);
        if nix::unistd::isatty(fd).unwrap_or(false) {
            // A terminal that the command's user may not open again is a nuisance, no failure.
            let _ = nix::unistd::fchown(fd, Some(uid), None);
        }
    }
    Ok(())
}

fn environment(request: &Request, target: &Target) -> Vec<OsString> {
    let mut variables: Vec<OsString> = match &request.environment {
        Environment::Keep => std::env::vars_os()
            .map(|(name, value)| [name, value].join(std::ffi::OsStr::new("=")))
            .collect(),
        Environment::Clear(kept) => kept
            .iter()
            .filter_map(|name| {
                let value = std::env::var_os(name)?;
                Some([OsString::from(name), value].join(std::ffi::OsStr::new("=")))
            })
            .collect(),
    };
    let has_path = variables.iter().any(|one| one.as_bytes().starts_with(b"PATH="));
    if !has_path {
        variables.push(format!("PATH={CLEAN_PATH}").into());
    }
    variables.push("container=lxc".into());
    let added = target.variables.iter().chain(&request.set_variables);
    variables.extend(added.filter(|one| one.contains('=')).map(OsString::from));
    without_older(variables)
}

/// Of several settings of one variable the last.
fn without_older(variables: Vec<OsString>) -> Vec<OsString> {
    let name =
        |one: &OsString| one.as_bytes().split(|byte| *byte == b'=').next().map(<[u8]>::to_vec);
    let mut kept: Vec<OsString> = Vec::with_capacity(variables.len());
    for variable in variables {
        match kept.iter_mut().find(|one| name(one) == name(&variable)) {
            Some(older) => *older = variable,
            None => kept.push(variable),
        }
    }
    kept
}

/// The shell of user `uid` by the container's passwd(5).
fn login_shell(uid: u32) -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let uid = uid.to_string();
    let of_user = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let shell = of_user.filter(|fields| fields.get(2) == Some(&&*uid)).find_map(|fields| {
        fields.get(6).filter(|shell| !shell.is_empty()).map(|shell| (*shell).to_owned())
    });
    shell.unwrap_or_else(|| "/bin/sh".to_owned())
}

/// Executes the command as execvpe(3); returns only if that fails.
fn execute(command: &[OsString], environment: &[OsString]) -> Failure {
    let shown = command[0].to_string_lossy().into_owned();
    let c_strings = |words: &[OsString]| {
        words
            .iter()
            .map(|word| CString::new(word.as_bytes()))
            .collect::<std::result::Result<Vec<_>, _>>()
    };
    let (Ok(arguments), Ok(variables)) = (c_strings(command), c_strings(environment)) else {
        return (Error::new(format!("Failed to exec \"{shown}\": a NUL byte in its arguments")), 1);
    };
    let path = environment.iter().find_map(|one| one.as_bytes().strip_prefix(b"PATH="));
    let path = std::ffi::OsStr::from_bytes(path.unwrap_or(CLEAN_PATH.as_bytes()));
    let candidates: Vec<PathBuf> = if command[0].as_bytes().contains(&b'/') {
        vec![PathBuf::from(&command[0])]
    } else {
        std::env::split_paths(path).map(|dir| dir.join(&command[0])).collect()
    };
    let mut failure = Errno::ENOENT;
    for candidate in candidates {
        let Ok(candidate) = CString::new(candidate.into_os_string().as_bytes()) else { continue };
        let Err(errno) = nix::unistd::execve(&candidate, &arguments, &variables);
        if !matches!(errno, Errno::ENOENT | Errno::ENOTDIR) {
            failure = errno;
        }
    }
    let error = Error::new(format!("Failed to exec \"{shown}\"")).errno(failure);
    let error = if failure == Errno::ENOENT && !shown.contains('/') {
        error.hint(format!("looked in the container's {}", path.display()))
    } else {
        error
    };
    (error, exec_code(failure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_setting_of_a_variable_wins_in_its_place() {
        let variables = ["A=1", "B=2", "A=3"].map(OsString::from).to_vec();
        assert_eq!(without_older(variables), ["A=3", "B=2"]);
    }

    #[test]
    fn exit_codes_of_a_shell() {
        assert_eq!(exec_code(Errno::ENOENT), 127);
        assert_eq!(exec_code(Errno::EACCES), 126);
    }
}
