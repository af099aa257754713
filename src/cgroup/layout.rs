//! Which cgroup hierarchies this host has and where a container's cgroups go in each (cgroups(7)).
//!
//! Found from mountinfo (what is mounted where) and `/proc/PID/cgroup` (where to start): root starts
//! at the cgroup of the host's PID 1, everyone else, and `lxc.cgroup.relative`, at their own.

use std::path::{Path, PathBuf};

use super::naming::{HostRules, LEAF};
use crate::config::Config;
use crate::error::{Context, Error, Result};
use crate::table;

/// Version of a hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// One of possibly many hierarchies, with its controllers.
    V1,
    /// The unified hierarchy.
    V2,
}

impl Version {
    /// The other version.
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
    /// The cgroup that is visible there.
    root: PathBuf,
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

    /// The cgroup `path` below what the mount shows, without systemd's leaf `init.scope` or our own leaf.
    fn below_root(root: &Path, path: &str) -> PathBuf {
        let path = Path::new(path);
        let is_leaf = path.file_name().is_some_and(|name| name == "init.scope" || name == LEAF);
        let path = path.parent().filter(|_| is_leaf).unwrap_or(path);
        let below = path.strip_prefix(root).unwrap_or(path);
        below.strip_prefix("/").unwrap_or(below).to_path_buf()
    }
}

/// In which cgroup a process is, by the text of its `/proc/PID/cgroup`.
struct Membership<'text>(Vec<(Vec<&'text str>, &'text str)>);

impl<'text> Membership<'text> {
    fn parse(text: &'text str) -> Self {
        let lines = text.lines().filter_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (_, names, path) = (fields.next()?, fields.next()?, fields.next()?);
            Some((names.split(',').collect(), path))
        });
        Self(lines.collect())
    }

    /// Its cgroup in the hierarchy with these controllers; on v2 all controllers are in one.
    fn path(&self, version: Version, controllers: &[String]) -> Option<&'text str> {
        let is_in = |names: &[&str]| match version {
            Version::V2 => names.contains(&""),
            Version::V1 => controllers.iter().any(|name| names.contains(&name.as_str())),
        };
        self.0.iter().find(|(names, _)| is_in(names)).map(|(_, path)| *path)
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
        let read = |path: &str| table::read(path).context(|| format!("cannot read {path}"));
        let start = if relative || !nix::unistd::geteuid().is_root() {
            "/proc/self/cgroup"
        } else {
            "/proc/1/cgroup"
        };
        Self::from_tables(&read("/proc/self/mountinfo")?, &read(start)?, |mount| {
            let path = mount.join("cgroup.controllers");
            let text = std::fs::read_to_string(&path)
                .context(|| format!("cannot read {}", path.display()))?;
            Ok(text.split_whitespace().map(str::to_owned).collect())
        })
    }

    /// The hierarchies that containers use: those of this host that `rules` allow.
    pub fn for_containers(config: &Config, rules: &HostRules) -> Result<Self> {
        Self::of_host(config.cgroup.relative)?.restricted(rules.used.as_deref())
    }

    /// The layout that the text of `mountinfo` and of `/proc/PID/cgroup` describes; `controllers`
    /// reads those of the unified hierarchy mounted at a path.
    pub(super) fn from_tables(
        mountinfo: &str,
        membership: &str,
        controllers: impl Fn(&Path) -> Result<Vec<String>>,
    ) -> Result<Self> {
        let membership = Membership::parse(membership);
        let mut hierarchies: Vec<Hierarchy> = Vec::new();
        for mount in mountinfo.lines().filter_map(CgroupMount::parse) {
            let (version, controllers) = if mount.unified {
                (Version::V2, controllers(&mount.point)?)
            } else {
                (Version::V1, mount.controllers)
            };
            let path = membership.path(version, &controllers);
            let Some(path) = path else { continue };
            let known = |one: &Hierarchy| one.version == version && one.controllers == controllers;
            if hierarchies.iter().any(known) {
                continue;
            }
            let base = Hierarchy::below_root(&mount.root, path);
            let (mount, root) = (mount.point, mount.root);
            hierarchies.push(Hierarchy { version, controllers, mount, root, base });
        }
        hierarchies.sort_by_key(|hierarchy| hierarchy.version == Version::V2);
        Ok(Self { hierarchies })
    }

    /// Only the hierarchies that `lxc.cgroup.use` names, by one of their controllers; all for `@all`
    /// and where it says nothing.
    pub fn restricted(mut self, used: Option<&str>) -> Result<Self> {
        let Some(used) = used.filter(|used| *used != "@all") else { return Ok(self) };
        let names: Vec<&str> =
            used.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        let is_in = |name: &str, hierarchy: &Hierarchy| {
            hierarchy.has(name) || hierarchy.has(&format!("name={name}"))
        };
        for name in &names {
            if !self.hierarchies.iter().any(|hierarchy| is_in(name, hierarchy)) {
                return Err(Error::new(format!(
                    "lxc.cgroup.use names {name}, and this host has no such controller"
                ))
                .hint("/proc/cgroups and cgroup.controllers list the controllers"));
            }
        }
        self.hierarchies.retain(|hierarchy| names.iter().any(|name| is_in(name, hierarchy)));
        for hierarchy in &mut self.hierarchies {
            if hierarchy.version == Version::V2 {
                hierarchy.controllers.retain(|name| names.contains(&name.as_str()));
            }
        }
        Ok(self)
    }

    /// The hierarchies in which this process is not in the cgroup where containers' cgroups are made.
    pub fn elsewhere(&self) -> Result<Vec<&Hierarchy>> {
        let own = "/proc/self/cgroup";
        let text = table::read(own).context(|| format!("cannot read {own}"))?;
        let membership = Membership::parse(&text);
        let is_elsewhere = |one: &&Hierarchy| {
            let path = membership.path(one.version, &one.controllers);
            path.is_none_or(|path| Hierarchy::below_root(&one.root, path) != one.base)
        };
        Ok(self.hierarchies.iter().filter(is_elsewhere).collect())
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

    /// The unit of systemd that containers' cgroups are in, where it is one that has processes.
    pub fn unit(&self) -> Option<&str> {
        let is_systemds = |one: &&Hierarchy| one.version == Version::V2 || one.has("name=systemd");
        let mut bases = self.hierarchies.iter().rev().filter(is_systemds).map(|one| &one.base);
        bases.find_map(|base| {
            let is_unit = base.extension().is_some_and(|kind| kind == "scope" || kind == "service");
            base.file_name()?.to_str().filter(|_| is_unit)
        })
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
        let mut path = || before.next().map(|field| table::unescape(field).into());
        let (root, point) = (path()?, path()?);
        // Options of the super block: the controllers and the name, among a few flags.
        let flags = ["rw", "ro", "xattr", "clone_children", "noprefix", "cpuset_v2_mode"];
        let controllers = after
            .nth(1)?
            .split(',')
            .filter(|option| !flags.contains(option))
            .filter(|option| !option.starts_with("release_agent=") && *option != "favordynmods")
            .map(str::to_owned)
            .collect();
        Some(Self { unified, root, point, controllers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(mountinfo: &str, membership: &str) -> Layout {
        let controllers = "cpuset cpu io memory hugetlb pids rdma misc";
        Layout::from_tables(mountinfo, membership, |mount| {
            let pure = mount == Path::new("/sys/fs/cgroup");
            Ok(controllers.split(' ').filter(|_| pure).map(str::to_owned).collect())
        })
        .unwrap()
    }

    /// One line a hierarchy: version, controllers, a container's directory.
    fn shown(layout: &Layout) -> Vec<String> {
        let line = |one: &Hierarchy| {
            let controllers = one.controllers.join(",");
            format!("{:?} {controllers} {}", one.version, one.dir(Path::new("c")).display())
        };
        layout.hierarchies.iter().map(line).collect()
    }

    /// The tables of a host as they were captured there.
    macro_rules! captured {
        ($name:literal) => {
            layout(
                include_str!(concat!("captured/", $name, ".mountinfo")),
                include_str!(concat!("captured/", $name, ".cgroup")),
            )
        };
    }

    #[test]
    fn captured_v1() {
        let layout = captured!("v1");
        assert_eq!(layout.kind(), LayoutKind::Legacy);
        let base = "/sys/fs/cgroup";
        let expected = [
            format!("V1 name=systemd {base}/systemd/c"),
            format!("V1 memory {base}/memory/c"),
            format!("V1 perf_event {base}/perf_event/c"),
            format!("V1 pids {base}/pids/c"),
            format!("V1 cpuset {base}/cpuset/c"),
            format!("V1 net_cls,net_prio {base}/net_cls,net_prio/c"),
            format!("V1 blkio {base}/blkio/c"),
            format!("V1 rdma {base}/rdma/c"),
            format!("V1 cpu,cpuacct {base}/cpu,cpuacct/c"),
            format!("V1 misc {base}/misc/c"),
            format!("V1 hugetlb {base}/hugetlb/c"),
            format!("V1 freezer {base}/freezer/c"),
            format!("V1 devices {base}/devices/c"),
        ];
        assert_eq!(shown(&layout), expected);
        assert_eq!(layout.v1("cpuacct"), layout.v1("cpu"));
    }

    #[test]
    fn captured_hybrid() {
        let layout = captured!("hybrid");
        assert_eq!(layout.kind(), LayoutKind::Hybrid);
        let shown = shown(&layout);
        assert_eq!(shown.len(), 14);
        assert_eq!(shown[0], "V1 name=systemd /sys/fs/cgroup/systemd/c");
        assert_eq!(shown[13], "V2  /sys/fs/cgroup/unified/c");
    }

    #[test]
    fn captured_v2() {
        let layout = captured!("v2");
        assert_eq!(layout.kind(), LayoutKind::Unified);
        let all = "V2 cpuset,cpu,io,memory,hugetlb,pids,rdma,misc /sys/fs/cgroup/c";
        assert_eq!(shown(&layout), [all]);
    }

    #[test]
    fn captured_hybrid_with_a_nested_controller() {
        let layout = captured!("nested");
        assert_eq!(layout.kind(), LayoutKind::Hybrid);
        assert_eq!(layout.hierarchies.len(), 10);
        assert_eq!(
            layout.v1("memory").unwrap().dir(Path::new("lxc.payload.c")),
            Path::new("/sys/fs/cgroup/memory/process_api/1/lxc.payload.c")
        );
        assert_eq!(layout.v1("cpu").unwrap().base, Path::new(""));
        assert_eq!(layout.v2().unwrap().mount, Path::new("/sys/fs/cgroup/unified"));
    }

    #[test]
    fn only_the_controllers_of_lxc_cgroup_use() {
        let use_ = |layout: Layout, used| layout.restricted(Some(used)).map(|one| shown(&one));
        assert_eq!(
            use_(captured!("v1"), "cpuacct, systemd").unwrap(),
            [
                "V1 name=systemd /sys/fs/cgroup/systemd/c",
                "V1 cpu,cpuacct /sys/fs/cgroup/cpu,cpuacct/c"
            ]
        );
        let memory = use_(captured!("v2"), "memory").unwrap();
        assert_eq!(memory, ["V2 memory /sys/fs/cgroup/c"]);
        assert_eq!(use_(captured!("v2"), "@all").unwrap().len(), 1);
        let error = use_(captured!("v2"), "memory,blkio").unwrap_err();
        assert!(error.what.contains("blkio"), "{error}");
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
    fn containers_of_a_unit_are_beside_its_leaf() {
        let of = |cgroup: &str| {
            let mount = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw,nsdelegate\n";
            let layout = layout(mount, &format!("0::{cgroup}\n"));
            (layout.v2().unwrap().base.clone(), layout.unit().map(str::to_owned))
        };
        let scope = ("user@7.service/app.slice/lxc-c-0.scope".into(), Some("lxc-c-0.scope".into()));
        assert_eq!(of("/user@7.service/app.slice/lxc-c-0.scope"), scope);
        assert_eq!(of("/user@7.service/app.slice/lxc-c-0.scope/.lxc"), scope);
        assert_eq!(of("/init.scope"), ("".into(), None));
        assert_eq!(of("/box"), ("box".into(), None));
    }

    #[test]
    fn no_hierarchy_is_said() {
        let none = layout("27 1 254:0 / / rw - ext4 /dev/vda rw\n", "");
        assert!(none.require_any().is_err());
    }
}
