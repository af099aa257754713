//! Running a command in namespaces of its own, without a container: lxc-unshare, lxc-usernsexec.
//!
//! The new process waits until its id maps are written and its links are there, does the rest by
//! itself, and executes the command. If a step fails it is gone before the error is returned.

use std::convert::Infallible;
use std::ffi::OsString;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{Gid, Pid, Uid};
use serde::{Deserialize, Serialize};

use crate::channel::Channel;
use crate::config::Namespace;
use crate::error::{Context, Error, Result};
use crate::init::command;
use crate::mount::rootfs;
use crate::namespace::{Ids, NamespaceSet};
use crate::network::transfer;
use crate::sys::process::{self, CloneOptions, Cloned};
use crate::sys::signals;

/// File systems that show the namespaces they were mounted in: type, directory, and whether a
/// command can do without.
const REMOUNTED: [(&str, &str, bool); 3] =
    [("proc", "/proc", false), ("tmpfs", "/dev/shm", true), ("mqueue", "/dev/mqueue", true)];

/// What to run, and in what.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The command; not empty.
    pub command: &'a [OsString],
    /// The namespaces it gets.
    pub namespaces: NamespaceSet,
    /// The id maps of its user namespace; may be empty.
    pub ids: Ids<'a>,
    /// The user it becomes, inside.
    pub uid: Option<u32>,
    /// The group it becomes, inside; it then also loses its supplementary groups, if it may.
    pub gid: Option<u32>,
    /// The host name of its UTS namespace.
    pub hostname: Option<&'a str>,
    /// Links of the caller's that are moved into its network namespace.
    pub links: &'a [String],
    /// Whether it gets a /proc, /dev/shm and /dev/mqueue of its namespaces.
    pub remount: bool,
}

/// What the caller says when the process may go on.
#[derive(Debug, Serialize, Deserialize)]
struct Go;

/// Starts the command; returns its pid when it was executed.
pub fn spawn(request: &Request<'_>) -> Result<Pid> {
    let (ours, theirs) = Channel::pair()?;
    let flags = request.namespaces.flags();
    let names = || request.namespaces.kinds().map(Namespace::name).collect::<Vec<_>>().join(", ");
    let cloned = process::clone3(flags, CloneOptions::default())
        .context(|| format!("cannot make a process with namespaces of its own: {}", names()))?;
    let Cloned::Parent(pid, _) = cloned else {
        drop(ours);
        let Ok(Some((Go, _))) = theirs.receive::<Go>() else { process::exit_now(1) };
        let Err(error) = become_command(request);
        // A caller that is gone cannot be told.
        let _ = theirs.send(&error, &[]);
        process::exit_now(1)
    };
    drop(theirs);
    let started =
        prepare(request, pid).and_then(|()| ours.send(&Go, &[])).and_then(|()| {
            match ours.receive::<Error>()? {
                None => Ok(pid),
                Some((error, _)) => Err(error),
            }
        });
    if started.is_err() {
        // Without an answer the process ends on its own.
        drop(ours);
        command::wait(pid)?;
    }
    started
}

/// The steps that only the caller's namespaces allow.
fn prepare(request: &Request<'_>, pid: Pid) -> Result<()> {
    request.ids.write(pid)?;
    request.links.iter().try_for_each(|link| transfer::into_that_of(pid, link))
}

/// The steps inside; returns only with what went wrong.
fn become_command(request: &Request<'_>) -> Result<Infallible> {
    if let Some(name) = request.hostname {
        nix::unistd::sethostname(name).context(|| format!("cannot set the hostname {name}"))?;
    }
    if request.namespaces.has(Namespace::Mnt) {
        rootfs::detach_from_host()?;
    }
    if request.remount {
        remount()?;
    }
    if let Some(gid) = request.gid {
        match nix::unistd::setgroups(&[]) {
            // An id map that an ordinary user wrote forbids it (user_namespaces(7)).
            Ok(()) | Err(Errno::EPERM) => {}
            Err(errno) => {
                return Err(Error::new("cannot drop the supplementary groups").errno(errno));
            }
        }
        let gid = Gid::from_raw(gid);
        nix::unistd::setresgid(gid, gid, gid).context(|| format!("cannot become group {gid}"))?;
    }
    if let Some(uid) = request.uid.map(Uid::from_raw) {
        nix::unistd::setresuid(uid, uid, uid).context(|| format!("cannot become user {uid}"))?;
    }
    signals::ignore_as_caller();
    Err(command::execute_with_own_environment(request.command))
}

/// Mounts the file systems that show namespaces anew, over those of the caller's.
fn remount() -> Result<()> {
    for (kind, dir, dispensable) in REMOUNTED {
        // EINVAL: none is mounted there, or (in a user namespace) it may not be taken away.
        match umount2(dir, MntFlags::MNT_DETACH) {
            Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
            Err(errno) => return Err(Error::new(format!("cannot unmount {dir}")).errno(errno)),
        }
        match mount(Some(kind), dir, Some(kind), MsFlags::empty(), None::<&str>) {
            Err(Errno::ENOENT | Errno::EPERM | Errno::ENODEV) if dispensable => {}
            result => result.context(|| format!("cannot mount {kind} on {dir}"))?,
        }
    }
    Ok(())
}
