//! The network namespace that a link goes to. It is opened once, with the caller's rights, and from then
//! on it is this descriptor: whatever becomes of the path or the process.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use crate::caller::Caller;
use crate::failure::{Context, Failure, Result};
use crate::sys;

/// A network namespace over which the caller has all rights.
pub struct Namespace(OwnedFd);

impl Namespace {
    /// That of process `pid`.
    pub fn of(pid: u32, caller: &Caller) -> Result<Self> {
        Self::open(OsStr::new(&format!("/proc/{pid}/ns/net")), caller)
    }

    /// The one at `path`.
    pub fn open(path: &OsStr, caller: &Caller) -> Result<Self> {
        // One answer to every path that does not lead there: what is behind it is nobody's business.
        let refused = || {
            Failure::new(format!("{caller} has no rights over such a network namespace"))
                .hint("it must belong to a user namespace that this user made")
        };
        let opened = caller.act(|| {
            // Nothing but a namespace gets really opened: neither a device nor a FIFO.
            let path = std::path::Path::new(OsStr::from_bytes(path.as_bytes()));
            let found = File::options().read(true).custom_flags(libc::O_PATH).open(path).ok()?;
            if !sys::is_namespace_file(found.as_fd()) {
                return None;
            }
            File::open(format!("/proc/self/fd/{}", found.as_raw_fd())).ok()
        })?;
        let namespace: OwnedFd = opened.ok_or_else(refused)?.into();
        if !sys::is_network_namespace(namespace.as_fd()) || !is_ruled_by(&namespace, caller)? {
            return Err(refused());
        }
        Ok(Self(namespace))
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether the kernel gives `caller` all capabilities over `namespace`: its user namespace, or one above
/// it, is the child of this one and was made by that user (user_namespaces(7)).
fn is_ruled_by(namespace: &OwnedFd, caller: &Caller) -> Result<bool> {
    let failed = || "cannot compare user namespaces".to_owned();
    let own = identity(&File::open("/proc/self/ns/user").context(failed)?.into())?;
    // What is above this user namespace cannot be seen from it.
    let Ok(mut user) = sys::user_namespace_of(namespace.as_fd()) else { return Ok(false) };
    if identity(&user)? == own {
        return Ok(caller.is_root());
    }
    // As deep as the kernel nests them.
    for _ in 0..64 {
        let Ok(parent) = sys::parent_of(user.as_fd()) else { return Ok(false) };
        if identity(&parent)? == own {
            let owner = sys::owner_of(user.as_fd()).context(failed)?;
            return Ok(caller.is_root() || owner == caller.uid);
        }
        user = parent;
    }
    Ok(false)
}

fn identity(namespace: &OwnedFd) -> Result<(u64, u64)> {
    let failed = || "cannot compare user namespaces".to_owned();
    let file = File::from(namespace.try_clone().context(failed)?);
    file.metadata().context(failed).map(|metadata| (metadata.dev(), metadata.ino()))
}
