//! Images of Ceph that the kernel maps to block devices: `rbd:/dev/rbd/POOL/IMAGE`.

use std::path::Path;

use super::attached::{self, Attached};
use super::block::named::{self, Named, Size};
use super::block::{self, Like};
use super::copy::Watch;
use super::size::Usage;
use super::{Backend, Planned, RootfsMount, Setting, Target, dir, outside, tool};
use crate::config::{RootfsPath, SystemConfig};
use crate::error::{Error, Result};
use crate::programs;

const PACKAGE: &str = "ceph-common";
/// Where udev makes links to mapped images (50-rbd.rules).
const DEVICES: &str = "/dev/rbd/";
/// Sizes are whole ones.
const MEBIBYTE: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Rbd;

impl Backend for Rbd {
    fn names(&self) -> &'static [&'static str] {
        &["rbd"]
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
        &[Setting::Size, Setting::Filesystem, Setting::RbdName, Setting::RbdPool]
    }

    fn plan(&self, target: Target<'_>) -> Result<Planned> {
        Like::asked(target)?;
        programs::find("rbd", PACKAGE)?;
        let path = path_for(target)?;
        if exists(name_of(&path.source)?)? {
            return Err(Error::new(format!("the image {} exists", name_of(&path.source)?))
                .hint("choose another name with --rbdname, or remove it with rbd rm"));
        }
        Ok(Planned { path, root: dir::root_in(target.home) })
    }

    fn create(&self, planned: &Planned, target: Target<'_>) -> Result<()> {
        dir::make(&planned.root)?;
        make(&planned.path, target, &Like::asked(target)?).map(drop)
    }

    fn fill(
        &self,
        planned: &Planned,
        _: Target<'_>,
        act: &(dyn Fn() -> Result<()> + Sync),
    ) -> Result<()> {
        let _attached = Attached::of(&Self, &planned.path.source)?;
        block::mounted_at(Path::new(&planned.path.source), &planned.root, act)
    }

    fn copy(
        &self,
        source: &RootfsMount,
        target: Target<'_>,
        watch: Watch<'_>,
    ) -> Result<RootfsPath> {
        block::require_root()?;
        dir::make(&dir::root_in(target.home))?;
        let like = Like::of(source, target)?;
        let path = free_path_for(target)?;
        let _attached = make(&path, target, &like)?;
        block::copy_files(source, Path::new(&path.source), watch)?;
        Ok(path)
    }

    fn snapshot(&self, _: &RootfsMount, _: Target<'_>, _: Watch<'_>) -> Result<RootfsPath> {
        Err(Error::new("images of Ceph get no snapshots here").hint("copy it without -s"))
    }

    fn is_kept_as_snapshot(&self, _: &str) -> bool {
        false
    }

    fn can_limit(&self, source: &str, _: bool) -> Result<()> {
        named::can_limit(source)
    }

    /// The image has that size, and can grow.
    fn limit(&self, source: &str, size: Option<u64>) -> Result<()> {
        named::limit(&Self, source, size)
    }

    fn usage(&self, source: &str) -> Result<Option<Usage>> {
        let size = size_of(name_of(source)?)?;
        Ok(Some(Usage { used_bytes: size, limit_bytes: size }))
    }

    fn destroy(&self, source: &str, _: &Path) -> Result<()> {
        let name = name_of(source)?;
        named::release(self, source)?;
        if exists(name)? {
            rbd(&["rm", "--no-progress", name])?;
        }
        attached::forget(self, source)
    }
}

impl Named for Rbd {
    fn size(&self, source: &str) -> Result<Size> {
        Ok(Size { bytes: size_of(name_of(source)?)?, unit: MEBIBYTE })
    }

    fn connect(&self, source: &str) -> Result<()> {
        rbd(&["map", name_of(source)?])?;
        block::wait_for(Path::new(source))
    }

    fn disconnect(&self, source: &str) -> Result<()> {
        rbd(&["unmap", source]).map(drop)
    }

    fn extend(&self, source: &str, size: u64) -> Result<()> {
        let words = ["resize", "--no-progress", "--size", &mebibytes(size), name_of(source)?];
        rbd(&words).map(drop)
    }
}

fn rbd(words: &[&str]) -> Result<String> {
    let user = SystemConfig::load()?.get("lxc.bdev.rbd.rbduser");
    let user = user.iter().flat_map(|user| ["--id", user.as_str()]);
    tool::run("rbd", PACKAGE, user.chain(words.iter().copied()))
}

/// `bytes` as rbd takes sizes, rounded up.
fn mebibytes(bytes: u64) -> String {
    format!("{}M", bytes.div_ceil(MEBIBYTE))
}

/// `POOL/IMAGE` of the device `source`.
fn name_of(source: &str) -> Result<&str> {
    let name = source.strip_prefix(DEVICES);
    let is_good = |name: &&str| {
        let parts: Vec<&str> = name.split('/').collect();
        parts.len() >= 2 && parts.iter().all(|part| !part.is_empty() && !part.starts_with('-'))
    };
    name.filter(is_good).ok_or_else(|| {
        Error::new(format!("{source} is not the device of an image of Ceph"))
            .hint("write rbd:/dev/rbd/POOL/IMAGE")
    })
}

/// The bytes of the image `name`.
fn size_of(name: &str) -> Result<u64> {
    let said = rbd(&["info", "--format", "json", name])?;
    let said: Option<serde_json::Value> = serde_json::from_str(&said).ok();
    let size = said.and_then(|said| said.get("size")?.as_u64());
    size.ok_or_else(|| Error::new(format!("rbd: no size of {name}")))
}

fn exists(name: &str) -> Result<bool> {
    match size_of(name) {
        Err(error) if error.what.contains("No such file or directory") => Ok(false),
        found => found.map(|_| true),
    }
}

/// Where a new one for `target` is.
fn path_for(target: Target<'_>) -> Result<RootfsPath> {
    let specification = target.specification;
    let configured = SystemConfig::load()?.get("lxc.bdev.rbd.rbdpool");
    let pool = specification.rbd_pool.clone().or(configured).unwrap_or_default();
    let image = specification.rbd_name.as_deref().unwrap_or(target.name);
    let source = format!("{DEVICES}{pool}/{image}");
    name_of(&source)?;
    Ok(Rbd.path(source))
}

/// As [`path_for`], under a name that no image has.
fn free_path_for(target: Target<'_>) -> Result<RootfsPath> {
    let first = path_for(target)?.source;
    outside::free_name(&first, |source| exists(name_of(source)?)).map(|source| Rbd.path(source))
}

/// Makes the image `path` as `like` says, with an empty file system; it stays mapped as long as the answer lives.
fn make(path: &RootfsPath, target: Target<'_>, like: &Like<'_>) -> Result<Option<Attached>> {
    let name = name_of(&path.source)?;
    outside::make(target.home, path, || {
        rbd(&["create", "--size", &mebibytes(like.size), name]).map(drop)
    })?;
    let attached = Attached::of(&Rbd, &path.source)?;
    block::format_device(Path::new(&path.source), like.filesystem)?;
    Ok(attached)
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn names_are_those_of_devices() {
        assert_eq!(name_of("/dev/rbd/lxc/web"), Ok("lxc/web"));
        assert_eq!(name_of("/dev/rbd/lxc/space/web"), Ok("lxc/space/web"));
        for bad in ["/dev/rbd/web", "/dev/rbd0", "/dev/rbd/lxc/", "/dev/rbd/lxc/-x", "lxc/web"] {
            assert!(name_of(bad).is_err(), "{bad}");
        }
    }
}
