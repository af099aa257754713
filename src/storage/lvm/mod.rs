//! Logical volumes: `lvm:/dev/GROUP/VOLUME`.
//!
//! In a thin pool copies and snapshots are snapshots of LVM: they take no time, share all blocks and depend on
//! nothing. A snapshot of another volume needs that (its origin), and LVM takes none of a snapshot, so
//! lxc-snapshot keeps copies of these.

mod tools;

use std::path::{Path, PathBuf};

use super::attached;
use super::block::named::{self, Named, Size};
use super::block::{self, Like, growth};
use super::copy::Watch;
use super::size::Usage;
use super::{Backend, Planned, RootfsMount, Setting, Specification, Target, dir, outside};
use crate::config::{RootfsPath, SystemConfig};
use crate::error::{Error, Result};

use tools::{Name, Volume};

#[derive(Debug)]
pub(super) struct Lvm;

impl Backend for Lvm {
    fn names(&self) -> &'static [&'static str] {
        &["lvm"]
    }

    fn rootfs_mount(&self, source: &str) -> Result<RootfsMount> {
        named::rootfs_mount(self, source)
    }

    fn activate(&self, source: &str) -> Result<bool> {
        named::activate(self, source)
    }

    fn deactivate(&self, source: &str) -> Result<()> {
        named::deactivate(self, source)
    }

    fn settings(&self) -> &'static [Setting] {
        &[
            Setting::Size,
            Setting::Filesystem,
            Setting::LogicalVolume,
            Setting::VolumeGroup,
            Setting::ThinPool,
        ]
    }

    fn plan(&self, target: Target<'_>) -> Result<Planned> {
        Like::asked(target)?;
        let specification = target.specification;
        let place = Place::for_new(specification)?;
        let volume = specification.logical_volume.as_deref().unwrap_or(target.name);
        let name = Name::new(&place.group, volume)?;
        if place.volumes.iter().any(|one| one.name == name) {
            return Err(Error::new(format!("the logical volume {name} exists"))
                .hint("choose another name with --lvname, or remove it with lvremove"));
        }
        Ok(Planned { path: self.path(name.device()), root: dir::root_in(target.home) })
    }

    fn create(&self, planned: &Planned, target: Target<'_>) -> Result<()> {
        dir::make(&planned.root)?;
        let name = Name::of(&planned.path.source)?;
        let place = Place::for_new(target.specification)?;
        make(&name, target, || make_empty(&name, &place, target, &Like::asked(target)?))
    }

    fn fill(
        &self,
        planned: &Planned,
        _: Target<'_>,
        act: &(dyn Fn() -> Result<()> + Sync),
    ) -> Result<()> {
        block::mounted_at(Path::new(&planned.path.source), &planned.root, act)
    }

    /// In the group, and the thin pool, of the source if that is a volume.
    fn copy(
        &self,
        source: &RootfsMount,
        target: Target<'_>,
        watch: Watch<'_>,
    ) -> Result<RootfsPath> {
        block::require_root()?;
        let specification = target.specification;
        let wanted = specification.bytes()?;
        dir::make(&dir::root_in(target.home))?;
        let place = match origin(source) {
            Some((origin, place)) => {
                if origin.pool.is_some()
                    && wanted.is_none_or(|size| size >= origin.size)
                    && can_be_double(&origin)?
                {
                    let path = self.take_snapshot(&origin, &place, target)?;
                    if let Some(size) = wanted {
                        self.limit(&path.source, Some(size))?;
                    }
                    return Ok(path);
                }
                place
            }
            None => Place::for_new(specification)?,
        };
        let like = Like::of(source, target)?;
        let name = place.free_name(target.name)?;
        make(&name, target, || {
            make_empty(&name, &place, target, &like)?;
            block::copy_files(source, Path::new(&name.device()), watch)
        })?;
        Ok(self.path(name.device()))
    }

    fn snapshot(
        &self,
        source: &RootfsMount,
        target: Target<'_>,
        _: Watch<'_>,
    ) -> Result<RootfsPath> {
        let Some((origin, place)) = origin(source) else {
            return Err(Error::new("it is not a logical volume")
                .hint("copy it without -s: the copy is one then"));
        };
        if origin.pool.is_none() && origin.origin.is_some() {
            return Err(Error::new(format!(
                "{} is a snapshot, of which LVM takes none",
                origin.name
            ))
            .hint("copy it without -s, or keep containers in a thin pool"));
        }
        dir::make(&dir::root_in(target.home))?;
        self.take_snapshot(&origin, &place, target)
    }

    fn snapshots_depend(&self, source: &RootfsMount) -> bool {
        // One that is not found gets no snapshot.
        name_of(source)
            .and_then(|name| Volume::find(&name).ok())
            .is_some_and(|origin| origin.pool.is_none())
    }

    fn is_kept_as_snapshot(&self, source: &str) -> bool {
        let found = Name::of(source).and_then(|name| Volume::find(&name));
        found.is_ok_and(|volume| volume.pool.is_some())
    }

    fn can_limit(&self, source: &str, _: bool) -> Result<()> {
        named::can_limit(source)
    }

    /// The volume has that size, rounded up to its group's extents, and can grow.
    fn limit(&self, source: &str, size: Option<u64>) -> Result<()> {
        named::limit(&Self, source, size)
    }

    fn usage(&self, source: &str) -> Result<Option<Usage>> {
        let volume = Volume::find(&Name::of(source)?)?;
        Ok(Some(Usage { used_bytes: volume.used, limit_bytes: volume.size }))
    }

    fn leftovers(&self, source: &str, _: &Path) -> Result<Vec<String>> {
        let path = Path::new(source);
        let growth = path.exists() && growth::is_unfinished(path);
        Ok(growth
            .then(|| "a process was killed that let its volume grow".to_owned())
            .into_iter()
            .collect())
    }

    fn remove_leftovers(&self, source: &str, _: &Path) -> Result<()> {
        growth::fill(Path::new(source))
    }

    fn volumes(&self, lxcpath: &Path) -> Result<Vec<String>> {
        Ok(tools::made_for(lxcpath)?.iter().map(Name::device).collect())
    }

    fn destroy(&self, source: &str, _: &Path) -> Result<()> {
        let name = Name::of(source)?;
        let volumes = Volume::all(&name.group).map_err(|error| {
            error.hint("to remove the container and not its volume: lxc.rootfs.managed = 0")
        })?;
        if !volumes.iter().any(|one| one.name == name) {
            return attached::forget(self, source);
        }
        // LVM removes them with it.
        let origin = Some(name.volume.clone());
        if let Some(other) = volumes.iter().find(|it| it.pool.is_none() && it.origin == origin) {
            return Err(Error::new(format!("{name} has the snapshot {}", other.name))
                .hint("destroy what uses that first, or remove it with lvremove"));
        }
        if Path::new(source).exists() {
            block::wait_until_free(Path::new(source))?;
        }
        tools::remove(&name)?;
        attached::forget(self, source)
    }
}

impl Named for Lvm {
    fn size(&self, source: &str) -> Result<Size> {
        let volume = Volume::find(&Name::of(source)?)?;
        Ok(Size { bytes: volume.size, unit: volume.extent })
    }

    fn connect(&self, source: &str) -> Result<()> {
        tools::activate(&Name::of(source)?)
    }

    fn disconnect(&self, source: &str) -> Result<()> {
        tools::deactivate(&Name::of(source)?)
    }

    fn extend(&self, source: &str, size: u64) -> Result<()> {
        tools::extend(&Name::of(source)?, size)
    }
}

impl Lvm {
    /// Makes a snapshot of `origin` in `place`, where that is. It is none itself, or in a thin pool.
    fn take_snapshot(
        &self,
        origin: &Volume,
        place: &Place,
        target: Target<'_>,
    ) -> Result<RootfsPath> {
        let is_thin = origin.pool.is_some();
        if !can_be_double(origin)? {
            return Err(Error::new(format!("the file system on {} is in use", origin.name))
                .hint("two that are the same are not told from each other: stop the container"));
        }
        let name = place.free_name(target.name)?;
        let size = target.specification.bytes()?.filter(|_| !is_thin);
        make(&name, target, || {
            tools::snapshot(&origin.name, &name, is_thin, size, target.lxcpath)?;
            let device = PathBuf::from(name.device());
            block::renew(&device)
        })?;
        Ok(self.path(name.device()))
    }
}

/// Where volumes are made.
struct Place {
    group: String,
    /// The thin pool.
    pool: Option<String>,
    /// What is in the group.
    volumes: Vec<Volume>,
}

impl Place {
    /// That of new ones: what is asked for, else what the system's configuration says. The thin pool of that is
    /// used if there is one, as by C LXC.
    fn for_new(specification: &Specification) -> Result<Self> {
        let system = SystemConfig::load()?;
        let configured = |key| system.get(key).unwrap_or_default();
        let group = specification.volume_group.clone();
        let group = group.unwrap_or_else(|| configured("lxc.bdev.lvm.vg"));
        let volumes = Volume::all(&group).map_err(|error| {
            error.hint(
                "name a group with --vgname, or in lxc.bdev.lvm.vg of the system's configuration; \
                        vgs shows those there are",
            )
        })?;
        let has = |pool: &str| volumes.iter().any(|it| it.is_thin_pool && it.name.volume == pool);
        let pool = match &specification.thin_pool {
            Some(pool) if !has(pool) => {
                return Err(Error::new(format!("there is no thin pool {pool} in {group}")).hint(
                    format!("make one with: lvcreate --type thin-pool -L SIZE -n {pool} {group}"),
                ));
            }
            Some(pool) => Some(pool.clone()),
            None => Some(configured("lxc.bdev.lvm.thin_pool")).filter(|pool| has(pool)),
        };
        Ok(Self { group, pool, volumes })
    }

    /// `name`, or one like it that no volume has.
    fn free_name(&self, name: &str) -> Result<Name> {
        let is_taken = |name: &str| {
            let name = Name::new(&self.group, name)?;
            Ok(self.volumes.iter().any(|it| it.name == name))
        };
        Name::new(&self.group, &outside::free_name(name, is_taken)?)
    }
}

/// Whether there may be a second one of the same, as far as that is mounted.
fn can_be_double(volume: &Volume) -> Result<bool> {
    let device = PathBuf::from(volume.name.device());
    Ok(!(block::is_in_use(&device) && block::has_identity(&device)?))
}

/// Makes the volume `name` as `like` says, with an empty file system.
fn make_empty(name: &Name, place: &Place, target: Target<'_>, like: &Like<'_>) -> Result<()> {
    tools::create(name, place.pool.as_deref(), like.size, target.lxcpath)?;
    block::format_device(Path::new(&name.device()), like.filesystem)
}

/// Does `act`, which makes the volume `name` for `target`. What it leaves if it fails is recorded.
fn make(name: &Name, target: Target<'_>, act: impl FnOnce() -> Result<()>) -> Result<()> {
    outside::note(target.home, &Lvm.path(name.device()))?;
    act().or_else(|error| {
        if !Path::new(&name.device()).exists() {
            outside::forget(target.home)?;
        }
        Err(error)
    })
}

/// The name of the logical volume that `source` is on, by its form: there may be another device in a directory of
/// /dev.
fn name_of(source: &RootfsMount) -> Option<Name> {
    let RootfsMount::Block(path) = source else { return None };
    Name::of(path.to_str()?).ok()
}

/// The logical volume that `source` is on, and the place of that.
fn origin(source: &RootfsMount) -> Option<(Volume, Place)> {
    let name = name_of(source)?;
    let volumes = Volume::all(&name.group).ok()?;
    let volume = volumes.iter().find(|it| it.name == name)?.clone();
    let pool = volume.pool.clone();
    Some((volume, Place { group: name.group, pool, volumes }))
}
