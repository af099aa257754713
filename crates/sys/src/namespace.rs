//! How namespaces relate to each other (ioctl_ns(2)).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `NS_GET_PARENT`.
const GET_PARENT: libc::Ioctl = 0xb702;
/// `NS_GET_OWNER_UID`.
const GET_OWNER_UID: libc::Ioctl = 0xb704;

/// The user namespace above `namespace`; `EPERM` if that is none of ours.
pub fn parent(namespace: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: NS_GET_PARENT takes no argument.
    let parent = unsafe { libc::ioctl(namespace.as_raw_fd(), GET_PARENT) };
    if parent < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just returned this descriptor and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(parent) })
}

/// The user who made the user namespace `namespace`, and has all rights in it.
pub fn owner(namespace: BorrowedFd<'_>) -> io::Result<libc::uid_t> {
    let mut uid: libc::uid_t = 0;
    // SAFETY: NS_GET_OWNER_UID fills the number it is given.
    if unsafe { libc::ioctl(namespace.as_raw_fd(), GET_OWNER_UID, &raw mut uid) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(uid)
}
