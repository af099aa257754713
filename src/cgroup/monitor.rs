//! The cgroup of the monitor, which outlives the session or service that the container was started
//! from.
//!
//! A monitor in the cgroup of its starter would end with it (`systemctl stop`, `KillUserProcesses=`,
//! a limit). It moves out where the starter's cgroup is not the one that containers go to anyway, or
//! where `lxc.cgroup.dir.monitor` says so. The move costs a grace period of the kernel on cgroup v2,
//! so it is made when the container runs and nobody waits.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::Mode;
use nix::unistd::{Pid, geteuid, getpid, getppid};

use super::directory::{self, CgroupDir, create_dir, open_dir};
use super::enter::move_self;
use super::file;
use super::layout::{Hierarchy, Layout};
use super::naming::{HostRules, LEAF, Naming};
use super::scope;
use crate::config::Config;
use crate::error::{Context, Error, Result};
use crate::identity::ContainerName;
use crate::sys::lock::FileLock;

/// Where the monitor is, and where it goes at its end.
#[derive(Debug)]
pub struct MonitorCgroup {
    dirs: Vec<CgroupDir>,
    pivot: Option<PathBuf>,
    /// Shows that the monitor lives.
    lock: Option<FileLock>,
}

/// Whether the configuration names the monitor's cgroup.
pub fn is_configured(config: &Config) -> bool {
    config.cgroup.monitor.is_some() || config.cgroup.dir.is_some()
}

/// Moves the calling process, of one thread, out of the way: a cgroup of v2 with processes in it gives no
/// controllers to others (cgroups(7), "no internal processes"). Root's containers are below a cgroup
/// without processes, those of an ordinary user below the cgroup that the user was given, next to a leaf
/// for processes. `starter`: the process that started this one, and waits for it, goes there as well.
pub fn make_room(layout: &Layout, starter: bool) -> Result<()> {
    let is_given = |one: &&Hierarchy| !geteuid().is_root() && scope::is_writable(one);
    let Some(hierarchy) = layout.v2().filter(is_given) else { return Ok(()) };
    let path = hierarchy.dir(Path::new(""));
    let base = open_dir(&path)?;
    let members = file::read(base.as_fd(), "cgroup.procs")
        .context(|| format!("cannot read the processes of cgroup {}", path.display()))?;
    let is_here = |pid: Pid| members.lines().any(|line| line == pid.to_string());
    if is_here(getpid()) {
        let leaf = open_leaf(hierarchy)?;
        let failed = || format!("cannot move from cgroup {} to its leaf {LEAF}", path.display());
        move_self(leaf.as_fd()).context(failed)?;
        if starter && is_here(getppid()) {
            file::write(leaf.as_fd(), "cgroup.procs", &getppid().to_string()).context(failed)?;
        }
    }
    Ok(())
}

impl MonitorCgroup {
    /// Moves the calling process, of one thread, to cgroups in the hierarchies of `layout`. On failure
    /// the process is where it was, or in a cgroup that the next start or destroy removes.
    pub fn enter(
        name: &ContainerName,
        config: &Config,
        rules: &HostRules,
        layout: &Layout,
    ) -> Result<Self> {
        let hierarchies = if is_configured(config) {
            layout.hierarchies.iter().collect::<Vec<_>>()
        } else {
            layout.elsewhere()?
        };
        let naming = Naming::of_monitor(name, config, rules);
        naming.first_free(config.origin("lxc.cgroup.dir.monitor"), |path| {
            Self::enter_as(&hierarchies, path, config.cgroup.pivot.clone())
        })
    }

    fn enter_as(hierarchies: &[&Hierarchy], path: &Path, pivot: Option<PathBuf>) -> Result<Self> {
        let mut entered = Self { dirs: Vec::new(), pivot, lock: None };
        for hierarchy in hierarchies {
            if let Err(error) = entered.enter_one(hierarchy, path) {
                return Err(match entered.leave() {
                    Ok(()) => error,
                    Err(problem) => error.note(format!("cleaning up: {problem}")),
                });
            }
        }
        Ok(entered)
    }

    fn enter_one(&mut self, hierarchy: &Hierarchy, path: &Path) -> Result<()> {
        let Some(dir) = create_dir(hierarchy, path, None, |_| Ok(()))? else { return Ok(()) };
        let entered = match self.lock {
            None => directory::lock(dir.payload()).map(|lock| {
                self.lock = lock;
                directory::mark(dir.payload());
            }),
            Some(_) => Ok(()),
        };
        let entered = entered.and_then(|()| {
            let failed = || format!("cannot enter cgroup {}", hierarchy.dir(path).display());
            move_self(dir.payload()).context(failed)
        });
        self.dirs.push(dir);
        entered
    }

    /// Moves the calling process out, to the pivot or else to the base, and removes the cgroups.
    pub fn leave(&self) -> Result<()> {
        let mut first = None;
        for dir in &self.dirs {
            if let Err(error) = self.leave_one(dir) {
                first.get_or_insert(error);
            }
        }
        first.map_or(Ok(()), Err)
    }

    fn leave_one(&self, dir: &CgroupDir) -> Result<()> {
        let hierarchy = &dir.hierarchy;
        let out = hierarchy.dir(self.pivot.as_deref().unwrap_or(Path::new("")));
        let left = match &self.pivot {
            Some(pivot) => match create_dir(hierarchy, pivot, None, |_| Ok(())) {
                Ok(Some(pivot)) => move_self(pivot.payload()),
                Ok(None) => return Ok(()),
                // Another monitor has made it for the same purpose.
                Err(error) if error.is(Errno::EEXIST) => move_self(open_dir(&out)?.as_fd()),
                Err(error) => return Err(error),
            },
            None => match move_self(open_dir(&out)?.as_fd()) {
                // A cgroup that gives controllers to others takes no processes.
                Err(Errno::EBUSY) => move_self(open_leaf(hierarchy)?.as_fd()),
                result => result,
            },
        };
        left.context(|| format!("cannot move the monitor to cgroup {}", out.display()))?;
        directory::remove_dir(dir);
        directory::remove_empty_parents(hierarchy, &dir.path);
        let path = hierarchy.dir(&dir.path);
        if path.exists() {
            return Err(Error::new(format!("cannot remove cgroup {}", path.display())));
        }
        Ok(())
    }
}

/// The leaf for processes that have no cgroup of their own beside the containers'; it stays, for all
/// of them, as long as the cgroup it is in.
fn open_leaf(hierarchy: &Hierarchy) -> Result<OwnedFd> {
    let path = hierarchy.dir(Path::new(LEAF));
    match nix::unistd::mkdir(&path, Mode::from_bits_truncate(0o755)) {
        Ok(()) | Err(Errno::EEXIST) => open_dir(&path),
        Err(errno) => {
            Err(Error::new(format!("cannot create cgroup {}", path.display())).errno(errno))
        }
    }
}
