//! Terminals and pipes that are read and written without waiting.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::sys::stat::{Mode, SFlag, fstat, major, minor};

use crate::error::{Context, Result};

/// A descriptor that never waits.
#[derive(Debug)]
pub struct Nonblocking {
    fd: OwnedFd,
    /// What others who have it open are to find again.
    before: Option<OFlag>,
}

impl Nonblocking {
    /// The file of `fd`: opened anew where that is possible, so that others who have it open do not
    /// notice; else changed until this is dropped.
    pub fn own(fd: BorrowedFd<'_>) -> Result<Self> {
        match open_anew(fd) {
            Some(fd) => Ok(Self { fd, before: None }),
            None => Self::shared(fd),
        }
    }

    /// The open file of `fd` itself.
    pub fn shared(fd: BorrowedFd<'_>) -> Result<Self> {
        let failed = || "cannot make a descriptor non-blocking";
        let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL).context(failed)?);
        let fd = fd.try_clone_to_owned().context(failed)?;
        fcntl(&fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).context(failed)?;
        Ok(Self { fd, before: Some(flags) })
    }
}

impl AsFd for Nonblocking {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Nonblocking {
    fn drop(&mut self) {
        if let Some(flags) = self.before {
            // It was possible before.
            let _ = fcntl(&self.fd, FcntlArg::F_SETFL(flags));
        }
    }
}

/// Opens a terminal or a pipe once more; `None` where there is none, or it may not be opened.
fn open_anew(fd: BorrowedFd<'_>) -> Option<OwnedFd> {
    let found = fstat(fd).ok()?;
    let is_pipe = SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT == SFlag::S_IFIFO;
    // Opening ptmx makes a new pseudo terminal.
    let is_ptmx = (major(found.st_rdev), minor(found.st_rdev)) == (5, 2);
    if !is_pipe && (is_ptmx || !nix::unistd::isatty(fd).unwrap_or(false)) {
        return None;
    }
    let access = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL).ok()?) & OFlag::O_ACCMODE;
    let flags = access | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    open(format!("/proc/self/fd/{}", fd.as_raw_fd()).as_str(), flags, Mode::empty()).ok()
}
