//! Overlays: `overlay:LOWER[:LOWER…]:UPPER`, the topmost of the lower layers first.
//!
//! A snapshot of a directory is an empty layer over it, in `overlay/delta`; a snapshot of an overlay
//! has the same layers below and a copy of the writable one.

mod mount;
pub mod volatile;

use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::block::{self, layers};
use super::copy::{self, Watch};
use super::size::{Usage, project};
use super::{Backend, Planned, RootfsMount, Target, dir, shared};
use crate::config::RootfsPath;
use crate::error::{Context, Error, Result};
use crate::namespace::set;

pub use mount::{Layers, refs};

/// The directory in a container's that has the writable layer `delta` and the kernel's working directory
/// `work`.
const DIR: &str = "overlay";
/// The writable layer in a container's directory.
const DELTA: &str = "overlay/delta";
/// It, and what it is in.
const LAYER: [&str; 2] = [DIR, DELTA];

#[derive(Debug)]
pub(super) struct Overlay;

impl Backend for Overlay {
    fn names(&self) -> &'static [&'static str] {
        &["overlay", "overlayfs"]
    }

    /// The working directory is beside the upper layer: `work` for one called `delta`, else its name
    /// with `.work` appended.
    fn rootfs_mount(&self, source: &str) -> Result<RootfsMount> {
        let (lower, upper) = split(source)?;
        for layer in &lower {
            if layers::is_mounted(layer) { block::check(layer) } else { dir::check(layer) }?;
        }
        dir::check(&upper)?;
        Ok(over(lower, &upper))
    }

    fn places(&self) -> &'static [&'static str] {
        &["overlay"]
    }

    /// An empty layer over the empty directory `rootfs`.
    fn plan(&self, target: Target<'_>) -> Result<Planned> {
        let root = dir::root_in(target.home);
        Ok(Planned { path: path_of(std::slice::from_ref(&root), target.home)?, root })
    }

    fn create(&self, planned: &Planned, target: Target<'_>) -> Result<()> {
        dir::make(&planned.root)?;
        // The working directory follows with the first start.
        make_layer(target.home)
    }

    /// What is over layers of images is complete with these, which never change.
    fn copy(
        &self,
        source: &RootfsMount,
        target: Target<'_>,
        watch: Watch<'_>,
    ) -> Result<RootfsPath> {
        let lower = source.read_only();
        if !lower.is_empty() && lower.iter().all(|layer| shared::is_shared(layer)) {
            return self.snapshot(source, target, watch);
        }
        Err(Error::new("an overlay is a snapshot of something and cannot be a complete copy")
            .hint("copy with -s for a snapshot, or with -B dir for a complete copy"))
    }

    fn snapshot(
        &self,
        source: &RootfsMount,
        target: Target<'_>,
        watch: Watch<'_>,
    ) -> Result<RootfsPath> {
        let home = target.home;
        let delta = home.join(DELTA);
        make_layer(home)?;
        dir::make(&work_dir(&delta))?;
        dir::make(&dir::root_in(home))?;
        match source {
            RootfsMount::HostRoot => Err(Error::new("the host's own root cannot be snapshotted")),
            RootfsMount::Bind(path) | RootfsMount::Block(path) => {
                // The layer's root is what the container sees as its root.
                copy::owner_and_mode(&source.open()?, &delta)?;
                path_of(std::slice::from_ref(path), home)
            }
            RootfsMount::Overlay { lower, upper, .. } => {
                let upper = std::fs::File::open(upper)
                    .context(|| format!("cannot open the layer {}", upper.display()))?;
                dir::copy_into(&upper, &delta, watch)?;
                path_of(lower, home)
            }
        }
    }

    fn snapshots_depend(&self, _: &RootfsMount) -> bool {
        true
    }

    fn can_limit(&self, source: &str, is_held: bool) -> Result<()> {
        project::check(&[split(source)?.1], is_held)
    }

    /// The kernel moves what it copies from the working directory to the layer, which it can within a
    /// project only.
    fn limit(&self, source: &str, size: Option<u64>) -> Result<()> {
        let (_, upper) = split(source)?;
        let work = work_dir(&upper);
        if size.is_some() {
            make_work_dir(&upper, &work)?;
        }
        project::limit(&[upper, work], size)
    }

    fn is_partly_limited(&self, source: &str) -> bool {
        split(source).is_ok_and(|(_, upper)| project::is_partly_given(&upper))
    }

    fn usage(&self, source: &str) -> Result<Option<Usage>> {
        project::usage(&split(source)?.1)
    }

    /// The layers below are another container's.
    fn destroy(&self, source: &str, home: &Path) -> Result<()> {
        let (_, upper) = split(source)?;
        dir::Directory.destroy(&upper.display().to_string(), home)
    }

    fn renamed(&self, source: &str, from: &Path, to: &Path) -> String {
        let layers: Vec<String> =
            source.split(':').map(|layer| dir::Directory.renamed(layer, from, to)).collect();
        layers.join(":")
    }
}

/// The layers of `source` below the writable one, topmost first, and that one.
fn split(source: &str) -> Result<(Vec<PathBuf>, PathBuf)> {
    let mut layers: Vec<PathBuf> = source.split(':').map(PathBuf::from).collect();
    let upper = layers.pop().filter(|_| !layers.is_empty()).ok_or_else(|| {
        Error::new(format!("the overlay {source} has one layer only"))
            .hint("write overlay:LOWER:UPPER")
    })?;
    Ok((layers, upper))
}

/// What is mounted of `lower` and the writable layer `upper`.
pub(super) fn over(lower: Vec<PathBuf>, upper: &Path) -> RootfsMount {
    RootfsMount::Overlay { lower, upper: upper.to_owned(), work: work_dir(upper) }
}

/// The writable layer in `home`.
pub(super) fn layer_in(home: &Path) -> PathBuf {
    home.join(DELTA)
}

/// Makes it, empty.
pub(super) fn make_layer(home: &Path) -> Result<()> {
    LAYER.iter().try_for_each(|name| dir::make(&home.join(name)))
}

/// The overlay of `lower` and the layer in `home`.
pub(super) fn path_of(lower: &[PathBuf], home: &Path) -> Result<RootfsPath> {
    let delta = home.join(DELTA);
    let layers: Vec<String> =
        lower.iter().chain([&delta]).map(|layer| layer.display().to_string()).collect();
    if let Some(layer) = layers.iter().find(|layer| layer.contains(':')) {
        return Err(Error::new(format!("{layer} cannot be a layer: its name contains ':'"))
            .hint("':' separates the layers of an overlay in lxc.rootfs.path"));
    }
    Ok(Overlay.path(layers.join(":")))
}

/// Makes the kernel's working directory `work` for the writable layer `upper`, unless it exists, and makes
/// it ready for a mount, which may be [volatile].
pub(super) fn prepare(upper: &Path, work: &Path, is_volatile: bool) -> Result<()> {
    make_work_dir(upper, work)?;
    volatile::settle(work, is_volatile)
}

fn make_work_dir(upper: &Path, work: &Path) -> Result<()> {
    match std::fs::create_dir(work) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        result => result.context(|| format!("cannot create {}", work.display()))?,
    }
    same_owner(upper, work)
}

/// Whether what the kernel notes at directories of the writable layer `upper`, such as that one replaces
/// another, are attributes that the root of a user namespace may write (`userxattr`): where it is mounted
/// in one, and where it was, as its owner tells. Without them nothing inside could remove a directory of
/// the layers below.
pub fn has_user_attributes(upper: &Path) -> bool {
    let owned_by_root = || upper.metadata().is_ok_and(|metadata| metadata.uid() == 0);
    !set::in_initial_user_namespace() || !owned_by_root()
}

/// The layers, topmost first, as one tree that nobody can write: a detached mount.
pub(super) fn read_only(layers: &[&Path]) -> Result<OwnedFd> {
    let is_in_namespace = layers.first().is_some_and(|upper| has_user_attributes(upper));
    // Files of which the upper layer has the attributes only are to be read as well.
    let options = if is_in_namespace { ("userxattr", None) } else { ("metacopy", Some("on")) };
    let layers: Vec<PathBuf> = layers.iter().map(|layer| (*layer).to_owned()).collect();
    layers::as_directories(&layers, |layers| {
        Layers { lower: &refs(layers), writable: None, options: &[options] }.mount()
    })
}

/// Where its root in a user namespace cannot write the working directory, the kernel mounts the overlay
/// read-only.
fn same_owner(upper: &Path, work: &Path) -> Result<()> {
    let owner = |path: &Path| {
        let metadata = path.metadata().context(|| format!("cannot look at {}", path.display()))?;
        Ok((metadata.uid(), metadata.gid()))
    };
    let (uid, gid) = owner(upper)?;
    if owner(work)? == (uid, gid) {
        return Ok(());
    }
    std::os::unix::fs::chown(work, Some(uid), Some(gid))
        .context(|| format!("cannot give {} the owner of {}", work.display(), upper.display()))
}

fn work_dir(upper: &Path) -> PathBuf {
    match upper.file_name() {
        Some(name) if name == "delta" => upper.with_file_name("work"),
        Some(name) => {
            let mut name = name.to_owned();
            name.push(".work");
            upper.with_file_name(name)
        }
        None => upper.join("work"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_in_order_and_work_beside_the_upper_one() {
        let base = std::env::temp_dir().join(format!("lxc-rs-overlay-{}", std::process::id()));
        let path = |name: &str| base.join(name).display().to_string();
        for name in ["a", "b", "delta"] {
            std::fs::create_dir_all(base.join(name)).unwrap();
        }
        let mount = Overlay.rootfs_mount(&[path("a"), path("b"), path("delta")].join(":")).unwrap();
        let RootfsMount::Overlay { lower, upper, work } = mount else { panic!() };
        assert_eq!(lower, [base.join("a"), base.join("b")]);
        assert_eq!((&upper, &work), (&base.join("delta"), &base.join("work")));
        assert!(!work.exists(), "looking makes nothing");
        prepare(&upper, &work, false).unwrap();
        assert!(work.is_dir());
        assert!(Overlay.rootfs_mount(&path("a")).is_err());
        assert!(Overlay.rootfs_mount(&[path("none"), path("delta")].join(":")).is_err());
        std::fs::remove_dir_all(base).unwrap();
    }
}
