//! The files of a cgroup directory.

use std::fs::File;
use std::os::fd::BorrowedFd;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

/// Writes `value` to `file` of the cgroup directory `dir` in one call.
pub fn write(dir: BorrowedFd<'_>, file: &str, value: &str) -> nix::Result<()> {
    let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let file = openat(dir, file, flags, Mode::empty())?;
    nix::unistd::write(&file, value.as_bytes()).map(drop)
}

/// Reads all of `file` of the cgroup directory `dir`.
pub fn read(dir: BorrowedFd<'_>, file: &str) -> std::io::Result<String> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let file = openat(dir, file, flags, Mode::empty())?;
    std::io::read_to_string(File::from(file))
}
