//! Pseudo terminals of a given devpts instance (pts(4), ioctl_tty(2)).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

/// A pseudo terminal.
#[derive(Debug)]
pub struct Pty {
    /// The side of the one who shows it.
    pub ptx: OwnedFd,
    /// The terminal itself.
    pub peer: OwnedFd,
}

/// Allocates a pseudo terminal from the devpts instance mounted at `devpts`.
///
/// The terminal is opened through its other side (`TIOCGPTPEER`, Linux 4.13), never by a path that
/// somebody else could have replaced.
pub fn allocate(devpts: BorrowedFd<'_>) -> io::Result<Pty> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let ptx = nix::fcntl::openat(devpts, "ptmx", flags, Mode::empty())?;
    let unlocked: libc::c_int = 0;
    // SAFETY: TIOCSPTLCK reads one int, which lives across the call.
    if unsafe { libc::ioctl(ptx.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: TIOCGPTPEER takes open flags as a plain number.
    let peer = unsafe { libc::ioctl(ptx.as_raw_fd(), libc::TIOCGPTPEER, flags.bits()) };
    if peer < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just returned this descriptor and nothing else owns it.
    Ok(Pty {
        ptx,
        peer: unsafe { OwnedFd::from_raw_fd(peer) },
    })
}
