//! The cgroups of a container whose monitor was killed before it could remove them.
//!
//! A monitor holds a lock on the first directory of its container, which the kernel releases when the
//! monitor ends. That directory also has a mark. LXC's own monitors take no lock, so a directory without the
//! mark may belong to a container of theirs that still runs.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::directory::{self, CgroupDir, is_marked, open_dir};
use super::freezer::Freezer;
use super::layout::{Hierarchy, Layout, Version};
use super::naming::{HostRules, Naming};
use super::tree::Cgroups;
use crate::config::Config;
use crate::error::Result;
use crate::identity::ContainerName;
use crate::namespace::Ids;

/// How long killed processes may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(1);

/// How thorough the search is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// In the hierarchy that a container's cgroups are made in first and removed from last, and under
    /// the monitor's usual name in all of them.
    Quick,
    /// In all hierarchies under all names.
    Full,
}

/// What a killed monitor left of a container's cgroups. Nobody else has them as long as this exists.
#[derive(Debug)]
pub struct Left {
    payloads: Vec<Remains>,
    monitors: Vec<Remains>,
    /// The directories above, with their hierarchies.
    parents: Vec<(Hierarchy, PathBuf)>,
}

/// Cgroups of one name that nobody has locked.
#[derive(Debug)]
struct Remains {
    cgroups: Cgroups,
    /// Whether they have the mark. Without it, somebody may live in them.
    is_dead: bool,
    /// Whether all processes in them were killed.
    killed: Cell<bool>,
}

impl Left {
    /// Finds what was left. The cgroups of a living container of the same name (in another directory of
    /// containers) are not among it.
    pub fn find(
        name: &ContainerName,
        config: &Config,
        rules: &HostRules,
        layout: &Layout,
        search: Search,
    ) -> Self {
        let all: Vec<&Hierarchy> = layout.hierarchies.iter().collect();
        let full = search == Search::Full;
        let looked_at = if full { &all } else { &all[..all.len().min(1)] };
        let payload = Naming::of_payload(name, config, rules);
        let monitor = Naming::of_monitor(name, config, rules);
        let open = |names: BTreeSet<PathBuf>| -> Vec<Remains> {
            names.iter().filter_map(|path| Remains::open(layout, path)).collect()
        };
        let payloads = open(names(looked_at, looked_at, &payload));
        let suffixed = if full || !payloads.is_empty() { looked_at } else { &[] };
        let monitors = open(names(&all, suffixed, &monitor));
        let found = [(payload, !payloads.is_empty()), (monitor, !monitors.is_empty())];
        let parents =
            found.into_iter().filter(|(_, found)| *found || full).flat_map(|(naming, _)| {
                all.iter().map(move |one| ((*one).clone(), naming.path.clone())).collect::<Vec<_>>()
            });
        let parents = parents.collect();
        Self { payloads, monitors, parents }
    }

    /// Whether there are cgroups of a container whose monitor was killed.
    pub fn is_dead(&self) -> bool {
        self.payloads.iter().any(|payload| payload.is_dead)
    }

    /// Whether cgroups of the container's name are there still: somebody may live in them.
    pub fn has_payload(&self) -> bool {
        let mut dirs = self.payloads.iter().flat_map(|payload| &payload.cgroups.dirs);
        dirs.any(|dir| dir.hierarchy.dir(&dir.path).exists())
    }

    /// Kills the processes in the cgroups of a dead container.
    pub fn kill(&self) -> Result<()> {
        first_error(self.payloads.iter().filter(|payload| payload.is_dead).map(Remains::kill))
    }

    /// Removes the container's cgroups, whose root `ids` name; those with processes that were not
    /// killed stay.
    pub fn remove_payload(&self, ids: Ids<'_>) -> Result<()> {
        let removed = first_error(self.payloads.iter().map(|payload| payload.remove(ids)));
        self.remove_parents();
        removed
    }

    /// Removes the monitor's cgroups; those with processes stay.
    pub fn remove_monitor(&self) {
        for monitor in &self.monitors {
            // The monitor itself may have left its files and not its cgroup.
            let within = if monitor.is_dead { GONE_WITHIN } else { Duration::ZERO };
            monitor.remove_if_empty(within);
        }
        self.remove_parents();
    }

    fn remove_parents(&self) {
        for (hierarchy, path) in &self.parents {
            directory::remove_empty_parents(hierarchy, path);
        }
    }
}

impl Remains {
    /// The cgroups called `path`; `None` if a container has them, or if there are none.
    fn open(layout: &Layout, path: &Path) -> Option<Self> {
        let all: Vec<&Hierarchy> = layout.hierarchies.iter().collect();
        let open = |hierarchy: &Hierarchy| {
            let limit = open_dir(&hierarchy.dir(path)).ok()?;
            let (hierarchy, path) = (hierarchy.clone(), path.to_path_buf());
            Some(CgroupDir { hierarchy, path, limit, inner: None })
        };
        let dirs: Vec<CgroupDir> = existing(&all, path).filter_map(open).collect();
        let first = dirs.first()?.limit.as_fd();
        let lock = directory::lock(first).ok()??;
        let is_dead = is_marked(first);
        let cgroups = Cgroups::of(layout.clone(), dirs, None, Some(lock));
        Some(Self { cgroups, is_dead, killed: Cell::new(false) })
    }

    fn kill(&self) -> Result<()> {
        self.cgroups.kill_all()?;
        match self.cgroups.freezing() {
            // The processes that the v1 freezer holds die only when they are thawed.
            Some(dir) if dir.hierarchy.version == Version::V1 => {
                Freezer::new(dir.limit.as_fd(), Version::V1).thaw(GONE_WITHIN)?;
            }
            _ => {}
        }
        self.killed.set(true);
        Ok(())
    }

    fn remove(&self, ids: Ids<'_>) -> Result<()> {
        if self.killed.get() {
            return self.cgroups.remove(ids);
        }
        self.remove_if_empty(Duration::ZERO);
        Ok(())
    }

    fn remove_if_empty(&self, within: Duration) {
        let deadline = Instant::now() + within;
        for dir in self.cgroups.dirs.iter().rev() {
            let path = dir.hierarchy.dir(&dir.path);
            if let Err(errno) = directory::remove_patiently(&path, deadline) {
                log::debug!("cgroup {} stays: {errno}", path.display());
            }
        }
    }
}

fn first_error(results: impl Iterator<Item = Result<()>>) -> Result<()> {
    // Every item is carried out, even after an error.
    results.fold(Ok(()), Result::and)
}

/// The names of `naming` that exist: the plain one in any of `plain`, those with a suffix in any of
/// `suffixed`.
fn names(plain: &[&Hierarchy], suffixed: &[&Hierarchy], naming: &Naming) -> BTreeSet<PathBuf> {
    let mut names = BTreeSet::new();
    if existing(plain, &naming.path).next().is_some() {
        names.insert(naming.path.clone());
    }
    if naming.may_vary {
        for hierarchy in suffixed {
            let found = with_suffix(&hierarchy.dir(&naming.path)).into_iter();
            names.extend(found.map(|name| naming.path.with_file_name(name)));
        }
    }
    names
}

/// Those of `hierarchies` that have a cgroup called `path`.
fn existing<'a>(
    hierarchies: &'a [&'a Hierarchy],
    path: &'a Path,
) -> impl Iterator<Item = &'a Hierarchy> {
    hierarchies.iter().copied().filter(|hierarchy| hierarchy.dir(path).exists())
}

/// The names beside `path` that are its own with `-N` at the end.
fn with_suffix(path: &Path) -> Vec<OsString> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Vec::new();
    };
    let prefix = format!("{}-", name.to_string_lossy());
    let is_ours = |name: &OsString| {
        name.to_string_lossy()
            .strip_prefix(&prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).filter(is_ours).collect()
}
