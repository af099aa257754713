//! Root filesystems in compressed images that are only read: `squashfs:IMAGE:UPPER` and
//! `erofs:IMAGE:UPPER`, where the container writes into a layer over the image; without one it can write
//! nothing.
//!
//! An image never changes, so copies on the same file system are other names of the same file.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::copy::{self, Watch};
use super::{Backend, Planned, RootfsMount, Target, block, dir, overlay, tool, tree};
use crate::config::RootfsPath;
use crate::error::{Context, Error, Result};
use crate::mount::private;
use crate::programs;
use crate::sys::mount as sys;

/// One kind of image.
#[derive(Debug)]
pub(super) struct Packed {
    /// The name of the back-end and of the file system.
    name: &'static str,
    names: &'static [&'static str],
    /// The image in a container's own directory.
    places: &'static [&'static str],
    /// What makes one, and its package.
    program: &'static str,
    package: &'static str,
    /// Whether it takes the image before the directory, and options before both.
    image_first: bool,
    arguments: &'static [&'static str],
    /// Whether it fails where a file system has no extended attributes, as a squashfs without any.
    needs_attributes: bool,
}

pub(super) static SQUASHFS: Packed = Packed {
    name: "squashfs",
    names: &["squashfs"],
    places: &["rootfs.squashfs"],
    program: "mksquashfs",
    package: "squashfs-tools",
    image_first: false,
    arguments: &["-noappend", "-no-progress", "-quiet", "-comp", "zstd"],
    needs_attributes: false,
};

pub(super) static EROFS: Packed = Packed {
    name: "erofs",
    names: &["erofs"],
    places: &["rootfs.erofs"],
    program: "mkfs.erofs",
    package: "erofs-utils",
    image_first: true,
    arguments: &["-zlz4"],
    needs_attributes: true,
};

impl Backend for Packed {
    fn names(&self) -> &'static [&'static str] {
        self.names
    }

    fn rootfs_mount(&self, source: &str) -> Result<RootfsMount> {
        let (image, upper) = parts(source);
        block::check(image)?;
        let Some(upper) = upper else { return Ok(RootfsMount::Block(image.to_owned())) };
        dir::check(upper)?;
        Ok(overlay::over(vec![image.to_owned()], upper))
    }

    fn places(&self) -> &'static [&'static str] {
        self.places
    }

    /// The template fills a directory that becomes the image.
    fn plan(&self, target: Target<'_>) -> Result<Planned> {
        programs::find(self.program, self.package)?;
        block::require_root()?;
        Ok(Planned { path: self.path_in(target.home)?, root: dir::root_in(target.home) })
    }

    fn create(&self, planned: &Planned, target: Target<'_>) -> Result<()> {
        dir::make(&planned.root)?;
        overlay::make_layer(target.home)
    }

    fn fill(
        &self,
        planned: &Planned,
        target: Target<'_>,
        act: &(dyn Fn() -> Result<()> + Sync),
    ) -> Result<()> {
        act()?;
        self.pack_directory(&planned.root, target.home)
    }

    fn copy(
        &self,
        source: &RootfsMount,
        target: Target<'_>,
        watch: Watch<'_>,
    ) -> Result<RootfsPath> {
        let home = target.home;
        dir::make(&dir::root_in(home))?;
        overlay::make_layer(home)?;
        match self.image_of(source)? {
            Some(image) => {
                self.take(image, home, watch)?;
                if let RootfsMount::Overlay { upper, .. } = source {
                    let upper = File::open(upper)
                        .context(|| format!("cannot open the layer {}", upper.display()))?;
                    dir::copy_into(&upper, &overlay::layer_in(home), watch)?;
                }
            }
            None if self.needs_attributes && source.is_for_host_root() => {
                let place = dir::root_in(home);
                dir::copy_into(&source.open()?, &place, watch)?;
                self.pack_directory(&place, home)?;
            }
            None => self.pack(source, home)?,
        }
        self.path_in(home)
    }

    /// A copy shares the image.
    fn snapshot(
        &self,
        source: &RootfsMount,
        target: Target<'_>,
        watch: Watch<'_>,
    ) -> Result<RootfsPath> {
        if self.image_of(source)?.is_none() {
            return Err(Error::new(format!("it is not in an image of the type {}", self.name))
                .hint("copy it without -s"));
        }
        self.copy(source, target, watch)
    }

    fn is_kept_as_snapshot(&self, _: &str) -> bool {
        false
    }

    fn destroy(&self, source: &str, home: &Path) -> Result<()> {
        let (image, upper) = parts(source);
        let all = [image.is_file().then_some(image), upper];
        all.into_iter()
            .flatten()
            .try_for_each(|path| dir::Directory.destroy(&path.display().to_string(), home))
    }

    fn renamed(&self, source: &str, from: &Path, to: &Path) -> String {
        overlay::Overlay.renamed(source, from, to)
    }
}

impl Packed {
    fn image_in(&self, home: &Path) -> PathBuf {
        home.join(self.places[0])
    }

    fn path_in(&self, home: &Path) -> Result<RootfsPath> {
        let layers = overlay::path_of(&[self.image_in(home)], home)?;
        Ok(self.path(layers.source))
    }

    /// The image of this kind that is the only thing below what the container of `source` writes.
    fn image_of<'a>(&self, source: &'a RootfsMount) -> Result<Option<&'a Path>> {
        let image = match source {
            RootfsMount::Block(image) => image,
            RootfsMount::Overlay { lower, .. } if lower.len() == 1 && lower[0].is_file() => {
                &lower[0]
            }
            _ => return Ok(None),
        };
        let file = File::open(image).context(|| format!("cannot open {}", image.display()))?;
        let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
        let is_own = is_file && block::filesystem::probe(&file, image)?.name == self.name;
        Ok(is_own.then_some(image))
    }

    /// Makes `image` the one in `home`.
    fn take(&self, image: &Path, home: &Path, watch: Watch<'_>) -> Result<()> {
        let path = self.image_in(home);
        if std::fs::hard_link(image, &path).is_ok() {
            return Ok(());
        }
        let source = File::open(image).context(|| format!("cannot open {}", image.display()))?;
        copy::content(&source, &block::create(&path)?, watch)
    }

    /// Makes the image in `home` of all files of the directory `path`, which is empty then.
    fn pack_directory(&self, path: &Path, home: &Path) -> Result<()> {
        self.pack(&RootfsMount::Bind(path.to_owned()), home)?;
        tree::remove(path)?;
        dir::make(path)
    }

    /// Makes the image in `home` of all files of `source`: they are at one place for the program that does it,
    /// without what is mounted below them.
    fn pack(&self, source: &RootfsMount, home: &Path) -> Result<()> {
        let image = self.image_in(home);
        let place = dir::root_in(home);
        let tree = source.tree().map_err(block::rights)?;
        // Nobody else is to read it.
        block::create(&image)?;
        private::within("the files of the image", || {
            sys::move_mount(tree.as_fd(), sys::at_cwd(), &place).context(|| {
                format!("cannot mount the files of the image on {}", place.display())
            })?;
            let options = self.arguments.iter().map(Path::new);
            let words: Vec<&Path> = if self.image_first {
                options.chain([&*image, &*place]).collect()
            } else {
                [&*place, &*image].into_iter().chain(options).collect()
            };
            tool::run(self.program, self.package, words).map(drop)
        })
    }
}

/// The image and the layer of `source`.
fn parts(source: &str) -> (&Path, Option<&Path>) {
    match source.split_once(':') {
        Some((image, upper)) => (Path::new(image), Some(Path::new(upper))),
        None => (Path::new(source), None),
    }
}
