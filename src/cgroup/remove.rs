//! The end of cgroups: killing what is inside, and removing the directories.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::directory::{open_dir, remove_below, remove_empty_parents, remove_patiently};
use super::file;
use super::freezer::Freezer;
use super::tree::Cgroups;
use super::walk::{Visitor, walk};
use crate::error::{Context, Error, Result};
use crate::namespace::Ids;
use crate::namespace::mapped::as_root_of;

/// How long the kernel may take to empty a cgroup whose processes were all killed. A task in an
/// uninterruptible wait (a dead NFS server) can hold it for ever; then we say so instead.
const EMPTY_WITHIN: Duration = Duration::from_secs(10);

/// How long one round of killing waits for all tasks to freeze.
const FROZEN_WITHIN: Duration = Duration::from_secs(1);

impl Cgroups {
    /// Kills every process in the container's cgroups: at once where the kernel has `cgroup.kill`
    /// (Linux 5.14), else frozen, one by one, until none is left.
    pub fn kill_all(&self) -> Result<()> {
        if let Some(v2) = self.v2() {
            match file::write(v2.limit.as_fd(), "cgroup.kill", "1") {
                Ok(()) => return Ok(()),
                Err(Errno::ENOENT) => {}
                Err(errno) => {
                    let dir = v2.hierarchy.dir(&v2.path);
                    let what = format!("cannot kill the processes in cgroup {}", dir.display());
                    return Err(Error::new(what).errno(errno));
                }
            }
        }
        self.kill_frozen()
    }

    /// Kills every process where there is no `cgroup.kill`. Frozen tasks make no new ones, so the
    /// fastest fork bomb loses: whoever wakes has a signal to die of first.
    fn kill_frozen(&self) -> Result<()> {
        let freezer = self.freezing();
        let Some(dir) = freezer.or(self.dirs.first()) else {
            return Ok(());
        };
        let path = dir.hierarchy.dir(&dir.path);
        let freezer = freezer.map(|dir| Freezer::new(dir.limit.as_fd(), dir.hierarchy.version));
        let deadline = Instant::now() + EMPTY_WITHIN;
        while !processes_below(&path).is_empty() {
            if Instant::now() > deadline {
                let pids = processes_below(&path);
                return Err(Error::new(format!("processes do not die: {pids:?}")));
            }
            // Some may be stuck in the kernel: those cannot fork either, and are left to the next
            // round.
            let _ = freezer.map(|freezer| freezer.freeze(FROZEN_WITHIN));
            for pid in processes_below(&path) {
                // It may be gone already, which is what we want.
                let _ = kill(pid, Signal::SIGKILL);
            }
            freezer.map_or(Ok(()), |freezer| freezer.thaw(FROZEN_WITHIN))?;
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Removes all directories of the container, whose root `ids` name. Its processes must be dead or
    /// dying; the kernel may need a moment to take the last ones out.
    pub fn remove(&self, ids: Ids<'_>) -> Result<()> {
        let mut first = None;
        let deadline = Instant::now() + EMPTY_WITHIN;
        // The first directory, whose lock reserves the name, goes last.
        for dir in self.dirs.iter().rev() {
            let path = dir.hierarchy.dir(&dir.path);
            let mut removed = remove_patiently(&path, deadline);
            if let Err(Errno::EACCES | Errno::EPERM) = removed
                && !ids.is_empty()
            {
                // The container's root made cgroups in this one; those are not ours, but this one is.
                let failed = || format!("cannot empty cgroup {}", path.display());
                if let Err(error) = as_root_of(ids, || remove_below(&path).context(failed)) {
                    first.get_or_insert(error);
                }
                removed = remove_patiently(&path, deadline);
            }
            if let Err(errno) = removed {
                let pids = processes_below(&path);
                first.get_or_insert(
                    Error::new(format!("cannot remove cgroup {}", path.display()))
                        .errno(errno)
                        .note(format!("processes in it: {pids:?}")),
                );
            }
            remove_empty_parents(&dir.hierarchy, &dir.path);
        }
        first.map_or(Ok(()), Err)
    }
}

/// The processes in the cgroup at `path` and below, as far as they can be read.
fn processes_below(path: &Path) -> Vec<Pid> {
    struct Processes(Vec<Pid>);
    impl Visitor for Processes {
        fn inside(&mut self, dir: BorrowedFd<'_>) {
            let text = file::read(dir, "cgroup.procs").unwrap_or_default();
            self.0.extend(text.lines().filter_map(|line| line.parse().ok().map(Pid::from_raw)));
        }
    }
    let mut found = Processes(Vec::new());
    if let Ok(dir) = open_dir(path)
        && let Err(errno) = walk(dir.as_fd(), &mut found)
    {
        log::debug!("cannot see all processes below cgroup {}: {errno}", path.display());
    }
    found.0
}
