//! Mounts that show the owners of files as another user namespace sees them (mount_setattr(2)).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};
use nix::unistd::Pid;

use super::options::{MountIds, Recursive};
use crate::config::{IdKind, IdMap, Located, Namespace};
use crate::error::{Context, Error, Result};
use crate::namespace::{Ids, NamespaceSet, set};
use crate::sys::mount::{self as sys, MountAttr, attr};
use crate::sys::process;
use crate::worker::Worker;

/// Gives a detached tree the ids of a user namespace. Only root of the namespace that the file
/// system was mounted in may do that, so where the caller is not, another process does it for it.
pub type SetIds<'a> = dyn Fn(BorrowedFd<'_>, Recursive, &MountIds) -> Result<()> + Sync + 'a;

/// The user namespace at `path`.
fn namespace_at(path: &Path) -> Result<OwnedFd> {
    let file = std::fs::File::open(path)
        .context(|| format!("cannot open {}, which idmap= names", path.display()))?;
    if fstatfs(&file).is_ok_and(|stat| stat.filesystem_type() == NSFS_MAGIC) {
        return Ok(file.into());
    }
    Err(Error::new(format!("{}, which idmap= names, is not a namespace", path.display()))
        .hint("write idmap=container, or idmap=/proc/PID/ns/user"))
}

/// Whether files in `dir` can be shown with other ids, tried: not every file system has that, and only
/// root of the namespace that it was mounted in may do it.
pub fn try_in(dir: &Path) -> Result<()> {
    let map = |kind| Located::new(IdMap { kind, inside: 0, outside: 100_000, range: 1 }, None);
    let maps = [map(IdKind::User), map(IdKind::Group)];
    let mapped = |pid: Pid| {
        Ids::new(&maps).write(pid)?;
        let tree = sys::open_tree(sys::at_cwd(), dir, sys::OPEN_TREE_CLONE)
            .context(|| "cannot clone a mount")?;
        set(tree.as_fd(), Recursive::No, &MountIds::Container, Some(&pid.to_string()))
    };
    let namespace = NamespaceSet::of([Namespace::User]);
    Worker { namespaces: namespace.flags(), within: None }.run(mapped, || Ok(()))
}

/// Gives `tree` the ids `whose`; `container`: a process of the container's user namespace, if it has
/// one.
pub fn set(
    tree: BorrowedFd<'_>,
    recursive: Recursive,
    whose: &MountIds,
    container: Option<&str>,
) -> Result<()> {
    let userns = match (whose, container) {
        (MountIds::Container, Some(pid)) => set::open(pid, Namespace::User)?,
        (MountIds::Container, None) => {
            return Err(Error::new("idmap=container, and the container has no id map")
                .hint("add lxc.idmap lines, or remove idmap=container"));
        }
        (MountIds::Of(path), _) => namespace_at(path)?,
    };
    let ids = MountAttr {
        set: attr::IDMAP,
        userns_fd: process::raw(userns.as_fd()),
        ..MountAttr::default()
    };
    sys::mount_setattr(tree, recursive == Recursive::Yes, &ids)
        .context(|| "cannot show the owners of files with other ids")
        .map_err(|error| match Errno::EINVAL {
            errno if error.is(errno) => error.hint(
                "the file system must support idmapped mounts, as ext4, xfs, btrfs, tmpfs and \
                 overlay do, and the mount must not have ids of its own",
            ),
            _ => error.hint("only the host's root can do that"),
        })
}
