//! Making a container's first process: a clone in its new namespaces, and in those that it shares with
//! others (`lxc.namespace.share.*`).

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use crate::channel::Channel;
use crate::config::Namespace;
use crate::error::{Context, Error, Result};
use crate::identity::{ContainerName, Identity};
use crate::init::{self, Inherited, Plan};
use crate::namespace::set;
use crate::sys::process::{self, CloneOptions, Cloned};

use super::client::Client;

/// The namespaces of others that the container joins.
#[derive(Debug)]
pub struct Shared(Vec<(Namespace, OwnedFd)>);

/// What the process that joins them says: the pid of the container's first process, and whether that
/// is in its v2 cgroup already.
type Joined = std::result::Result<(i32, bool), Error>;

/// Clones the first process, into its v2 cgroup at once where the kernel can (Linux 5.7). Returns
/// its pid and its pidfd.
pub fn clone(mut inherited: Inherited<'_>, shared: &Shared) -> Result<(Pid, OwnedFd)> {
    if shared.0.is_empty() {
        return clone_here(&mut inherited, false);
    }
    // Joined before the clone: in a new user namespace there are no rights over those of others. The
    // monitor itself could not leave a user namespace again, so a process between them joins.
    let (ours, theirs) = Channel::pair()?;
    let joiner = process::clone3(0, CloneOptions::default()).context(|| "cannot make a process")?;
    let Cloned::Parent(joiner, _) = joiner else {
        let cloned = shared.join(inherited.plan).and_then(|()| clone_here(&mut inherited, true));
        let (said, pidfd): (Joined, _) = match cloned {
            Ok((pid, pidfd)) => (Ok((pid.as_raw(), inherited.in_v2)), Some(pidfd)),
            Err(error) => (Err(error), None),
        };
        let fds: Vec<_> = pidfd.iter().map(AsFd::as_fd).collect();
        // A monitor that is gone cannot be told.
        let _ = theirs.send(&said, &fds);
        process::exit_now(0)
    };
    drop(theirs);
    let said = ours.receive::<Joined>();
    waitpid(joiner, None).context(|| "cannot wait for a process")?;
    match said? {
        Some((Ok((pid, _)), mut fds)) if !fds.is_empty() => {
            Ok((Pid::from_raw(pid), fds.swap_remove(0)))
        }
        Some((Err(error), _)) => Err(error),
        _ => Err(Error::new("the process that joins the shared namespaces died")),
    }
}

/// Clones it as a child of this process, or as its `sibling`.
fn clone_here(inherited: &mut Inherited<'_>, sibling: bool) -> Result<(Pid, OwnedFd)> {
    // Made later, inside: a cgroup namespace shows the cgroup that its maker is in.
    let later = [Namespace::Cgroup, Namespace::Time];
    let namespaces = inherited.plan.namespaces;
    let flags = later.iter().fold(namespaces, |set, kind| set.without(*kind)).flags();
    let into = inherited.cgroups.v2().map(crate::cgroup::CgroupDir::payload);
    inherited.in_v2 = into.is_some();
    let mut cloned = process::clone3(flags, CloneOptions { cgroup: into, sibling });
    if inherited.in_v2 && cloned.is_err() {
        inherited.in_v2 = false;
        cloned = process::clone3(flags, CloneOptions { cgroup: None, sibling });
    }
    match cloned {
        Ok(Cloned::Parent(pid, pidfd)) => Ok((pid, pidfd)),
        Ok(Cloned::Child) => init::run(inherited),
        Err(error) => Err(error).context(|| {
            let names: Vec<&str> = namespaces.kinds().map(Namespace::name).collect();
            format!("cannot make a process in new namespaces ({})", names.join(" "))
        }),
    }
}

impl Shared {
    /// Opens the namespaces of `lxc.namespace.share.*` (a pid, a container's name or its path) that are
    /// not this process's own.
    pub fn open(plan: &Plan) -> Result<Self> {
        let open = |(kind, whose): (&Namespace, &crate::config::Located<String>)| -> Result<_> {
            let pid = match whose.parse::<i32>() {
                Ok(pid) => Pid::from_raw(pid),
                Err(_) => init_of_other(plan, whose)?,
            };
            let namespace = set::open(pid, *kind)?;
            // Where this process is already there is nothing to join, which takes rights over it.
            let is_needed = *kind == Namespace::User || !set::is_ours(namespace.as_fd(), *kind)?;
            Ok(is_needed.then_some((*kind, namespace)))
        };
        let all = plan.config.namespace_share.iter();
        all.filter_map(|one| open(one).map_err(|error| error.at(one.1.origin.as_ref())).transpose())
            .collect::<Result<_>>()
            .map(Self)
    }

    /// Moves this process into them. The host's root may join them all, the user namespace last; an
    /// ordinary user only those that belong to the user namespace, once in that.
    fn join(&self, plan: &Plan) -> Result<()> {
        let (user, others): (Vec<_>, Vec<_>) =
            self.0.iter().partition(|(kind, _)| *kind == Namespace::User);
        let mut left = Vec::new();
        for one in others {
            match process::setns(one.1.as_fd(), one.0.flag()) {
                Ok(()) => {}
                Err(error)
                    if !user.is_empty() && error.raw_os_error() == Some(Errno::EPERM as i32) =>
                {
                    left.push(one);
                }
                Err(error) => return Err(refused(plan, one.0, &error)),
            }
        }
        for (kind, fd) in user.into_iter().chain(left) {
            process::setns(fd.as_fd(), kind.flag())
                .map_err(|error| refused(plan, *kind, &error))?;
        }
        Ok(())
    }
}

fn refused(plan: &Plan, kind: Namespace, error: &std::io::Error) -> Error {
    let name = kind.name();
    let share = plan.config.namespace_share.get(&kind);
    let whose = share.map(|one| one.value.as_str()).unwrap_or_default();
    let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
    let error = Error::new(format!("cannot join the {name} namespace of {whose}")).errno(errno);
    let error = error.at(share.and_then(|one| one.origin.as_ref()));
    if kind == Namespace::User && error.is(Errno::EINVAL) {
        return error.hint("the other container has no user namespace of its own");
    }
    if kind == Namespace::User || !error.is(Errno::EPERM) {
        return error;
    }
    if plan.config.namespace_share.contains_key(&Namespace::User) {
        error.hint("it does not belong to the user namespace of lxc.namespace.share.user")
    } else {
        error.hint(format!(
            "it belongs to another user namespace: an ordinary user shares that as well, with \
             lxc.namespace.share.user = {whose}"
        ))
    }
}

fn init_of_other(plan: &Plan, whose: &str) -> Result<Pid> {
    let path = std::path::Path::new(whose);
    let (lxcpath, name) = match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if path.is_absolute() => (parent, name.to_string_lossy()),
        _ => (plan.identity.lxcpath.as_path(), whose.into()),
    };
    let other = Identity::new(lxcpath, ContainerName::new(name)?);
    Client::new(&other)
        .init()
        .map(|init| init.pid)
        .map_err(|error| Error::new(format!("cannot share a namespace with {whose}: {error}")))
}
