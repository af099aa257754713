//! The root filesystem as an overlay: with other ids than those on the disk, and with its writable layer in
//! memory.

use std::fs::{DirBuilder, metadata};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use caps::CapSet;
use nix::unistd::{setfsgid, setfsuid};

use super::idmapped::SetIds;
use super::options::{MountIds, Options, Recursive};
use super::private;
use crate::config::Config;
use crate::error::{Context, Error, Result};
use crate::namespace::Ids;
use crate::storage::{self, Layers, volatile};
use crate::sys::mount::{self as sys, FsOption};

/// The option with which what is written is in memory, over the writable layer.
const IN_MEMORY: (&str, &str) = ("upper", "tmpfs");

/// Whether `options` have that.
pub(super) fn is_in_memory(options: &Options) -> bool {
    options.data.iter().any(is_option)
}

fn is_option((key, value): &(String, Option<String>)) -> bool {
    (key.as_str(), value.as_deref()) == (IN_MEMORY.0, Some(IN_MEMORY.1))
}

/// What an overlay is made with.
#[derive(Clone, Copy)]
pub(super) struct Overlay<'a> {
    pub(super) config: &'a Config,
    pub(super) options: &'a Options,
    pub(super) set_ids: &'a SetIds<'a>,
}

/// What it is made of.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    /// The layers below, topmost first.
    pub(super) lower: &'a [PathBuf],
    pub(super) upper: &'a Path,
    pub(super) work: &'a Path,
}

impl Overlay<'_> {
    /// Mounts it, detached.
    pub(super) fn mount(self, parts: Parts<'_>) -> Result<OwnedFd> {
        let with_user_attributes = storage::has_user_attributes(parts.upper);
        if is_in_memory(self.options) {
            return self.in_memory(parts, with_user_attributes);
        }
        match &self.options.idmap {
            // The writable layer and its working directory must be on one mount.
            Some(ids) => {
                let above = parts.upper.parent().unwrap_or(Path::new("/"));
                self.mapped(parts, Some(above), ids, with_user_attributes)
            }
            None => self.plain(parts, with_user_attributes),
        }
    }

    /// With a tmpfs over the writable layer, which is only read then. It is mounted on the working directory in a
    /// mount namespace that only this has.
    fn in_memory(self, parts: Parts<'_>, with_user_attributes: bool) -> Result<OwnedFd> {
        let Parts { lower, upper, work } = parts;
        let failed = || "cannot make the layer in memory";
        let lower: Vec<PathBuf> =
            [upper.to_owned()].into_iter().chain(lower.iter().cloned()).collect();
        let size = self.config.rootfs.size.map(|size| size.to_string());
        let mut data: Vec<FsOption<'_>> = vec![("mode", Some("0755"))];
        data.extend(size.as_deref().map(|size| ("size", Some(size))));
        private::within("the layer in memory", || {
            let memory = sys::new_mount("tmpfs", &data, 0).context(failed)?;
            sys::move_mount(memory.as_fd(), sys::at_cwd(), work).context(failed)?;
            let parts =
                Parts { lower: &lower, upper: &work.join("delta"), work: &work.join("work") };
            DirBuilder::new().mode(0o700).create(parts.work).context(failed)?;
            self.make_root(upper, parts.upper).context(failed)?;
            match &self.options.idmap {
                Some(ids) => self.mapped(parts, None, ids, with_user_attributes),
                None => self.plain(parts, with_user_attributes),
            }
        })
    }

    /// Makes the root directory of the layer in memory like that of the layer below it. It has the ids that the
    /// container sees there: not every kernel shows those of a tmpfs otherwise.
    fn make_root(self, below: &Path, path: &Path) -> std::io::Result<()> {
        let found = metadata(below)?;
        let (uid, gid) = match &self.options.idmap {
            Some(_) => Ids::of(self.config).root(),
            None => (found.uid(), found.gid()),
        };
        std::fs::create_dir(path)?;
        chown(path, Some(uid), Some(gid))?;
        std::fs::set_permissions(path, PermissionsExt::from_mode(found.mode() & 0o7777))
    }

    fn plain(self, parts: Parts<'_>, with_user_attributes: bool) -> Result<OwnedFd> {
        let Parts { lower, upper, work } = parts;
        let given = self.options.data.iter().filter(|option| !is_option(option));
        let mut data: Vec<FsOption<'_>> =
            given.map(|(key, value)| (key.as_str(), value.as_deref())).collect();
        let mut add = |flag| {
            if !data.iter().any(|(key, _)| *key == flag) {
                data.push((flag, None));
            }
        };
        if with_user_attributes {
            add("userxattr");
        }
        if volatile::is_meant_by(self.config) {
            add("volatile");
            // That of this container's life before a reboot.
            volatile::unmark(work)?;
        }
        let lower = storage::refs(lower);
        Layers { lower: &lower, writable: Some((upper, work)), options: &data }.mount()
    }

    /// With layers that have other `ids`: the kernel gives them to no overlay itself. The layers are mounted so
    /// in a mount namespace that only this has, each over itself; so is the directory `above` the writable one,
    /// unless that has them already. The container's root mounts it: whoever does makes files for all that use
    /// it, so must have an id in the layers.
    fn mapped(
        self,
        parts: Parts<'_>,
        above: Option<&Path>,
        ids: &MountIds,
        with_user_attributes: bool,
    ) -> Result<OwnedFd> {
        let mut places: Vec<&Path> = parts.lower.iter().map(PathBuf::as_path).collect();
        places.extend(above);
        // What is below another one would be covered by it.
        places.sort_by_key(|place| place.components().count());
        let mapped = |place: &&Path| {
            let tree = sys::open_tree(sys::at_cwd(), place, sys::OPEN_TREE_CLONE)
                .context(|| format!("cannot open the layer {}", place.display()))?;
            // Otherwise mounts on it would propagate to a host whose mounts are shared.
            private::keep(&tree)?;
            (self.set_ids)(tree.as_fd(), Recursive::No, ids).map(|()| tree)
        };
        let trees = places.iter().map(mapped).collect::<Result<Vec<_>>>()?;
        private::within("the layers", || {
            for (tree, place) in trees.iter().zip(&places) {
                sys::move_mount(tree.as_fd(), sys::at_cwd(), place)
                    .context(|| format!("cannot mount the layer {}", place.display()))?;
            }
            become_in_file_systems(Ids::of(self.config).root())?;
            self.plain(parts, with_user_attributes)
        })
    }
}

/// Lets the calling thread be `uid` and `gid` for file systems, with all its capabilities.
fn become_in_file_systems((uid, gid): (u32, u32)) -> Result<()> {
    let failed = |_| Error::new("cannot keep the capabilities of root");
    setfsgid(gid.into());
    setfsuid(uid.into());
    // The change of user has taken those for files.
    let all = caps::read(None, CapSet::Permitted).map_err(failed)?;
    caps::set(None, CapSet::Effective, &all).map_err(failed)
}
