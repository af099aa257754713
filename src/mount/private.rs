//! Mounts that nobody else sees.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use nix::sched::{CloneFlags, setns, unshare};

use super::rootfs::detach_from_host;
use crate::error::{Context, Error, Result};
use crate::sys::mount::{MountAttr, mount_setattr};

/// Makes the mounts of the detached `tree` private: a copy of a shared mount is in the same peer group
/// (mount_namespaces(7)).
pub fn keep(tree: &OwnedFd) -> Result<()> {
    let private = MountAttr { propagation: libc::MS_PRIVATE, ..MountAttr::default() };
    mount_setattr(tree.as_fd(), true, &private).context(|| "cannot make a mount private")
}

/// Does `act`, which is `what`, in a mount namespace of its own; what it mounts is unmounted some time after
/// it ends. Mount namespaces belong to threads: it is done by one that ends with it.
pub fn within<T: Send>(what: &str, act: impl Fn() -> Result<T> + Sync) -> Result<T> {
    let inside = || enter(what).and_then(|()| act());
    let done = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, inside).ok()?;
        Some(thread.join().unwrap_or_else(|_| Err(Error::new(format!("{what} failed")))))
    });
    done.unwrap_or_else(|| within_this_thread(what, inside))
}

/// As [`within`], in the calling thread: `act` may make processes that no process with a second thread can make.
pub fn within_one_thread<T>(what: &str, act: impl Fn() -> Result<T>) -> Result<T> {
    within_this_thread(what, || enter(what).and_then(|()| act()))
}

fn enter(what: &str) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_FS)
        .context(|| format!("cannot create a mount namespace for {what}"))?;
    detach_from_host()
}

/// Does `inside`, which changes the mount namespace, in the calling thread, where there can be no other.
fn within_this_thread<T>(what: &str, inside: impl Fn() -> Result<T>) -> Result<T> {
    let failed = || format!("cannot return from the mount namespace of {what}");
    let own = File::open("/proc/thread-self/ns/mnt").context(failed)?;
    let dir = std::env::current_dir().context(failed)?;
    let done = inside();
    // This leads to the root directory.
    setns(own, CloneFlags::CLONE_NEWNS).context(failed)?;
    std::env::set_current_dir(dir).context(failed)?;
    done
}
