//! The cgroup of the monitor, which outlives the session or service that the container was started
//! from.
//!
//! A monitor in the cgroup of its starter would end with it (`systemctl stop`, `KillUserProcesses=`,
//! a limit). It moves out where the starter's cgroup is not the one that containers go to anyway, or
//! where `lxc.cgroup.dir.monitor` says so. The move costs a grace period of the kernel on cgroup v2,
//! so it is made when the container runs and nobody waits.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::enter::move_self;
use super::layout::{Hierarchy, Layout};
use super::naming::{HostRules, Naming};
use super::remove;
use super::tree::{CgroupDir, create_dir, open_dir};
use crate::config::Config;
use crate::error::{Context, Error, Result};
use crate::identity::ContainerName;

/// Where the monitor is, and where it goes at its end.
#[derive(Debug)]
pub struct MonitorCgroup {
    dirs: Vec<CgroupDir>,
    pivot: Option<PathBuf>,
}

/// Whether the configuration names the monitor's cgroup.
pub fn is_configured(config: &Config) -> bool {
    config.cgroup.monitor.is_some() || config.cgroup.dir.is_some()
}

impl MonitorCgroup {
    /// Moves the calling process, of one thread. On failure it is where it was, or in a cgroup that
    /// the next start or destroy sweeps.
    pub fn enter(name: &ContainerName, config: &Config, rules: &HostRules) -> Result<Self> {
        let everywhere = is_configured(config);
        let own = Layout::of_host(true)?.hierarchies;
        let layout = Layout::of_host(config.cgroup.relative)?.restricted(rules.used.as_deref())?;
        let mut hierarchies = layout.hierarchies;
        hierarchies.retain(|one| {
            everywhere || !own.iter().any(|own| own.mount == one.mount && own.base == one.base)
        });
        let naming = Naming::of_monitor(name, config, rules);
        naming.first_free(config.origin("lxc.cgroup.dir.monitor"), |path| {
            Self::enter_as(&hierarchies, path, config.cgroup.pivot.clone())
        })
    }

    fn enter_as(hierarchies: &[Hierarchy], path: &Path, pivot: Option<PathBuf>) -> Result<Self> {
        let mut entered = Self { dirs: Vec::new(), pivot };
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
        let Some(dir) = create_dir(hierarchy, path, None)? else { return Ok(()) };
        let result = move_self(dir.payload());
        self.dirs.push(dir);
        result.what(|| format!("cannot enter cgroup {}", hierarchy.dir(path).display()))
    }

    /// Moves the calling process out, to the pivot or else to the base, and removes the cgroups.
    pub fn leave(self) -> Result<()> {
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
            Some(pivot) => match create_dir(hierarchy, pivot, None) {
                Ok(Some(pivot)) => move_self(pivot.payload()),
                Ok(None) => return Ok(()),
                // Another monitor's way out as well.
                Err(error) if error.is(Errno::EEXIST) => move_self(open_dir(&out)?.as_fd()),
                Err(error) => return Err(error),
            },
            None => move_self(open_dir(&out)?.as_fd()),
        };
        left.what(|| format!("cannot move the monitor to cgroup {}", out.display()))?;
        remove::remove_dir(dir);
        remove::remove_empty_parents(hierarchy, &dir.path);
        let path = hierarchy.dir(&dir.path);
        if path.exists() {
            return Err(Error::new(format!("cannot remove cgroup {}", path.display())));
        }
        Ok(())
    }
}
