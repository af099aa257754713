//! The cgroups of one running container: a directory in each hierarchy.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{FchmodatFlags, Mode, fchmod, fchmodat};
use nix::unistd::{Gid, Uid, fchownat};

use super::devices::{Attached, Rules};
use super::freezer;
use super::layout::{Hierarchy, Layout, Version};
use super::left;
use super::limits;
use super::naming::{HostRules, Naming};
use super::remove;
use super::statistics::{Directories, Keep, Part, Sources};
use super::verify;
use crate::config::Config;
use crate::error::{Context, Error, Result};
use crate::identity::ContainerName;
use crate::namespace::Ids;
use crate::namespace::mapped::as_root_of;
use crate::sys::lock::FileLock;

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
    /// Whether a rule was added since the container started.
    pub(super) devices_changed: Cell<bool>,
    /// Held as long as the container lives: a directory whose lock is free is a dead one's.
    _lock: Option<FileLock>,
}

impl Cgroups {
    /// Makes the container's directory in every hierarchy this user may write, all of one name.
    ///
    /// A taken name gets a suffix, the same in all hierarchies. Fails with nothing made.
    pub fn create(
        name: &ContainerName,
        config: &Config,
        rules: &HostRules,
        layout: Layout,
    ) -> Result<Self> {
        let naming = Naming::of_payload(name, config, rules);
        let origin = config.origin("lxc.cgroup.dir.container");
        let create = |hierarchy: &Hierarchy, path: &Path| {
            create_dir(hierarchy, path, naming.inner.as_deref(), |limit| {
                limits::prepare_devices(hierarchy, limit, config)
            })
        };
        let (dirs, lock) =
            naming.first_free(origin, |path| Self::create_as(&layout, path, create))?;
        Ok(Self::of(layout, dirs, naming.inner, lock))
    }

    /// The cgroups that have the directories `dirs`, the first of them locked by `lock`.
    pub(super) fn of(
        layout: Layout,
        dirs: Vec<CgroupDir>,
        inner: Option<PathBuf>,
        lock: Option<FileLock>,
    ) -> Self {
        let (devices, devices_changed) = Default::default();
        Self { layout, dirs, inner, devices, devices_changed, _lock: lock }
    }

    /// The descriptors of all directories.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.dirs
            .iter()
            .flat_map(|dir| [Some(&dir.limit), dir.inner.as_ref()])
            .flatten()
            .map(AsFd::as_fd)
    }

    /// Whoever has the first directory, and its lock, has the name in all hierarchies: it is made first
    /// and removed last.
    fn create_as(
        layout: &Layout,
        path: &Path,
        create: impl Fn(&Hierarchy, &Path) -> Result<Option<CgroupDir>>,
    ) -> Result<(Vec<CgroupDir>, Option<FileLock>)> {
        let mut dirs = Vec::with_capacity(layout.hierarchies.len());
        let mut lock = None;
        for hierarchy in &layout.hierarchies {
            let mut created = create(hierarchy, path);
            if lock.is_none() && created.as_ref().is_err_and(|error| error.is(Errno::ENOENT)) {
                // Taken for a dead one's before it could be locked.
                created = create(hierarchy, path);
            }
            match created {
                Ok(Some(dir)) => {
                    if dirs.is_empty() {
                        lock = Some(remove::hold(&dir)?);
                        left::mark(dir.limit.as_fd());
                    }
                    dirs.push(dir);
                }
                Ok(None) => {}
                Err(error) => {
                    dirs.iter().rev().for_each(remove::remove_dir);
                    return Err(error);
                }
            }
        }
        Ok((dirs, lock))
    }

    /// The directory in the v2 hierarchy.
    pub fn v2(&self) -> Option<&CgroupDir> {
        self.dirs.iter().find(|dir| dir.hierarchy.version == Version::V2)
    }

    /// The directory in the hierarchy that has `controller`.
    pub fn with_controller(&self, controller: &str) -> Option<&CgroupDir> {
        self.dirs.iter().find(|dir| dir.hierarchy.has(controller))
    }

    /// The directory with the files that freeze the container: in the v1 freezer hierarchy, else in the
    /// unified one, where the freezer is a part of each cgroup (Linux 5.2).
    pub fn freezing(&self) -> Option<&CgroupDir> {
        let unified = || self.v2().filter(|dir| freezer::is_part_of(dir.limit.as_fd()));
        self.with_controller("freezer").or_else(unified)
    }

    /// The directory with the device rules: in the v1 devices hierarchy, else in the unified one, where
    /// a program is attached.
    pub fn with_devices(&self) -> Option<&CgroupDir> {
        self.with_controller("devices").or_else(|| self.v2())
    }

    /// How many processes the kernel killed for the memory limit; `None` if it does not say.
    pub fn memory_kills(&self) -> Option<u64> {
        Sources::open(self, &[Part::Memory], Keep::Directories).read().memory.oom_kills
    }

    /// Gives the directories and the files that delegation needs to the container's root
    /// (cgroups(7), "Cgroups v2 delegation").
    ///
    /// Where an ordinary user does, the group stays theirs and may write, so that they can put more
    /// processes there.
    pub fn delegate_to(&self, ids: Ids<'_>) -> Result<()> {
        if nix::unistd::geteuid().is_root() {
            let (uid, gid) = ids.root();
            return self.chown(Uid::from_raw(uid), Some(Gid::from_raw(gid)));
        }
        if self.dirs.is_empty() {
            return Ok(());
        }
        as_root_of(ids, || {
            self.chown(Uid::from_raw(0), None)?;
            self.let_group_write()
        })
    }

    fn chown(&self, uid: Uid, gid: Option<Gid>) -> Result<()> {
        self.for_delegated(|dir, file| {
            fchownat(dir.payload(), file, Some(uid), gid, AtFlags::AT_EMPTY_PATH)
        })
    }

    fn let_group_write(&self) -> Result<()> {
        self.for_delegated(|dir, file| match file {
            "" => fchmod(dir.payload(), Mode::from_bits_truncate(0o775)),
            file => {
                let mode = Mode::from_bits_truncate(0o664);
                fchmodat(dir.payload(), file, mode, FchmodatFlags::FollowSymlink)
            }
        })
    }

    /// Does `act` to the directory itself, as `""`, and to each file in it that delegation needs.
    fn for_delegated(&self, act: impl Fn(&CgroupDir, &str) -> nix::Result<()>) -> Result<()> {
        let v2_files = std::fs::read_to_string("/sys/kernel/cgroup/delegate")
            .unwrap_or_else(|_| "cgroup.procs\ncgroup.threads\ncgroup.subtree_control\n".into());
        for dir in &self.dirs {
            let files: Vec<&str> = match dir.hierarchy.version {
                Version::V1 => vec!["cgroup.procs", "tasks"],
                Version::V2 => v2_files.lines().collect(),
            };
            for file in std::iter::once("").chain(files) {
                match act(dir, file) {
                    Ok(()) | Err(Errno::ENOENT) => {}
                    Err(errno) => {
                        let path = dir.hierarchy.dir(&dir.path).join(file);
                        let what =
                            format!("cannot give {} to the container's root", path.display());
                        return Err(Error::new(what).errno(errno));
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
    fn of_controller(&self, controller: &str) -> Option<(Arc<OwnedFd>, Version)> {
        let dir = self.with_controller(controller)?;
        Some((Arc::new(dir.limit.try_clone().ok()?), dir.hierarchy.version))
    }

    fn unified(&self) -> Option<Arc<OwnedFd>> {
        self.v2()?.limit.try_clone().ok().map(Arc::new)
    }
}

/// Makes `path` (and, after `prepare_limit`, `inner` below) in `hierarchy`; `None` where this user may not.
pub(super) fn create_dir(
    hierarchy: &Hierarchy,
    path: &Path,
    inner: Option<&Path>,
    prepare_limit: impl FnOnce(BorrowedFd<'_>) -> Result<()>,
) -> Result<Option<CgroupDir>> {
    if let Some(parent) = path.parent() {
        match make_dirs(hierarchy, parent) {
            Err(error) if is_not_ours(&error) => return Ok(None),
            result => result?,
        }
    }
    let at = hierarchy.dir(path);
    let failed = || format!("cannot create cgroup {}", at.display());
    match mkdir(&at) {
        Err(Errno::EEXIST) if remove::remove_dead(&at) => mkdir(&at).context(failed)?,
        result => match result.context(failed) {
            Err(error) if is_not_ours(&error) => return Ok(None),
            result => result?,
        },
    }
    prepare(hierarchy, &at)?;
    let limit = open_dir(&at)?;
    let inner = match inner {
        None => None,
        Some(inner) => {
            prepare_limit(limit.as_fd())?;
            let inner = at.join(inner);
            mkdir(&inner).context(|| format!("cannot create cgroup {}", inner.display()))?;
            prepare(hierarchy, &inner)?;
            Some(open_dir(&inner)?)
        }
    };
    Ok(Some(CgroupDir { hierarchy: hierarchy.clone(), path: path.to_path_buf(), limit, inner }))
}

/// Users but root have those hierarchies only that somebody gave them.
fn is_not_ours(error: &Error) -> bool {
    (error.lacks_rights() || error.is(Errno::EROFS)) && !nix::unistd::geteuid().is_root()
}

/// Makes the directory `path` in `hierarchy` and those above it, as far as they are missing.
fn make_dirs(hierarchy: &Hierarchy, path: &Path) -> Result<()> {
    let mut at = hierarchy.dir(Path::new(""));
    for component in path.components() {
        at.push(component);
        match mkdir(&at) {
            Ok(()) => prepare(hierarchy, &at)?,
            // Somebody else's, who may not have given it all controllers.
            Err(Errno::EEXIST) if hierarchy.version == Version::V2 => prepare(hierarchy, &at)?,
            Err(Errno::EEXIST) => {}
            Err(errno) => {
                let what = format!("cannot create cgroup {}", at.display());
                return Err(Error::new(what).errno(errno));
            }
        }
    }
    Ok(())
}

/// Makes the new cgroup `at` fit for processes and cgroups below.
fn prepare(hierarchy: &Hierarchy, at: &Path) -> Result<()> {
    let Some(parent) = at.parent() else { return Ok(()) };
    match hierarchy.version {
        Version::V1 if hierarchy.has("cpuset") => inherit_cpuset(parent, at),
        Version::V2 if !hierarchy.controllers.is_empty() => {
            enable_controllers(parent, &hierarchy.controllers)
        }
        _ => Ok(()),
    }
}

fn mkdir(path: &Path) -> nix::Result<()> {
    nix::unistd::mkdir(path, Mode::from_bits_truncate(0o755))
}

pub(super) fn open_dir(path: &Path) -> Result<OwnedFd> {
    nix::fcntl::open(path, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .context(|| format!("cannot open cgroup {}", path.display()))
}

/// Fills the new v1 cpuset `child`: it may hold no process before it has cpus and memory nodes
/// (cpuset(7)), and unlike other controllers it does not inherit them.
fn inherit_cpuset(parent: &Path, child: &Path) -> Result<()> {
    let read = |dir: &Path, file: &str| {
        let path = dir.join(file);
        std::fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))
    };
    let write = |file: &str, value: &str| {
        let path = child.join(file);
        std::fs::write(&path, value)
            .context(|| format!("cannot write {value:?} to {}", path.display()))
    };
    if read(parent, "cgroup.clone_children")?.trim() == "1" {
        return Ok(());
    }
    write("cpuset.cpus", &usable_cpus(read(parent, "cpuset.cpus")?.trim()))?;
    write("cpuset.mems", read(parent, "cpuset.mems")?.trim())?;
    write("cgroup.clone_children", "1")
}

/// Those of `cpus` that are online and not set apart at boot (`isolcpus`), if there are any.
fn usable_cpus(cpus: &str) -> String {
    let read = |file: &str| {
        let text = std::fs::read_to_string(format!("/sys/devices/system/cpu/{file}"));
        verify::list(&text.unwrap_or_default()).unwrap_or_default()
    };
    without(cpus, &read("isolated"), &read("offline"))
}

fn without(cpus: &str, isolated: &BTreeSet<u32>, offline: &BTreeSet<u32>) -> String {
    let Some(all) = verify::list(cpus) else { return cpus.to_owned() };
    let usable = all.iter().filter(|cpu| !isolated.contains(cpu) && !offline.contains(cpu));
    let usable: Vec<String> = usable.map(u32::to_string).collect();
    if usable.is_empty() { cpus.to_owned() } else { usable.join(",") }
}

/// Lets the children of the v2 cgroup `parent` have `controllers`. What the kernel does not allow
/// there (a cgroup with processes in it, a controller that v1 holds) stays off, and so does what would
/// make a cgroup with processes in it a threaded domain, below which there can be no container.
fn enable_controllers(parent: &Path, controllers: &[String]) -> Result<()> {
    let path = parent.join("cgroup.subtree_control");
    let enabled =
        std::fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))?;
    for controller in controllers {
        if !enabled.split_whitespace().any(|one| one == controller) {
            // The limits of this container say so if they need one that is missing.
            if std::fs::write(&path, format!("+{controller}")).is_ok() && is_threaded(parent) {
                std::fs::write(&path, format!("-{controller}"))
                    .context(|| format!("cannot write \"-{controller}\" to {}", path.display()))?;
            }
        }
    }
    Ok(())
}

fn is_threaded(dir: &Path) -> bool {
    // The root has no type.
    std::fs::read_to_string(dir.join("cgroup.type")).is_ok_and(|kind| kind.trim() != "domain")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cgroups of a container on a host with the captured tables of a pure v2 host and further
    /// mounts: a directory in place of each, with a freezer in the unified one.
    fn cgroups(base: &Path, mounts: &str, membership: &str) -> Cgroups {
        let mountinfo = include_str!("captured/v2.mountinfo").to_owned() + mounts;
        let membership = include_str!("captured/v2.cgroup").to_owned() + membership;
        let controllers = |_: &Path| Ok(["cpu", "memory"].map(str::to_owned).to_vec());
        let layout = Layout::from_tables(&mountinfo, &membership, controllers).unwrap();
        let dir = |(number, hierarchy): (usize, &Hierarchy)| {
            let path = base.join(number.to_string());
            std::fs::create_dir_all(&path).unwrap();
            if hierarchy.version == Version::V2 {
                std::fs::write(path.join("cgroup.freeze"), "0").unwrap();
            }
            let (limit, inner) = (open_dir(&path).unwrap(), None);
            CgroupDir { hierarchy: hierarchy.clone(), path, limit, inner }
        };
        let dirs = layout.hierarchies.iter().enumerate().map(dir).collect();
        Cgroups::of(layout, dirs, None, None)
    }

    #[test]
    fn each_controller_is_where_it_is_whatever_the_layout_is_called() {
        let line = |what: &str| {
            format!("99 24 0:99 / /sys/fs/cgroup/{what} rw - cgroup {what} rw,{what}\n")
        };
        let base = std::env::temp_dir().join(format!("lxc-rs-cgroups-{}", std::process::id()));
        for stray in ["name=systemd", "net_cls", "freezer", "devices"] {
            let cgroups = cgroups(&base, &line(stray), &format!("3:{stray}:/\n"));
            assert_eq!(cgroups.layout.kind(), crate::cgroup::LayoutKind::Hybrid);
            let version = |dir: Option<&CgroupDir>| dir.unwrap().hierarchy.version;
            let of = |what: &str| if what == stray { Version::V1 } else { Version::V2 };
            assert_eq!(version(cgroups.freezing()), of("freezer"), "{stray}");
            assert_eq!(version(cgroups.with_devices()), of("devices"), "{stray}");
            assert_eq!(version(cgroups.with_controller("memory")), Version::V2);
            std::fs::remove_dir_all(&base).unwrap();
        }
    }

    #[test]
    fn a_cpuset_inherits_what_can_be_used() {
        let set = |cpus: &[u32]| cpus.iter().copied().collect::<BTreeSet<u32>>();
        assert_eq!(without("0-3", &set(&[1]), &set(&[3])), "0,2");
        assert_eq!(without("0-1", &set(&[]), &set(&[])), "0,1");
        // Where nothing would be left, the parent's will do.
        assert_eq!(without("1", &set(&[1]), &set(&[])), "1");
    }
}
