//! Images in a file of the container's directory, mounted by a loop device: `loop:FILE`.
//!
//! A copy of one is a copy of the file where it is not in use, and shares its blocks with it where the file
//! system can do that; else it is a new image with a copy of all files.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::block::{self, Image, filesystem};
use super::copy::{self, Watch};
use super::{Backend, Planned, RootfsMount, Setting, Target, dir};
use crate::config::RootfsPath;
use crate::error::{Context, Error, Result};

/// The image in the container's directory.
const IMAGE: &str = "rootdev";

pub(super) struct LoopFile;

impl Backend for LoopFile {
    fn names(&self) -> &'static [&'static str] {
        &["loop"]
    }

    fn rootfs_mount(&self, source: &str) -> Result<RootfsMount> {
        block::check(Path::new(source)).map(|()| RootfsMount::Block(source.into()))
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting::Size, Setting::Filesystem]
    }

    fn plan(&self, target: Target<'_>) -> Result<Planned> {
        let specification = target.specification;
        block::require_root()?;
        specification.bytes()?;
        filesystem::check(specification.filesystem())?;
        Ok(Planned { path: path_in(target.home), root: dir::root_in(target.home) })
    }

    fn create(&self, planned: &Planned, target: Target<'_>) -> Result<()> {
        let specification = target.specification;
        dir::make(&planned.root)?;
        block::make_image(
            &image_in(target.home),
            specification.bytes()?.unwrap_or(block::SIZE),
            specification.filesystem(),
        )
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
        let mut like = Like { size: block::SIZE, filesystem: target.specification.filesystem() };
        if let Some(image) = image_of(source)? {
            like = Like::image(&image)?;
            if target.specification.size.is_none() && copy_image(&image, home, watch)? {
                return Ok(path_in(home));
            }
        }
        like.size = target.specification.bytes()?.unwrap_or(like.size);
        copy_files(source, &image_in(home), &like, watch)?;
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
    fn is_kept_as_snapshot(&self) -> bool {
        false
    }

    fn destroy(&self, source: &str, home: &Path) -> Result<()> {
        // A device that somebody has named so is not ours to remove.
        if Path::new(source).is_file() { dir::Directory.destroy(source, home) } else { Ok(()) }
    }

    fn renamed(&self, source: &str, from: &Path, to: &Path) -> String {
        dir::Directory.renamed(source, from, to)
    }
}

/// What a new image is like.
struct Like<'a> {
    size: u64,
    filesystem: &'a str,
}

impl Like<'_> {
    fn image(image: &Image) -> Result<Self> {
        let metadata = image.file.metadata().context(|| "cannot look at the image")?;
        Ok(Self { size: metadata.len(), filesystem: image.filesystem.name })
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

/// Makes the image `path` as `like` says, with a copy of all files of `source`.
fn copy_files(source: &RootfsMount, path: &Path, like: &Like<'_>, watch: Watch<'_>) -> Result<()> {
    block::make_image(path, like.size, like.filesystem)?;
    let source = source.open()?;
    let tree = block::mount(path, &[])?;
    let target = block::root_of(&tree, path)?;
    let copied = copy::tree(source.as_fd(), target.as_fd(), watch);
    copied.and_then(|()| block::sync(&tree, path)).map_err(|error| {
        if error.is(Errno::ENOSPC) && !block::is_on_full_disk(path) {
            let size = like.size >> 20;
            return error.hint(format!("the copy has {size} MiB; give it more with -L"));
        }
        error
    })
}

fn image_in(home: &Path) -> PathBuf {
    home.join(IMAGE)
}

/// The root filesystem in the directory `home`.
fn path_in(home: &Path) -> RootfsPath {
    LoopFile.path(image_in(home).display().to_string())
}
