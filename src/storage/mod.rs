//! Where root filesystems live: one file per back-end, each a [`Backend`].

mod attached;
pub(crate) mod block;
mod btrfs;
pub mod copy;
mod dir;
mod loop_file;
mod lvm;
mod nbd;
mod outside;
mod overlay;
mod packed;
mod rbd;
pub mod shared;
pub mod shift;
pub mod size;
mod specification;
mod tool;
pub mod tree;
mod workers;
mod zfs;

use std::fmt;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{fsync, syncfs};
use serde::{Deserialize, Serialize};

use crate::config::{Config, RootfsPath};
use crate::error::{Context, Error, Result};
use crate::sys::mount as sys;

pub use attached::Attached;
use copy::Watch;
pub use outside::{discard, noted};
pub use overlay::{Layers, has_user_attributes, refs, volatile};
pub use specification::{Setting, Specification};

/// What a kind of storage can do.
///
/// A root filesystem that is made for a container lies in the container's own directory, `home`;
/// what exists of it is up to the back-end. Whatever fails leaves what it made in `home` to the
/// caller, who removes that.
pub trait Backend: fmt::Debug + Sync {
    /// Its names in `lxc.rootfs.path`; the first is the one that is written.
    fn names(&self) -> &'static [&'static str];

    /// What to mount for `source`, checked to be there. Makes nothing.
    fn rootfs_mount(&self, source: &str) -> Result<RootfsMount>;

    /// Attaches `source` to the host before it is mounted: activates a volume, connects a device. Says whether
    /// it was not attached before.
    fn activate(&self, _source: &str) -> Result<bool> {
        Ok(false)
    }

    /// Undoes that after it was unmounted, if it was done here. What is gone already is fine.
    fn deactivate(&self, _source: &str) -> Result<()> {
        Ok(())
    }

    /// Its names in a container's own directory.
    fn places(&self) -> &'static [&'static str] {
        &[]
    }

    /// The settings that it has for new storage.
    fn settings(&self) -> &'static [Setting] {
        &[]
    }

    /// Where a new root filesystem is to be. Makes nothing: the container's configuration leads to it
    /// first, so that it is found should its creation be interrupted.
    fn plan(&self, target: Target<'_>) -> Result<Planned>;

    /// Makes the empty root filesystem `planned`.
    fn create(&self, planned: &Planned, target: Target<'_>) -> Result<()>;

    /// Fills it: does `act` while its files are at [`Planned::root`].
    fn fill(
        &self,
        _planned: &Planned,
        _target: Target<'_>,
        act: &(dyn Fn() -> Result<()> + Sync),
    ) -> Result<()> {
        act()
    }

    /// Makes a complete copy of `source`, of whatever kind that is.
    fn copy(
        &self,
        source: &RootfsMount,
        target: Target<'_>,
        watch: Watch<'_>,
    ) -> Result<RootfsPath>;

    /// Makes a copy that shares with `source` what neither changes.
    fn snapshot(
        &self,
        source: &RootfsMount,
        target: Target<'_>,
        watch: Watch<'_>,
    ) -> Result<RootfsPath>;

    /// Whether a snapshot of `source` is nothing without that.
    fn snapshots_depend(&self, _source: &RootfsMount) -> bool {
        false
    }

    /// Whether it has no snapshots of its own: a layer over it is one, which begins empty and may as well be
    /// in memory (`lxc-copy -t`).
    fn snapshots_are_layers(&self) -> bool {
        false
    }

    /// Whether new storage of this kind can be in `home`.
    fn can_be_in(&self, _home: &Path) -> bool {
        true
    }

    /// Whether lxc-snapshot keeps [snapshots](Self::snapshot) of `source`; else it keeps
    /// [copies](Self::copy).
    fn is_kept_as_snapshot(&self, _source: &str) -> bool {
        true
    }

    /// What it has outside the directories of the containers in `lxcpath`, and was made for one of them. What
    /// other tools have made is not told.
    fn volumes(&self, _lxcpath: &Path) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Removes what belongs to `source` and lies outside `home`, which the caller removes. What is gone already
    /// is fine.
    fn destroy(&self, source: &str, home: &Path) -> Result<()>;

    /// `source` after its container's directory `from` was renamed `to`. What lies elsewhere keeps its name.
    fn renamed(&self, source: &str, _from: &Path, _to: &Path) -> String {
        source.to_owned()
    }

    /// Fails unless `source` can have a [limit](Self::limit) that holds for root inside; who `is_held` by
    /// limits has no capability to have more. Changes nothing.
    fn can_limit(&self, source: &str, _is_held: bool) -> Result<()> {
        Err(Error::new(format!(
            "cannot limit the size of {source}: storage of type {} has none",
            self.name()
        )))
    }

    /// Lets `source` have `size` bytes of the disk, or as many as there are. Refused if it has more already.
    fn limit(&self, source: &str, size: Option<u64>) -> Result<()> {
        if size.is_some() { self.can_limit(source, true) } else { Ok(()) }
    }

    /// Whether a process was killed that gave `source` its first limit.
    fn is_partly_limited(&self, _source: &str) -> bool {
        false
    }

    /// What `source` takes and may take; `None` if it has no limit.
    fn usage(&self, _source: &str) -> Result<Option<size::Usage>> {
        Ok(None)
    }

    /// What killed operations and other tools have left of `source`, whose container has the directory
    /// `home` and does not run: a line for each, for people. Changes nothing.
    fn leftovers(&self, _source: &str, _home: &Path) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Removes that.
    fn remove_leftovers(&self, _source: &str, _home: &Path) -> Result<()> {
        Ok(())
    }

    /// The name that is written.
    fn name(&self) -> &'static str {
        self.names()[0]
    }

    /// `source` of this kind.
    fn path(&self, source: String) -> RootfsPath {
        RootfsPath { backend: Some(self.name().to_owned()), source }
    }
}

/// What new storage is for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The container's own directory.
    pub home: &'a Path,
    /// What was asked for.
    pub specification: &'a Specification,
    /// The directory of containers.
    pub lxcpath: &'a Path,
    /// A name for it there, that no other container and no snapshot has.
    pub name: &'a str,
    /// The limit of its size that it is to get. What has a size of its own may begin with that.
    pub limit: Option<u64>,
}

/// Where a new root filesystem is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What `lxc.rootfs.path` says of it.
    pub path: RootfsPath,
    /// The directory that a template fills. If that is outside the container's own, its maker makes it.
    pub root: PathBuf,
}

/// All back-ends.
const BACKENDS: [&dyn Backend; 10] = [
    &dir::Directory,
    &btrfs::Btrfs,
    &overlay::Overlay,
    &loop_file::LoopFile,
    &lvm::Lvm,
    &zfs::Zfs,
    &nbd::Nbd,
    &rbd::Rbd,
    &packed::SQUASHFS,
    &packed::EROFS,
];

/// The back-end where none is named.
pub const DEFAULT: &dyn Backend = &dir::Directory;

/// The back-end called `name`.
pub fn backend(name: &str) -> Result<&'static dyn Backend> {
    let found = BACKENDS.iter().find(|backend| backend.names().contains(&name));
    found.copied().ok_or_else(|| {
        let [others @ .., last] = BACKENDS.map(Backend::name);
        Error::new(format!("the storage back-end {name} is not supported"))
            .hint(format!("there are {} and {last}", others.join(", ")))
    })
}

/// Whether there is a back-end called `name`.
pub fn is_known(name: &str) -> bool {
    backend(name).is_ok()
}

/// Whether there is one, or LXC before 3.0 had it.
pub fn was_known(name: &str) -> bool {
    name == "aufs" || is_known(name)
}

/// The back-end that is best for a new root filesystem in `home`.
fn best(home: &Path) -> &'static dyn Backend {
    if btrfs::Btrfs.can_be_in(home) { &btrfs::Btrfs } else { DEFAULT }
}

/// The back-end of new storage that is called `name`, if it has a use for all that is asked for. Without a
/// name it is the best, with what that has a use for, as in C LXC.
pub fn backend_for_new(name: Option<&str>, target: Target<'_>) -> Result<&'static dyn Backend> {
    let Target { home, specification, .. } = target;
    match name {
        Some(name) => {
            let found = backend(name)?;
            specification.check(found).map(|()| found)
        }
        None if specification.dir.is_some() => Ok(DEFAULT),
        // It need not be there yet.
        None => Ok(best(home.ancestors().find(|dir| dir.exists()).unwrap_or(home))),
    }
}

/// The back-end for a copy of `path` in `home` if nobody chose one: the same, as far as that can be.
pub fn backend_for_copy(
    path: &RootfsPath,
    is_snapshot: bool,
    home: &Path,
) -> Result<&'static dyn Backend> {
    let same = backend_of(path)?;
    Ok(match is_snapshot {
        true if same.snapshots_are_layers() => &overlay::Overlay,
        false if !same.can_be_in(home) => best(home),
        _ => same,
    })
}

/// Whether the root filesystem of this configuration is on storage with snapshots of its own.
pub fn has_snapshots(config: &Config) -> Result<bool> {
    let backend = config.rootfs.path.as_ref().map(backend_of).transpose()?;
    Ok(backend.is_some_and(|backend| !backend.snapshots_are_layers()))
}

/// The back-end of `path`.
pub fn backend_of(path: &RootfsPath) -> Result<&'static dyn Backend> {
    path.backend.as_deref().map_or(Ok(DEFAULT), backend)
}

/// `path` as `lxc.rootfs.path` has it.
pub fn value(path: &RootfsPath) -> String {
    match &path.backend {
        Some(backend) => format!("{backend}:{}", path.source),
        None => path.source.clone(),
    }
}

/// What the start mounts as the root filesystem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RootfsMount {
    /// The host's own root: the container has no `lxc.rootfs.path`.
    HostRoot,
    /// A directory.
    Bind(PathBuf),
    /// The file system on a block device, or in an image.
    Block(PathBuf),
    /// A writable layer over others.
    Overlay {
        /// The layers below, topmost first: directories, or images and devices with file systems.
        lower: Vec<PathBuf>,
        /// The writable layer.
        upper: PathBuf,
        /// The kernel's working directory, on the same file system as `upper`.
        work: PathBuf,
    },
}

impl RootfsMount {
    /// Makes what a mount for the container with the configuration `config` needs beside the root
    /// filesystem itself: the working directory of an overlay.
    pub fn prepare(&self, config: &Config) -> Result<()> {
        match self {
            Self::Overlay { upper, work, .. } => {
                overlay::prepare(upper, work, volatile::is_meant_by(config))
            }
            Self::HostRoot | Self::Bind(_) | Self::Block(_) => Ok(()),
        }
    }

    /// The directories of it that are only read.
    pub fn read_only(&self) -> &[PathBuf] {
        match self {
            Self::HostRoot | Self::Bind(_) | Self::Block(_) => &[],
            Self::Overlay { lower, .. } => lower,
        }
    }

    /// Whether only the host's root can mount it.
    pub fn is_for_host_root(&self) -> bool {
        match self {
            Self::Block(_) => true,
            Self::Overlay { lower, .. } => lower.iter().any(|it| block::layers::is_mounted(it)),
            Self::HostRoot | Self::Bind(_) => false,
        }
    }

    /// The directory to read the root filesystem from, whether its container runs or not; no file is
    /// written and nothing is mounted where others see it.
    pub fn open(&self) -> Result<OwnedFd> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        match self {
            Self::Bind(path) => open(path, flags, Mode::empty())
                .context(|| format!("cannot open the root filesystem {}", path.display())),
            _ => openat(&self.tree()?, c".", flags, Mode::empty())
                .context(|| format!("cannot open the {self}")),
        }
    }

    /// The same as a detached mount, without what is mounted below it.
    fn tree(&self) -> Result<OwnedFd> {
        match self {
            Self::HostRoot => Err(Error::new("the host's own root is not a container's storage")),
            Self::Bind(path) => sys::open_tree(sys::at_cwd(), path, sys::OPEN_TREE_CLONE)
                .context(|| format!("cannot open the root filesystem {}", path.display())),
            Self::Block(path) => block::mount_to_read(path),
            Self::Overlay { lower, upper, .. } => {
                let layers: Vec<&Path> =
                    [upper].into_iter().chain(lower).map(PathBuf::as_path).collect();
                overlay::read_only(&layers)
            }
        }
    }
}

impl RootfsMount {
    /// The writable layer of an overlay, and what is below it as one tree, to be read; nothing is mounted where
    /// others see it.
    pub fn open_layers(&self) -> Result<[OwnedFd; 2]> {
        let Self::Overlay { lower, upper, .. } = self else {
            return Err(Error::new("the root filesystem has no layer of its own"));
        };
        let below = match lower.as_slice() {
            [only] => open_layer(only)?,
            several => {
                let layers: Vec<&Path> = several.iter().map(PathBuf::as_path).collect();
                overlay::read_only(&layers)?
            }
        };
        Ok([open_layer(upper)?, below])
    }
}

fn open_layer(path: &Path) -> Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty()).context(|| format!("cannot open the layer {}", path.display()))
}

impl fmt::Display for RootfsMount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostRoot => f.write_str("/"),
            Self::Bind(path) | Self::Block(path) => path.display().fmt(f),
            Self::Overlay { lower, upper, .. } => {
                let lower: Vec<String> =
                    lower.iter().map(|path| path.display().to_string()).collect();
                write!(f, "overlay of {} and {}", lower.join(", "), upper.display())
            }
        }
    }
}

/// What to mount for the container's `lxc.rootfs.path`, checked to be there.
pub fn rootfs_mount(config: &Config) -> Result<RootfsMount> {
    let Some(path) = &config.rootfs.path else {
        return Ok(RootfsMount::HostRoot);
    };
    backend_of(path)
        .and_then(|backend| backend.rootfs_mount(&path.source))
        .map_err(|error| error.at(config.origin("lxc.rootfs.path")))
}

/// Opens the directory `path`, or the root directory of the file system on the device or in the image `path`,
/// to change what is in it.
pub fn open_root(path: &Path) -> Result<OwnedFd> {
    if path.is_dir() {
        return File::open(path)
            .map(OwnedFd::from)
            .context(|| format!("cannot open {}", path.display()));
    }
    block::open_root(path)
}

/// Attaches the container's root filesystem to the host, before a start.
pub fn activate(config: &Config) -> Result<()> {
    let Some(path) = &config.rootfs.path else { return Ok(()) };
    backend_of(path)
        .and_then(|backend| backend.activate(&path.source).map(drop))
        .map_err(|error| error.at(config.origin("lxc.rootfs.path")))
}

/// Attaches the container's root filesystem to the host for as long as the answer lives, if it is not.
pub fn attach(config: &Config) -> Result<Option<Attached>> {
    let Some(path) = &config.rootfs.path else { return Ok(None) };
    backend_of(path)
        .and_then(|backend| Attached::of(backend, &path.source))
        .map_err(|error| error.at(config.origin("lxc.rootfs.path")))
}

/// All that was made for containers in `lxcpath` and does not lie in their directories.
pub fn volumes(lxcpath: &Path) -> Result<Vec<RootfsPath>> {
    let mut all = Vec::new();
    for backend in BACKENDS {
        all.extend(backend.volumes(lxcpath)?.into_iter().map(|source| backend.path(source)));
    }
    Ok(all)
}

/// Removes one of these.
pub fn destroy_volume(path: &RootfsPath, lxcpath: &Path) -> Result<()> {
    backend_of(path)?.destroy(&path.source, lxcpath)
}

/// Undoes that, after the container has ended.
pub fn deactivate(config: &Config) -> Result<()> {
    let Some(path) = &config.rootfs.path else { return Ok(()) };
    // What has no back-end here was not attached.
    backend_of(path).map_or(Ok(()), |backend| backend.deactivate(&path.source))
}

/// The names that storage of any kind has in a container's own directory.
pub fn places() -> impl Iterator<Item = &'static str> {
    let mut all: Vec<_> = BACKENDS.iter().flat_map(|backend| backend.places()).copied().collect();
    all.sort_unstable();
    all.dedup();
    all.into_iter()
}

/// What has been left of the root filesystem of a container that does not run, by its back-end.
pub fn leftovers(config: &Config, home: &Path) -> Result<Vec<String>> {
    let Some(path) = &config.rootfs.path else { return Ok(Vec::new()) };
    // What has no back-end here was not made here.
    backend_of(path).map_or(Ok(Vec::new()), |backend| backend.leftovers(&path.source, home))
}

/// Removes that.
pub fn remove_leftovers(config: &Config, home: &Path) -> Result<()> {
    let Some(path) = &config.rootfs.path else { return Ok(()) };
    backend_of(path).map_or(Ok(()), |backend| backend.remove_leftovers(&path.source, home))
}

/// Whether lxc-snapshot keeps snapshots of the container's root filesystem, which must be there; else
/// copies.
pub fn is_kept_as_snapshot(config: &Config) -> Result<bool> {
    rootfs_mount(config)?;
    match &config.rootfs.path {
        Some(path) => Ok(backend_of(path)?.is_kept_as_snapshot(&path.source)),
        None => Ok(true),
    }
}

/// Removes the storage of a container that is being destroyed, unless `lxc.rootfs.managed` is 0.
/// What lies in the container's own directory `home` goes with that.
pub fn destroy(config: &Config, home: &Path) -> Result<()> {
    match &config.rootfs.path {
        Some(path) if config.rootfs.managed != Some(false) => match backend_of(path) {
            Ok(backend) => backend.destroy(&path.source, home),
            // Not ours to remove, and no reason to keep the rest.
            Err(_) => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Returns when everything on the file systems of `paths` is on the disk.
pub fn sync(paths: &[&Path]) -> Result<()> {
    let mut done = Vec::new();
    for path in paths {
        let failed = || format!("cannot write {} to the disk", path.display());
        let dir = open(*path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).context(failed)?;
        let device = fstat(&dir).context(failed)?.st_dev;
        if !done.contains(&device) {
            syncfs(&dir).context(failed)?;
            done.push(device);
        }
    }
    Ok(())
}

/// Returns when the names in the directory `path` are on the disk.
pub fn sync_dir(path: &Path) -> Result<()> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty())
        .and_then(fsync)
        .context(|| format!("cannot write the directory {} to the disk", path.display()))
}
