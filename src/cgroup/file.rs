//! The files of a cgroup directory.
//!
//! The directory may have come over a command socket, from the mount namespace of another user. So
//! neither a link nor anything mounted on a file of it is followed.

use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, fstatfs};

use crate::sys::beneath;

/// Whether `dir` is on a cgroup file system.
pub fn is_cgroup(dir: BorrowedFd<'_>) -> bool {
    let magic = [CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC];
    fstatfs(dir).is_ok_and(|found| magic.contains(&found.filesystem_type()))
}

/// Opens `file` of the cgroup directory `dir`.
pub fn open(dir: BorrowedFd<'_>, file: &str, flags: OFlag) -> nix::Result<OwnedFd> {
    beneath::open_on_same_mount(dir, Path::new(file), flags)
}

/// Writes `value` to `file` of the cgroup directory `dir` in one call.
pub fn write(dir: BorrowedFd<'_>, file: &str, value: &str) -> nix::Result<()> {
    let file = open(dir, file, OFlag::O_WRONLY)?;
    nix::unistd::write(&file, value.as_bytes()).map(drop)
}

/// Reads all of `file` of the cgroup directory `dir`.
pub fn read(dir: BorrowedFd<'_>, file: &str) -> std::io::Result<String> {
    let file = open(dir, file, OFlag::O_RDONLY)?;
    std::io::read_to_string(File::from(file))
}
