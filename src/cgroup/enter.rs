//! Moving a process into cgroups.
//!
//! Every process moves itself. A write of another's pid to `cgroup.procs` makes the kernel stop all
//! forks and exits of the host first, which takes a grace period of some 10 ms; a single thread that
//! writes `0` to a v1 `tasks` file, or is cloned into a v2 cgroup, waits for nothing.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, mkdirat};
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, fstatfs};

use super::file;
use super::layout::Version;
use super::naming::LEAF;
use super::tree::Cgroups;
use crate::error::{Context, Error, Result};

impl Cgroups {
    /// Puts the calling process, of one thread, into all of these cgroups; `in_v2`: it was cloned into
    /// the unified one.
    pub fn enter(&self, in_v2: bool) -> Result<()> {
        for dir in &self.dirs {
            if in_v2 && dir.hierarchy.version == Version::V2 {
                continue;
            }
            move_self(dir.payload()).context(|| {
                let path = dir.hierarchy.dir(&dir.path);
                format!("cannot move the container's first process into cgroup {}", path.display())
            })?;
        }
        Ok(())
    }
}

/// The v2 directory among those of a container, which a process can be cloned into.
pub fn unified(dirs: &[OwnedFd]) -> Option<BorrowedFd<'_>> {
    dirs.iter().find(|dir| is_unified(dir.as_fd())).map(AsFd::as_fd)
}

/// Puts the calling process, of one thread, into the cgroups of a running container; on v2 into a leaf if
/// the cgroup may have no processes next to other cgroups (cgroups(7), "no internal processes"). `in_v2`:
/// it was cloned into the unified one.
pub fn join(dirs: &[OwnedFd], in_v2: bool) -> Result<()> {
    let failed = || "cannot enter the container's cgroup";
    for dir in dirs {
        let dir = dir.as_fd();
        if in_v2 && is_unified(dir) {
            continue;
        }
        match move_self(dir) {
            Err(Errno::EBUSY | Errno::EOPNOTSUPP) => {}
            result => {
                result.context(failed)?;
                continue;
            }
        }
        match mkdirat(dir, LEAF, Mode::from_bits_truncate(0o755)) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(Error::new(failed()).errno(errno)),
        }
        let leaf = file::open(dir, LEAF, OFlag::O_DIRECTORY).context(failed)?;
        move_self(leaf.as_fd()).context(failed)?;
    }
    Ok(())
}

/// Whether the cgroup `dir` is in the unified hierarchy.
pub fn is_unified(dir: BorrowedFd<'_>) -> bool {
    fstatfs(dir).is_ok_and(|found| found.filesystem_type() == CGROUP2_SUPER_MAGIC)
}

/// Moves the calling process, of one thread, to `dir`.
pub(super) fn move_self(dir: BorrowedFd<'_>) -> nix::Result<()> {
    match file::write(dir, "tasks", "0") {
        // A v2 directory has no such file.
        Err(Errno::ENOENT) => file::write(dir, "cgroup.procs", "0"),
        result => result,
    }
}
