//! Which cgroup hierarchies this host has and where a container's cgroups go in each (cgroups(7)).
//!
//! Found from mountinfo (what is mounted where) and `/proc/PID/cgroup` (where to start): root starts
//! at the cgroup of the host's PID 1, everyone else, and `lxc.cgroup.relative`, at their own.

use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};

/// Version of a hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// One of possibly many hierarchies, with its controllers.
    V1,
    /// The unified hierarchy.
    V2,
}

impl Version {
    /// The one it is not.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::V1 => Self::V2,
            Self::V2 => Self::V1,
        }
    }
}

/// One mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Its version.
    pub version: Version,
    /// v1: the controllers mounted together, or `name=…`. v2: those it can delegate.
    pub controllers: Vec<String>,
    /// Where it is mounted.
    pub mount: PathBuf,
    /// The directory below `mount` where containers' cgroups go.
    pub base: PathBuf,
}

impl Hierarchy {
    /// Whether this hierarchy has `controller`.
    pub fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|known| known == controller)
    }

    /// The cgroup directory at `path` below the base.
    pub fn dir(&self, path: &Path) -> PathBuf {
        self.mount.join(&self.base).join(path)
    }
}

/// The layout's name in the protocol (`cgroup_ctx.layout`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum LayoutKind {
    /// v1 hierarchies only.
    Legacy = 0,
    /// v1 hierarchies, and the unified one beside them.
    Hybrid = 1,
    /// The unified hierarchy only.
    Unified = 2,
}

/// All hierarchies of this host, the unified one last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The hierarchies.
    pub hierarchies: Vec<Hierarchy>,
}

impl Layout {
    /// The layout of this host. `relative`: start at the caller's own cgroup even as root.
    pub fn of_host(relative: bool) -> Result<Self> {
        let read =
            |path: &str| std::fs::read_to_string(path).what(|| format!("cannot read {path}"));
        let start = if relative || !nix::unistd::geteuid().is_root() {
            "/proc/self/cgroup"
        } else {
            "/proc/1/cgroup"
        };
        Self::from_tables(&read("/proc/self/mountinfo")?, &read(start)?, |mount| {
            let path = mount.join("cgroup.controllers");
            let text = std::fs::read_to_string(&path)
                .what(|| format!("cannot read {}", path.display()))?;
            Ok(text.split_whitespace().map(str::to_owned).collect())
        })
    }

    /// The layout that the text of `mountinfo` and of `/proc/PID/cgroup` describes; `controllers`
    /// reads those of the unified hierarchy mounted at a path.
    fn from_tables(
        mountinfo: &str,
        membership: &str,
        controllers: impl Fn(&Path) -> Result<Vec<String>>,
    ) -> Result<Self> {
        let memberships: Vec<(Vec<&str>, &str)> = membership
            .lines()
            .filter_map(|line| {
                let mut fields = line.splitn(3, ':');
                let (_, names, path) = (fields.next()?, fields.next()?, fields.next()?);
                Some((names.split(',').collect(), path))
            })
            .collect();
        let mut hierarchies: Vec<Hierarchy> = Vec::new();
        for mount in mountinfo.lines().filter_map(CgroupMount::parse) {
            let member = |name: &str| {
                memberships.iter().find(|(names, _)| names.contains(&name)).map(|(_, path)| *path)
            };
            let (version, controllers, path) = if mount.unified {
                (Version::V2, controllers(&mount.point)?, member(""))
            } else {
                let path = mount.controllers.iter().find_map(|name| member(name));
                (Version::V1, mount.controllers.clone(), path)
            };
            let Some(path) = path else { continue };
            let known = |one: &Hierarchy| one.version == version && one.controllers == controllers;
            if hierarchies.iter().any(known) {
                continue;
            }
            let base = mount.below_root(path);
            hierarchies.push(Hierarchy { version, controllers, mount: mount.point, base });
        }
        hierarchies.sort_by_key(|hierarchy| hierarchy.version == Version::V2);
        Ok(Self { hierarchies })
    }

    /// Which kind of layout it is.
    pub fn kind(&self) -> LayoutKind {
        let has = |version| self.hierarchies.iter().any(|one| one.version == version);
        match (has(Version::V1), has(Version::V2)) {
            (false, true) => LayoutKind::Unified,
            (true, true) => LayoutKind::Hybrid,
            _ => LayoutKind::Legacy,
        }
    }

    /// The v1 hierarchy with `controller`.
    pub fn v1(&self, controller: &str) -> Option<&Hierarchy> {
        self.hierarchies.iter().find(|one| one.version == Version::V1 && one.has(controller))
    }

    /// The unified hierarchy.
    pub fn v2(&self) -> Option<&Hierarchy> {
        self.hierarchies.iter().find(|one| one.version == Version::V2)
    }

    /// Fails where there is no hierarchy at all.
    pub fn require_any(&self) -> Result<()> {
        if self.hierarchies.is_empty() {
            return Err(Error::new("no cgroup hierarchy is mounted")
                .hint("mount -t cgroup2 cgroup2 /sys/fs/cgroup"));
        }
        Ok(())
    }
}

/// A line of mountinfo (proc_pid_mountinfo(5)) about a cgroup hierarchy.
struct CgroupMount {
    unified: bool,
    /// The directory of the hierarchy that is visible at the mount point.
    root: PathBuf,
    point: PathBuf,
    controllers: Vec<String>,
}

impl CgroupMount {
    fn parse(line: &str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut after = after.split(' ');
        let unified = match after.next()? {
            "cgroup" => false,
            "cgroup2" => true,
            _ => return None,
        };
        let mut before = before.split(' ').skip(3);
        let (root, point) = (before.next()?, before.next()?);
        // Options of the super block: the controllers and the name, among a few flags.
        let flags = ["rw", "ro", "xattr", "clone_children", "noprefix", "cpuset_v2_mode"];
        let controllers = after
            .nth(1)?
            .split(',')
            .filter(|option| !flags.contains(option))
            .filter(|option| !option.starts_with("release_agent=") && *option != "favordynmods")
            .map(str::to_owned)
            .collect();
        Some(Self { unified, root: root.into(), point: point.into(), controllers })
    }

    /// The cgroup `path` relative to what the mount shows, without systemd's leaf `init.scope`.
    fn below_root(&self, path: &str) -> PathBuf {
        let path = Path::new(path.strip_suffix("/init.scope").unwrap_or(path));
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        below.strip_prefix("/").unwrap_or(below).to_path_buf()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(mountinfo: &str, membership: &str) -> Layout {
        Layout::from_tables(mountinfo, membership, |_| Ok(vec!["memory".into(), "pids".into()]))
            .unwrap()
    }

    #[test]
    fn hybrid_with_a_nested_controller() {
        let layout = layout(
            "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
             40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
             35 31 0:33 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
             99 31 0:33 / /mnt/again rw - cgroup cgroup rw,memory\n",
            "4:memory:/process_api/1\n3:cpu,cpuacct:/\n2:name=systemd:/init.scope\n0::/init.scope\n",
        );
        assert_eq!(layout.kind(), LayoutKind::Hybrid);
        assert_eq!(layout.hierarchies.len(), 4);
        let memory = layout.v1("memory").unwrap();
        assert_eq!(
            memory.dir(Path::new("lxc.payload.c")),
            Path::new("/sys/fs/cgroup/memory/process_api/1/lxc.payload.c")
        );
        assert_eq!(layout.v1("cpuacct"), layout.v1("cpu"));
        assert_eq!(layout.v1("name=systemd").unwrap().base, Path::new(""));
        assert_eq!(layout.v2().unwrap().mount, Path::new("/sys/fs/cgroup/unified"));
    }

    #[test]
    fn unified_seen_from_a_subdirectory() {
        let layout = layout(
            "30 23 0:26 /docker/1 /sys/fs/cgroup ro - cgroup2 cgroup rw,nsdelegate\n",
            "0::/docker/1/sub\n",
        );
        assert_eq!(layout.kind(), LayoutKind::Unified);
        assert_eq!(layout.v2().unwrap().base, Path::new("sub"));
    }

    #[test]
    fn no_hierarchy_is_said() {
        let none = layout("27 1 254:0 / / rw - ext4 /dev/vda rw\n", "");
        assert!(none.require_any().is_err());
    }
}
