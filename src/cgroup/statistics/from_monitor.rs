//! Which is which among the cgroups that a monitor hands over at once.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::fcntl::AtFlags;
use nix::sys::stat::fstat;
use nix::unistd::{AccessFlags, faccessat};

use super::super::layout::Version;
use super::Directories;

/// The controllers of a v1 hierarchy that statistics come from; `None`: it is the unified one.
type Kind = Option<Vec<&'static str>>;

/// The kinds of the hierarchies that were seen, by the number of their file system.
#[derive(Debug, Default)]
pub struct Hierarchies(Vec<(u64, Kind)>);

impl Hierarchies {
    /// Files that only a directory with the controller has; pids looks the same in both versions.
    const SIGNS: [(&'static str, &'static str); 5] = [
        ("cpu", "cpu.shares"),
        ("cpuacct", "cpuacct.usage"),
        ("memory", "memory.usage_in_bytes"),
        ("blkio", "blkio.reset_stats"),
        ("pids", "pids.current"),
    ];

    /// The kind of the hierarchy that `dir` is in.
    fn kind(&mut self, dir: BorrowedFd<'_>) -> Kind {
        let Ok(stat) = fstat(dir) else { return Some(Vec::new()) };
        if let Some((_, kind)) = self.0.iter().find(|(device, _)| *device == stat.st_dev) {
            return kind.clone();
        }
        let kind = Self::look(dir, |controller| self.has(controller));
        self.0.push((stat.st_dev, kind.clone()));
        kind
    }

    /// Whether a hierarchy with `controller` was seen; no other hierarchy has it then.
    fn has(&self, controller: &str) -> bool {
        let mut kinds = self.0.iter().filter_map(|(_, kind)| kind.as_ref());
        kinds.any(|found| found.contains(&controller))
    }

    /// Tells the kind from what the directory holds, so that no mount point need be known; leaves out the
    /// controllers that are `elsewhere`.
    pub(super) fn look(dir: BorrowedFd<'_>, elsewhere: impl Fn(&str) -> bool) -> Kind {
        let has = |file: &str| faccessat(dir, file, AccessFlags::F_OK, AtFlags::empty()).is_ok();
        if has("cgroup.controllers") {
            return None;
        }
        let found =
            Self::SIGNS.iter().filter(|(controller, file)| !elsewhere(controller) && has(file));
        Some(found.map(|(controller, _)| *controller).collect())
    }
}

/// One container's cgroup of each hierarchy.
#[derive(Debug)]
pub struct FromMonitor(Vec<(Kind, Arc<OwnedFd>)>);

impl FromMonitor {
    /// These directories, in any order.
    pub fn new(dirs: Vec<OwnedFd>, hierarchies: &mut Hierarchies) -> Self {
        Self(dirs.into_iter().map(|dir| (hierarchies.kind(dir.as_fd()), Arc::new(dir))).collect())
    }

    #[cfg(test)]
    pub(super) fn looked_at(dirs: Vec<OwnedFd>) -> Self {
        Self(
            dirs.into_iter()
                .map(|dir| (Hierarchies::look(dir.as_fd(), |_| false), Arc::new(dir)))
                .collect(),
        )
    }

    fn find(&self, wanted: impl Fn(&Kind) -> bool) -> Option<Arc<OwnedFd>> {
        let (_, dir) = self.0.iter().find(|(kind, _)| wanted(kind))?;
        Some(Arc::clone(dir))
    }
}

impl Directories for FromMonitor {
    fn of_controller(&self, controller: &str) -> Option<(Arc<OwnedFd>, Version)> {
        let has = |kind: &Kind| kind.as_ref().is_some_and(|found| found.contains(&controller));
        if let Some(dir) = self.find(has) {
            return Some((dir, Version::V1));
        }
        // Where the controller is off on v2, its files are not there.
        let is_of_v2 = ["memory", "io", "pids"].contains(&controller);
        is_of_v2.then(|| self.unified()).flatten().map(|dir| (dir, Version::V2))
    }

    fn unified(&self) -> Option<Arc<OwnedFd>> {
        self.find(Option::is_none)
    }
}
