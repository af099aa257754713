//! The cgroups of one running container: a directory in each hierarchy.

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, OFlag};
use nix::sys::stat::Mode;

use super::devices::{Attached, Rules};
use super::layout::{Hierarchy, Layout, Version};
use super::remove;
use super::statistics::{Directories, Part, Sources};
use crate::config::{Config, Origin};
use crate::error::{Context, Error, Result};
use crate::identity::ContainerName;

/// Highest suffix that is tried where a name is taken (`lxc.payload.NAME-999`).
const MAX_SUFFIX: u32 = 999;

/// One cgroup directory, held open.
#[derive(Debug)]
pub struct CgroupDir {
    /// The hierarchy it is in.
    pub hierarchy: Hierarchy,
    /// Its path below the hierarchy's base; limits go here.
    pub path: PathBuf,
    /// The directory that limits.
    pub limit: OwnedFd,
    /// The directory that init is in, where `lxc.cgroup.dir.container.inner` sets one below.
    pub inner: Option<OwnedFd>,
}

impl CgroupDir {
    /// The directory that init is in.
    pub fn payload(&self) -> BorrowedFd<'_> {
        self.inner.as_ref().unwrap_or(&self.limit).as_fd()
    }
}

/// The cgroups of one running container.
#[derive(Debug)]
pub struct Cgroups {
    /// The host's hierarchies.
    pub layout: Layout,
    /// One directory in each hierarchy that this user may write, in the layout's order.
    pub dirs: Vec<CgroupDir>,
    /// The directory below `path`, if `lxc.cgroup.dir.container.inner` sets one.
    inner: Option<PathBuf>,
    /// The device rules of v2 and their program, once they are set.
    pub(super) devices: RefCell<Option<(Rules, Attached)>>,
    /// Held as long as the container lives: a directory whose lock is free is a dead one's.
    _lock: Option<Flock<File>>,
}

/// What a container's cgroup is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Naming {
    /// The path below the base.
    pub path: PathBuf,
    /// Whether `-1`, `-2`, … may be appended where it is taken.
    pub may_vary: bool,
    /// The directory below it that init is in.
    pub inner: Option<PathBuf>,
}

impl Naming {
    /// The name of the payload's cgroup by the configuration (`lxc.cgroup.dir*`, and the pattern of
    /// the system configuration, `%n` for the container's name).
    pub(super) fn of_payload(name: &ContainerName, config: &Config, pattern: Option<&str>) -> Self {
        let cgroup = &config.cgroup;
        if let Some(container) = &cgroup.container {
            return Self { path: container.clone(), may_vary: false, inner: cgroup.inner.clone() };
        }
        let leaf = format!("lxc.payload.{name}");
        let path = match (&cgroup.dir, pattern) {
            (Some(dir), _) => dir.join(leaf),
            (None, Some(pattern)) => {
                Path::new(&pattern.replace("%n", name.as_str())).join("payload")
            }
            (None, None) => leaf.into(),
        };
        Self { path, may_vary: true, inner: None }
    }

    /// The name of the monitor's cgroup (`lxc.cgroup.dir.monitor`, `lxc.cgroup.dir`).
    pub(super) fn of_monitor(name: &ContainerName, config: &Config) -> Self {
        let cgroup = &config.cgroup;
        if let Some(monitor) = &cgroup.monitor {
            return Self { path: monitor.clone(), may_vary: false, inner: None };
        }
        let path = cgroup.dir.clone().unwrap_or_default().join(format!("lxc.monitor.{name}"));
        Self { path, may_vary: true, inner: None }
    }

    /// What `create` makes under the first name that is not taken (EEXIST); `origin` is the line
    /// that allows one name only.
    pub(super) fn first_free<T>(
        &self,
        origin: Option<&Origin>,
        mut create: impl FnMut(&Path) -> Result<T>,
    ) -> Result<T> {
        let mut suffix = 0;
        loop {
            match create(&self.with_suffix(suffix)) {
                Err(error) if error.is(Errno::EEXIST) => {
                    if !self.may_vary || suffix == MAX_SUFFIX {
                        return Err(error.at(origin));
                    }
                    suffix += 1;
                }
                result => return result,
            }
        }
    }

    fn with_suffix(&self, suffix: u32) -> PathBuf {
        if suffix == 0 {
            return self.path.clone();
        }
        let mut path = self.path.clone().into_os_string();
        path.push(format!("-{suffix}"));
        path.into()
    }
}

impl Cgroups {
    /// Makes the container's directory in every hierarchy this user may write, all of one name.
    ///
    /// A taken name gets a suffix, the same in all hierarchies; a directory that a dead container
    /// left is removed first. Fails with nothing made.
    pub fn create(name: &ContainerName, config: &Config, pattern: Option<&str>) -> Result<Self> {
        let layout = Layout::of_host(config.cgroup.relative)?;
        let naming = Naming::of_payload(name, config, pattern);
        remove::sweep_suffixed(&layout, &naming);
        let origin = config.origin("lxc.cgroup.dir.container");
        let dirs = naming.first_free(origin, |path| Self::create_as(&layout, &naming, path))?;
        let lock = match dirs.first() {
            Some(dir) => remove::lock(dir.limit.as_fd())?,
            None => None,
        };
        let devices = RefCell::default();
        Ok(Self { layout, dirs, inner: naming.inner, devices, _lock: lock })
    }

    fn create_as(layout: &Layout, naming: &Naming, path: &Path) -> Result<Vec<CgroupDir>> {
        let mut dirs = Vec::with_capacity(layout.hierarchies.len());
        for hierarchy in &layout.hierarchies {
            match create_dir(hierarchy, path, naming.inner.as_deref()) {
                Ok(Some(dir)) => dirs.push(dir),
                Ok(None) => {}
                Err(error) => {
                    for dir in dirs {
                        remove::remove_dir(&dir);
                    }
                    return Err(error);
                }
            }
        }
        Ok(dirs)
    }

    /// The directory in the v2 hierarchy.
    pub fn v2(&self) -> Option<&CgroupDir> {
        self.dirs.iter().find(|dir| dir.hierarchy.version == Version::V2)
    }

    /// The directory in the hierarchy that has `controller`.
    pub fn with_controller(&self, controller: &str) -> Option<&CgroupDir> {
        self.dirs.iter().find(|dir| dir.hierarchy.has(controller))
    }

    /// How many processes the kernel killed for the memory limit; `None` if it does not say.
    pub fn memory_kills(&self) -> Option<u64> {
        Sources::open(self, &[Part::Memory]).read().memory.oom_kills
    }

    /// Gives the directories and the files that delegation needs to the container's root
    /// (cgroups(7), "Cgroups v2 delegation").
    pub fn delegate_to(&self, uid: u32, gid: u32) -> Result<()> {
        let (uid, gid) = (nix::unistd::Uid::from_raw(uid), nix::unistd::Gid::from_raw(gid));
        let v2_files = std::fs::read_to_string("/sys/kernel/cgroup/delegate")
            .unwrap_or_else(|_| "cgroup.procs\ncgroup.threads\ncgroup.subtree_control\n".into());
        for dir in &self.dirs {
            let files: Vec<&str> = match dir.hierarchy.version {
                Version::V1 => vec!["cgroup.procs", "tasks"],
                Version::V2 => v2_files.lines().collect(),
            };
            for file in std::iter::once("").chain(files) {
                let flags = nix::fcntl::AtFlags::AT_EMPTY_PATH;
                match nix::unistd::fchownat(dir.payload(), file, Some(uid), Some(gid), flags) {
                    Ok(()) | Err(Errno::ENOENT) => {}
                    Err(errno) => {
                        let path = dir.hierarchy.dir(&dir.path).join(file);
                        return Err(Error::new(format!(
                            "cannot give {} to the container's root ({uid}:{gid})",
                            path.display()
                        ))
                        .errno(errno));
                    }
                }
            }
        }
        Ok(())
    }

    /// The path of the container's cgroup in a hierarchy, as the protocol gives it: absolute,
    /// relative to the mount point; `inner`: that of init.
    pub fn path_of(&self, dir: &CgroupDir, inner: bool) -> PathBuf {
        let path = Path::new("/").join(&dir.hierarchy.base).join(&dir.path);
        match self.inner.as_ref().filter(|_| inner) {
            Some(inner) => path.join(inner),
            None => path,
        }
    }
}

impl Directories for Cgroups {
    fn of_controller(&self, controller: &str) -> Option<(OwnedFd, Version)> {
        let dir = self.with_controller(controller)?;
        Some((dir.limit.try_clone().ok()?, dir.hierarchy.version))
    }

    fn unified(&self) -> Option<OwnedFd> {
        self.v2()?.limit.try_clone().ok()
    }
}

/// Makes `path` (and `inner` below) in `hierarchy`; `None` where this user may not.
/// Makes the cgroup `path` of a hierarchy; `None` where this user may not.
pub(super) fn create_dir(
    hierarchy: &Hierarchy,
    path: &Path,
    inner: Option<&Path>,
) -> Result<Option<CgroupDir>> {
    let base = hierarchy.dir(Path::new(""));
    let mut at = base.clone();
    let mut components = path.components().peekable();
    while let Some(component) = components.next() {
        let parent = at.clone();
        at.push(component);
        let made = match mkdir(&at) {
            Err(Errno::EEXIST) if components.peek().is_some() => false,
            Err(Errno::EEXIST) if remove::remove_dead(&at) => {
                mkdir(&at).what(|| format!("cannot create cgroup {}", at.display()))?;
                true
            }
            Err(Errno::EACCES | Errno::EPERM | Errno::EROFS)
                if !nix::unistd::geteuid().is_root() =>
            {
                return Ok(None);
            }
            result => {
                result.what(|| format!("cannot create cgroup {}", at.display()))?;
                true
            }
        };
        if made && hierarchy.version == Version::V1 && hierarchy.has("cpuset") {
            inherit_cpuset(&parent, &at)?;
        }
        if hierarchy.version == Version::V2 && !hierarchy.controllers.is_empty() {
            enable_controllers(&parent, &hierarchy.controllers)?;
        }
    }
    let limit = open_dir(&at)?;
    let inner = match inner {
        None => None,
        Some(inner) => {
            let inner = at.join(inner);
            mkdir(&inner).what(|| format!("cannot create cgroup {}", inner.display()))?;
            if hierarchy.version == Version::V1 && hierarchy.has("cpuset") {
                inherit_cpuset(&at, &inner)?;
            }
            Some(open_dir(&inner)?)
        }
    };
    Ok(Some(CgroupDir { hierarchy: hierarchy.clone(), path: path.to_path_buf(), limit, inner }))
}

fn mkdir(path: &Path) -> nix::Result<()> {
    nix::unistd::mkdir(path, Mode::from_bits_truncate(0o755))
}

pub(super) fn open_dir(path: &Path) -> Result<OwnedFd> {
    nix::fcntl::open(path, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .what(|| format!("cannot open cgroup {}", path.display()))
}

/// Fills the new v1 cpuset `child`: it may hold no process before it has cpus and memory nodes
/// (cpuset(7)), and unlike other controllers it does not inherit them.
fn inherit_cpuset(parent: &Path, child: &Path) -> Result<()> {
    let read = |dir: &Path, file: &str| {
        let path = dir.join(file);
        std::fs::read_to_string(&path).what(|| format!("cannot read {}", path.display()))
    };
    let write = |file: &str, value: &str| {
        let path = child.join(file);
        std::fs::write(&path, value)
            .what(|| format!("cannot write {value:?} to {}", path.display()))
    };
    if read(parent, "cgroup.clone_children")?.trim() == "1" {
        return Ok(());
    }
    for file in ["cpuset.cpus", "cpuset.mems"] {
        write(file, read(parent, file)?.trim())?;
    }
    write("cgroup.clone_children", "1")
}

/// Lets the children of the v2 cgroup `parent` have `controllers`. What the kernel does not allow
/// there (a cgroup with processes in it, a controller that v1 holds) stays off.
fn enable_controllers(parent: &Path, controllers: &[String]) -> Result<()> {
    let path = parent.join("cgroup.subtree_control");
    let enabled =
        std::fs::read_to_string(&path).what(|| format!("cannot read {}", path.display()))?;
    for controller in controllers {
        if !enabled.split_whitespace().any(|one| one == controller) {
            // The limits of this container say so if they need one that is missing.
            let _ = std::fs::write(&path, format!("+{controller}"));
        }
    }
    Ok(())
}

/// Writes `value` to `file` of the cgroup directory `dir` in one call.
pub fn write_file(dir: BorrowedFd<'_>, file: &str, value: &str) -> nix::Result<()> {
    let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let file = nix::fcntl::openat(dir, file, flags, Mode::empty())?;
    nix::unistd::write(&file, value.as_bytes()).map(drop)
}

/// Reads all of `file` of the cgroup directory `dir`.
pub fn read_file(dir: BorrowedFd<'_>, file: &str) -> std::io::Result<String> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let file = nix::fcntl::openat(dir, file, flags, Mode::empty())?;
    std::io::read_to_string(File::from(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_is_named_by_configuration_then_pattern_then_default() {
        let name = ContainerName::new("c1").unwrap();
        let path = |config: &Config, pattern| Naming::of_payload(&name, config, pattern).path;
        let mut config = Config::default();
        assert_eq!(path(&config, None), Path::new("lxc.payload.c1"));
        assert_eq!(path(&config, Some("lxc/%n")), Path::new("lxc/c1/payload"));
        config.cgroup.dir = Some("mine".into());
        assert_eq!(path(&config, Some("lxc/%n")), Path::new("mine/lxc.payload.c1"));
        config.cgroup.container = Some("exact/here".into());
        let naming = Naming::of_payload(&name, &config, None);
        assert_eq!((naming.path.as_path(), naming.may_vary), (Path::new("exact/here"), false));
    }

    #[test]
    fn suffixes_start_at_one() {
        let naming = Naming { path: "a/b".into(), may_vary: true, inner: None };
        assert_eq!(naming.with_suffix(0), Path::new("a/b"));
        assert_eq!(naming.with_suffix(2), Path::new("a/b-2"));
    }
}
