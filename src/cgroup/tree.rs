//! The cgroups of one running container: a directory in each hierarchy.

use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FchmodatFlags, Mode, fchmod, fchmodat};
use nix::unistd::{Gid, Uid, fchownat};

use super::devices::{Attached, Rules};
use super::directory::CgroupDir;
use super::freezer;
use super::layout::{Layout, Version};
use super::statistics::{Directories, Keep, Part, Sources};
use crate::error::{Error, Result};
use crate::namespace::Ids;
use crate::namespace::mapped::as_root_of;
use crate::sys::lock::FileLock;

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
        Sources::open(self, &[Part::Memory], Keep::Directories).oom_kills()
    }

    /// Gives the directories and the files that delegation needs to the container's root
    /// (cgroups(7), "Cgroups v2 delegation").
    ///
    /// If an ordinary user does this, the group stays the user's and may write, so that the user can put
    /// more processes there.
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

#[cfg(test)]
mod tests {
    use super::super::directory::open_dir;
    use super::super::layout::Hierarchy;
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
}
