//! Images in a file of the container's directory, mounted by a loop device: `loop:FILE`.
//!
//! A copy of one is a copy of the file where it is not in use, and shares its blocks with it where the file
//! system can do that; else it is a new image with a copy of all files.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::block::{self, Image, Like, growth};
use super::copy::{self, Watch};
use super::size::Usage;
use super::{Backend, Planned, RootfsMount, Setting, Target, dir};
use crate::config::RootfsPath;
use crate::error::{Context, Error, Result};

/// The image in the container's directory.
const IMAGE: &str = "rootdev";

#[derive(Debug)]
pub(super) struct LoopFile;

impl Backend for LoopFile {
    fn names(&self) -> &'static [&'static str] {
        &["loop"]
    }

    fn rootfs_mount(&self, source: &str) -> Result<RootfsMount> {
        block::check(Path::new(source)).map(|()| RootfsMount::Block(source.into()))
    }

    fn places(&self) -> &'static [&'static str] {
        &[IMAGE]
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting::Size, Setting::Filesystem]
    }

    fn plan(&self, target: Target<'_>) -> Result<Planned> {
        Like::asked(target)?;
        Ok(Planned { path: path_in(target.home), root: dir::root_in(target.home) })
    }

    fn create(&self, planned: &Planned, target: Target<'_>) -> Result<()> {
        dir::make(&planned.root)?;
        block::make_image(&image_in(target.home), &Like::asked(target)?)
    }

    fn fill(
        &self,
        planned: &Planned,
        target: Target<'_>,
        act: &(dyn Fn() -> Result<()> + Sync),
    ) -> Result<()> {
        block::mounted_at(&image_in(target.home), &planned.root, act)
    }

    fn copy(
        &self,
        source: &RootfsMount,
        target: Target<'_>,
        watch: Watch<'_>,
    ) -> Result<RootfsPath> {
        let home = target.home;
        dir::make(&dir::root_in(home))?;
        if let Some(image) = image_of(source)?
            && target.specification.size.is_none()
            && copy_image(&image, home, watch)?
        {
            return Ok(path_in(home));
        }
        let like = Like::of(source, target)?;
        let image = image_in(home);
        block::make_image(&image, &like)?;
        block::copy_files(source, &image, watch)?;
        Ok(path_in(home))
    }

    /// One that shares its blocks.
    fn snapshot(
        &self,
        source: &RootfsMount,
        target: Target<'_>,
        _: Watch<'_>,
    ) -> Result<RootfsPath> {
        let home = target.home;
        let Some(image) = image_of(source)? else {
            return Err(Error::new("it is not an image").hint("copy it without -s"));
        };
        dir::make(&dir::root_in(home))?;
        if clone(&image, home)? {
            return Ok(path_in(home));
        }
        Err(Error::new(format!("files in {} cannot share blocks with it", home.display()))
            .hint("copy it with -s and -B overlay, or without -s"))
    }

    fn snapshots_are_layers(&self) -> bool {
        true
    }

    /// A copy shares what it can, and depends on nothing.
    fn is_kept_as_snapshot(&self, _: &str) -> bool {
        false
    }

    fn can_limit(&self, source: &str, _: bool) -> Result<()> {
        let path = Path::new(source);
        block::check(path)?;
        if path.is_file() {
            return growth::check(path);
        }
        Err(Error::new(format!("cannot limit the size of {source}: it is a device"))
            .hint("it has the size that whoever made it gave it"))
    }

    /// The image has that size, and can grow.
    fn limit(&self, source: &str, size: Option<u64>) -> Result<()> {
        let Some(size) = size else { return Ok(()) };
        self.can_limit(source, true)?;
        block::grow_image(Path::new(source), size)
    }

    fn usage(&self, source: &str) -> Result<Option<Usage>> {
        let metadata = std::fs::metadata(source).context(|| format!("cannot look at {source}"))?;
        let usage = Usage { used_bytes: metadata.blocks() * 512, limit_bytes: metadata.len() };
        Ok(metadata.is_file().then_some(usage))
    }

    fn leftovers(&self, source: &str, _: &Path) -> Result<Vec<String>> {
        let path = Path::new(source);
        if !path.is_file() {
            return Ok(Vec::new());
        }
        let device = block::unused_device(path)?.map(|device| {
            format!("another tool has left the loop device {} of its image", device.path.display())
        });
        let growth = (!block::has_device(path)? && growth::is_unfinished(path))
            .then(|| "a process was killed that let its image grow".to_owned());
        Ok(device.into_iter().chain(growth).collect())
    }

    fn remove_leftovers(&self, source: &str, _: &Path) -> Result<()> {
        let path = Path::new(source);
        if let Some(device) = block::unused_device(path)? {
            let failed = || format!("cannot remove {}", device.path.display());
            device.give_up().context(failed)?;
        }
        if growth::is_unfinished(path) { growth::fill(path) } else { Ok(()) }
    }

    fn destroy(&self, source: &str, home: &Path) -> Result<()> {
        // A device that somebody has named so is not ours to remove.
        if Path::new(source).is_file() { dir::Directory.destroy(source, home) } else { Ok(()) }
    }

    fn renamed(&self, source: &str, from: &Path, to: &Path) -> String {
        dir::Directory.renamed(source, from, to)
    }
}

/// The image that `source` is mounted from.
fn image_of(source: &RootfsMount) -> Result<Option<Image>> {
    match source {
        RootfsMount::Block(path) => Image::open(path),
        _ => Ok(None),
    }
}

/// Copies `image` as a file; false if it changes meanwhile.
fn copy_image(image: &Image, home: &Path, watch: Watch<'_>) -> Result<bool> {
    if clone(image, home)? {
        return Ok(true);
    }
    if image.is_in_use() {
        return Ok(false);
    }
    let path = image_in(home);
    copy::content(&image.file, &block::create(&path)?, watch)?;
    image.filesystem.renew(&path).map(|()| true)
}

/// Makes the image in `home` one that shares all blocks with `image`; false if that cannot be.
fn clone(image: &Image, home: &Path) -> Result<bool> {
    if image.is_in_use() && image.filesystem.has_identity() {
        return Ok(false);
    }
    image.sync()?;
    let path = image_in(home);
    let copy = block::create(&path)?;
    if rustix::fs::ioctl_ficlone(&copy, &image.file).is_err() {
        std::fs::remove_file(&path).context(|| format!("cannot remove {}", path.display()))?;
        return Ok(false);
    }
    image.filesystem.renew(&path).map(|()| true)
}

fn image_in(home: &Path) -> PathBuf {
    home.join(IMAGE)
}

/// The root filesystem in the directory `home`.
fn path_in(home: &Path) -> RootfsPath {
    LoopFile.path(image_in(home).display().to_string())
}
