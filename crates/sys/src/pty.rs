//! Pseudo terminals of a given devpts instance (pts(4), ioctl_tty(2)).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fstat, major, minor};
use nix::sys::statfs::{FsType, fstatfs};

use super::beneath;

/// A pseudo terminal.
#[derive(Debug)]
pub struct Pty {
    /// The side of the one who shows it.
    pub ptx: OwnedFd,
    /// The terminal itself.
    pub peer: OwnedFd,
}

impl Pty {
    /// Both sides, the terminal itself last.
    pub fn sides(&self) -> [BorrowedFd<'_>; 2] {
        [self.ptx.as_fd(), self.peer.as_fd()]
    }
}

/// The file system of pseudo terminals; C libraries differ in the type of its number.
#[allow(clippy::cast_sign_loss, clippy::unnecessary_cast)]
const DEVPTS: FsType = FsType(libc::DEVPTS_SUPER_MAGIC as _);

/// How both sides are opened.
const FLAGS: OFlag = OFlag::O_RDWR.union(OFlag::O_NOCTTY).union(OFlag::O_CLOEXEC);

/// Allocates a pseudo terminal from `ptmx` in the directory `dir`, which is this process's own.
pub fn allocate(dir: BorrowedFd<'_>) -> io::Result<Pty> {
    of_multiplexer(nix::fcntl::openat(dir, "ptmx", FLAGS, Mode::empty())?)
}

/// Allocates a pseudo terminal from the devpts instance whose root is `devpts`, which may be that of
/// somebody who mounted another device there: `EXDEV` then.
pub fn allocate_in(devpts: BorrowedFd<'_>) -> io::Result<Pty> {
    if fstatfs(devpts)?.filesystem_type() != DEVPTS {
        return Err(Errno::EXDEV.into());
    }
    let ptx = beneath::open_on_same_mount(devpts, Path::new("ptmx"), FLAGS)?;
    let number = fstat(&ptx)?.st_rdev;
    if (major(number), minor(number)) != (5, 2) {
        return Err(Errno::EXDEV.into());
    }
    of_multiplexer(ptx)
}

/// The terminal is opened through its other side (`TIOCGPTPEER`, Linux 4.13), never by a path that
/// somebody else could have replaced.
fn of_multiplexer(ptx: OwnedFd) -> io::Result<Pty> {
    let unlocked: libc::c_int = 0;
    // SAFETY: TIOCSPTLCK reads one int, which lives across the call.
    if unsafe { libc::ioctl(ptx.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: TIOCGPTPEER takes open flags as a plain number.
    let peer = unsafe { libc::ioctl(ptx.as_raw_fd(), libc::TIOCGPTPEER, FLAGS.bits()) };
    if peer < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just returned this descriptor and nothing else owns it.
    let peer = unsafe { OwnedFd::from_raw_fd(peer) };
    Ok(Pty { ptx, peer })
}

/// The number of the pseudo terminal whose other side is `ptx`: it is `N` in its devpts instance.
pub fn number(ptx: BorrowedFd<'_>) -> io::Result<u32> {
    let mut number: libc::c_uint = 0;
    // SAFETY: TIOCGPTN fills the unsigned int it is given.
    if unsafe { libc::ioctl(ptx.as_raw_fd(), libc::TIOCGPTN, &raw mut number) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(number)
}

/// Gives the terminal `to` the window size of the terminal `from`.
pub fn copy_window_size(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ fills the `winsize` it is given.
    if unsafe { libc::ioctl(from.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: TIOCSWINSZ reads the `winsize` it is given.
    if unsafe { libc::ioctl(to.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Rows and columns of the terminal `fd`; `None` if it is none.
pub fn window_size(fd: BorrowedFd<'_>) -> Option<(u16, u16)> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ fills the `winsize` it is given.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    (result == 0).then_some((size.ws_row, size.ws_col))
}
