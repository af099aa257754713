//! Datasets of ZFS: `zfs:DATASET`.
//!
//! What these tools make is mounted below the runtime directory while its container runs, whatever that is called
//! by then. A snapshot is a clone of a snapshot of ZFS, and needs its origin; when that is destroyed, a clone
//! is promoted to have what both share.

use std::path::{Path, PathBuf};

use super::attached::{self, Attached};
use super::copy::Watch;
use super::size::{Usage, too_small};
use super::{Backend, Planned, RootfsMount, Setting, Target, block, dir, outside, tool};
use crate::config::{RootfsPath, SystemConfig};
use crate::error::{Error, Result};
use crate::sys::remove;
use crate::{paths, programs};

const PACKAGE: &str = "zfsutils-linux";

#[derive(Debug)]
pub(super) struct Zfs;

impl Backend for Zfs {
    fn names(&self) -> &'static [&'static str] {
        &["zfs"]
    }

    fn rootfs_mount(&self, source: &str) -> Result<RootfsMount> {
        mount_point(check(source)?).map(RootfsMount::Bind)
    }

    fn activate(&self, source: &str) -> Result<bool> {
        let _lock = attached::lock()?;
        if property(check(source)?, "mounted")? == "yes" {
            return Ok(false);
        }
        let place = mount_point(source)?;
        attached::attach(self, source, &place, || zfs(&["mount", source]).map(drop))?;
        Ok(true)
    }

    fn deactivate(&self, source: &str) -> Result<()> {
        if attached::device(self, source).is_none() {
            return Ok(());
        }
        let _lock = attached::lock()?;
        if property(source, "mounted")? == "yes" {
            zfs(&["unmount", source])?;
        }
        attached::forget(self, source)
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting::ZfsRoot]
    }

    fn plan(&self, target: Target<'_>) -> Result<Planned> {
        block::require_root()?;
        programs::find("zfs", PACKAGE)?;
        let parent = match &target.specification.zfs_root {
            Some(parent) => parent.clone(),
            None => SystemConfig::load()?.get("lxc.bdev.zfs.root").unwrap_or_default(),
        };
        let dataset = format!("{parent}/{}", target.name);
        let all = datasets(check(&parent)?).map_err(|error| {
            error.hint("name a dataset with --zfsroot, or in lxc.bdev.zfs.root of the system's configuration")
        })?;
        if all.contains(&dataset) {
            return Err(Error::new(format!("the dataset {dataset} exists"))
                .hint("choose another name, or remove it with zfs destroy"));
        }
        Ok(Planned { path: self.path(dataset), root: dir::root_in(target.home) })
    }

    fn create(&self, planned: &Planned, target: Target<'_>) -> Result<()> {
        dir::make(&planned.root)?;
        make(&planned.path, target, "create", &[])
    }

    /// It is at the place where a template finds any other.
    fn fill(
        &self,
        planned: &Planned,
        _: Target<'_>,
        act: &(dyn Fn() -> Result<()> + Sync),
    ) -> Result<()> {
        let source = &planned.path.source;
        let _attached = Attached::of(&Self, source)?;
        dir::mounted_at(&mount_point(source)?, &planned.root, act)
    }

    fn copy(
        &self,
        source: &RootfsMount,
        target: Target<'_>,
        watch: Watch<'_>,
    ) -> Result<RootfsPath> {
        let path = self.new_beside(source, target)?;
        make(&path, target, "create", &[])?;
        let _attached = Attached::of(&Self, &path.source)?;
        dir::copy_into(&source.open()?, &mount_point(&path.source)?, watch)?;
        Ok(path)
    }

    fn snapshot(
        &self,
        source: &RootfsMount,
        target: Target<'_>,
        _: Watch<'_>,
    ) -> Result<RootfsPath> {
        let Some(origin) = dataset_of(source)? else {
            return Err(Error::new("it is not a dataset of ZFS")
                .hint("copy it without -s: the copy is one then"));
        };
        let path = self.new_beside(source, target)?;
        let snapshot = format!("{origin}@{}", path.source.rsplit('/').next().unwrap_or_default());
        zfs(&["snapshot", &snapshot])?;
        make(&path, target, "clone", &[&snapshot]).inspect_err(|_| {
            if let Err(error) = zfs(&["destroy", &snapshot]) {
                log::warn!("{error}");
            }
        })?;
        Ok(path)
    }

    fn can_limit(&self, source: &str, _: bool) -> Result<()> {
        check(source).map(drop)
    }

    /// What the dataset refers to, not its snapshots: `refquota` of zfsprops(7).
    fn limit(&self, source: &str, size: Option<u64>) -> Result<()> {
        let Some(size) = size else {
            // One that has none is not asked to have none.
            return match property(source, "refquota") {
                Ok(limit) if limit != "0" => zfs(&["set", "refquota=none", source]).map(drop),
                _ => Ok(()),
            };
        };
        let used = number(source, "referenced")?;
        if used > size {
            return Err(too_small(source, used, size));
        }
        zfs(&["set", &format!("refquota={size}"), source]).map(drop)
    }

    fn usage(&self, source: &str) -> Result<Option<Usage>> {
        let limit = number(source, "refquota")?;
        let usage = Usage { used_bytes: number(source, "referenced")?, limit_bytes: limit };
        Ok((limit > 0).then_some(usage))
    }

    /// What clones of it share with it becomes one's own first.
    fn destroy(&self, source: &str, _: &Path) -> Result<()> {
        let parent = check(source)?.rsplit_once('/').map_or(source, |(parent, _)| parent);
        if !datasets(parent)?.iter().any(|dataset| dataset == source) {
            return attached::forget(self, source);
        }
        // Of several snapshots the last: all before it go with it.
        while let Some(clone) = clones(source)?.pop() {
            zfs(&["promote", &clone])?;
        }
        let origin = property(source, "origin")?;
        zfs(&["destroy", "-r", source])?;
        // The snapshot that it was cloned from, unless another one was.
        if origin.contains('@') && property(&origin, "clones")?.trim_matches('-').is_empty() {
            zfs(&["destroy", &origin])?;
        }
        // The directory that it was mounted on.
        remove::dir(&place_of(source))?;
        attached::forget(self, source)
    }
}

impl Zfs {
    /// The name of a new dataset for `target`: beside that of `source`, if it is on one.
    fn new_beside(&self, source: &RootfsMount, target: Target<'_>) -> Result<RootfsPath> {
        block::require_root()?;
        dir::make(&dir::root_in(target.home))?;
        let parent = dataset_of(source)?
            .and_then(|origin| origin.rsplit_once('/').map(|(parent, _)| parent.to_owned()));
        let configured = SystemConfig::load()?.get("lxc.bdev.zfs.root");
        let parent = parent.or(configured).unwrap_or_default();
        let taken = datasets(check(&parent)?)?;
        let first = format!("{parent}/{}", target.name);
        let is_taken = |name: &str| Ok(taken.iter().any(|dataset| dataset == name));
        outside::free_name(&first, is_taken).map(|name| self.path(name))
    }
}

fn zfs(words: &[&str]) -> Result<String> {
    tool::run("zfs", PACKAGE, words)
}

/// `dataset`, if it is a name that is no option and no snapshot (zfs(8)).
fn check(dataset: &str) -> Result<&str> {
    let is_allowed = |it: char| it.is_ascii_alphanumeric() || "-_.: ".contains(it);
    let is_part = |part: &str| !part.is_empty() && part.chars().all(is_allowed);
    if !dataset.starts_with('-') && dataset.split('/').all(is_part) {
        return Ok(dataset);
    }
    Err(Error::new(format!("{dataset:?} is no name of a dataset of ZFS"))
        .hint("write zfs:POOL/DATASET"))
}

fn property(dataset: &str, name: &str) -> Result<String> {
    let said = zfs(&["get", "-H", "-p", "-o", "value", name, dataset])?;
    Ok(said.trim_end_matches('\n').to_owned())
}

fn number(dataset: &str, name: &str) -> Result<u64> {
    let text = property(dataset, name)?;
    text.parse().map_err(|_| Error::new(format!("zfs: {name} of {dataset} is {text:?}")))
}

/// The dataset `parent` and those directly in it.
fn datasets(parent: &str) -> Result<Vec<String>> {
    let said = zfs(&["list", "-H", "-o", "name", "-t", "filesystem", "-d", "1", parent])?;
    Ok(said.lines().map(str::to_owned).collect())
}

/// The clones of snapshots of `dataset`, in the order of these.
fn clones(dataset: &str) -> Result<Vec<String>> {
    let said = zfs(&[
        "list", "-H", "-o", "clones", "-t", "snapshot", "-s", "creation", "-d", "1", dataset,
    ])?;
    let all = said.lines().flat_map(|line| line.split(','));
    Ok(all.filter(|clone| !clone.is_empty() && *clone != "-").map(str::to_owned).collect())
}

/// Where `dataset` is while it is mounted.
fn mount_point(dataset: &str) -> Result<PathBuf> {
    let place = property(dataset, "mountpoint")?;
    if place.starts_with('/') && place != "/" {
        return Ok(place.into());
    }
    Err(Error::new(format!("the dataset {dataset} has no place where it is mounted ({place})"))
        .hint(format!(
            "give it one: zfs set canmount=noauto mountpoint={} {dataset}",
            place_of(dataset).display()
        )))
}

/// Where those are that are made here.
fn place_of(dataset: &str) -> PathBuf {
    paths::attached_dir().join(dataset.replace('/', "!"))
}

/// The dataset that is mounted at `source`.
fn dataset_of(source: &RootfsMount) -> Result<Option<String>> {
    let RootfsMount::Bind(path) = source else { return Ok(None) };
    let said = zfs(&["list", "-H", "-o", "name,mounted,mountpoint", "-t", "filesystem"])?;
    Ok(mounted_at(path, &said).map(str::to_owned))
}

/// The dataset that is mounted at `path` by what zfs lists: names, whether they are mounted, and where. The
/// property alone does not say that it is: several may have the same.
fn mounted_at<'a>(path: &Path, said: &'a str) -> Option<&'a str> {
    said.lines().find_map(|line| {
        let mut words = line.splitn(3, '\t');
        let (name, mounted, place) = (words.next()?, words.next()?, words.next()?);
        (mounted == "yes" && Path::new(place) == path).then_some(name)
    })
}

/// Makes the dataset `path` by the command `how`, of `origin`.
fn make(path: &RootfsPath, target: Target<'_>, how: &str, origin: &[&str]) -> Result<()> {
    let place = format!("mountpoint={}", place_of(&path.source).display());
    let mut words = vec![how, "-o", "canmount=noauto", "-o", &place];
    words.extend(origin);
    words.push(&path.source);
    outside::make(target.home, path, || zfs(&words).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_is_found_by_where_it_is_mounted() {
        let said = "tank\tno\t/srv\ntank/a\tyes\t/srv/a\ntank/b\tyes\t/srv\ntank/c\tyes\tlegacy\ntank/d\tyes\t/a\tb\n";
        for (path, name) in [
            ("/srv", Some("tank/b")),
            ("/srv/a/", Some("tank/a")),
            ("/a\tb", Some("tank/d")),
            ("/srv/c", None),
        ] {
            assert_eq!(mounted_at(Path::new(path), said), name);
        }
    }

    #[test]
    fn names_of_datasets_are_no_options() {
        for good in ["lxc", "tank/lxc/web", "a-b/c_d.e:f"] {
            assert_eq!(check(good), Ok(good));
        }
        for bad in ["", "-r", "a//b", "/a", "a@b", "a/", "a\nb"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
