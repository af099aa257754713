//! Images of virtual machines, qcow2 and raw, that qemu-nbd connects to a network block device of the kernel:
//! `nbd:FILE`, or `nbd:FILE:PARTITION`.
//!
//! The device is another one each time. What is mounted is the link to it that is made when it is
//! [attached].

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::attached::{self, Attached};
use super::block::{self, Like, growth};
use super::copy::Watch;
use super::size::Usage;
use super::{Backend, Planned, RootfsMount, Setting, Target, dir, tool};
use crate::config::RootfsPath;
use crate::error::{Context, Error, Result};
use crate::programs;

/// The image in the container's directory.
const IMAGE: &str = "rootdev.qcow2";
const PACKAGE: &str = "qemu-utils";
/// How long the kernel may take to let go of a device.
const GONE_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Nbd;

impl Backend for Nbd {
    fn names(&self) -> &'static [&'static str] {
        &["nbd"]
    }

    fn rootfs_mount(&self, source: &str) -> Result<RootfsMount> {
        block::check(Image::of(source).file)?;
        Ok(RootfsMount::Block(attached::link(self, source)))
    }

    fn activate(&self, source: &str) -> Result<bool> {
        let image = Image::of(source);
        let _lock = attached::lock()?;
        if attached::device(self, source).is_some_and(|device| is_connected(&device)) {
            return Ok(false);
        }
        let format = image.format()?;
        for disk in free_disks()? {
            attached::note(self, source, &image.device_on(&disk))?;
            let connected = image.connect(format, &disk);
            if connected.is_ok() {
                return Ok(true);
            }
            if is_connected(&disk) && connected.as_ref().is_err_and(|it| !it.what.contains("busy"))
            {
                disconnect(&disk)?;
            }
            attached::forget(self, source)?;
            match connected {
                // Somebody else took it.
                Err(error) if error.what.contains("busy") => {}
                done => return done.map(|()| true),
            }
        }
        Err(Error::new(format!("no network block device is free for {source}"))
            .hint("load the module nbd with more: modprobe nbd nbds_max=64"))
    }

    fn deactivate(&self, source: &str) -> Result<()> {
        if attached::device(self, source).is_none() {
            return Ok(());
        }
        let _lock = attached::lock()?;
        let Some(device) = attached::device(self, source) else { return Ok(()) };
        if is_connected(&device) {
            // What is not written yet would be lost.
            block::wait_until_free(&device)?;
            disconnect(&disk_of(&device))?;
        }
        attached::forget(self, source)
    }

    fn places(&self) -> &'static [&'static str] {
        &[IMAGE]
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting::Size, Setting::Filesystem]
    }

    fn plan(&self, target: Target<'_>) -> Result<Planned> {
        Like::asked(target)?;
        programs::find("qemu-nbd", PACKAGE)?;
        Ok(Planned { path: path_in(target.home), root: dir::root_in(target.home) })
    }

    fn create(&self, planned: &Planned, target: Target<'_>) -> Result<()> {
        dir::make(&planned.root)?;
        let like = Like::asked(target)?;
        make_image(&image_in(target.home), like.size)?;
        let source = &planned.path.source;
        let _attached = Attached::of(&Self, source)?;
        block::format_device(&attached::link(self, source), like.filesystem)
    }

    fn fill(
        &self,
        planned: &Planned,
        _: Target<'_>,
        act: &(dyn Fn() -> Result<()> + Sync),
    ) -> Result<()> {
        let _attached = Attached::of(&Self, &planned.path.source)?;
        block::mounted_at(&attached::link(self, &planned.path.source), &planned.root, act)
    }

    fn copy(
        &self,
        source: &RootfsMount,
        target: Target<'_>,
        watch: Watch<'_>,
    ) -> Result<RootfsPath> {
        block::require_root()?;
        let home = target.home;
        dir::make(&dir::root_in(home))?;
        let like = Like::of(source, target)?;
        make_image(&image_in(home), like.size)?;
        let path = path_in(home);
        let _attached = Attached::of(&Self, &path.source)?;
        let device = attached::link(self, &path.source);
        block::format_device(&device, like.filesystem)?;
        block::copy_files(source, &device, watch)?;
        Ok(path)
    }

    fn snapshot(&self, _: &RootfsMount, _: Target<'_>, _: Watch<'_>) -> Result<RootfsPath> {
        Err(Error::new("images that are connected by qemu-nbd get no snapshots")
            .hint("copy it without -s"))
    }

    fn is_kept_as_snapshot(&self, _: &str) -> bool {
        false
    }

    fn can_limit(&self, source: &str, _: bool) -> Result<()> {
        let image = Image::of(source);
        block::check(image.file)?;
        if image.partition.is_none() && image.file.is_file() {
            return Ok(());
        }
        Err(Error::new(format!("cannot limit the size of {source}: it is not a file of its own"))
            .hint("a partition has the size that whoever made it gave it"))
    }

    /// The image has that size, and can grow while it is not connected.
    fn limit(&self, source: &str, size: Option<u64>) -> Result<()> {
        let Some(size) = size else { return Ok(()) };
        self.can_limit(source, true)?;
        let image = Image::of(source);
        let has = image.size()?;
        growth::refuse_less(image.file, has, size)?;
        if size > has {
            if attached::device(self, source).is_some_and(|device| is_connected(&device)) {
                return Err(Error::new(format!(
                    "{source} is connected, and cannot grow meanwhile"
                ))
                .hint("stop the container first"));
            }
            let (format, size) = (image.format()?, size.to_string());
            let words = [Path::new("resize"), "-q".as_ref(), "-f".as_ref(), format.as_ref()];
            qemu_img(words.into_iter().chain([image.file, size.as_ref()]))?;
        }
        let _attached = Attached::of(&Self, source)?;
        growth::fill(&attached::link(self, source))
    }

    fn usage(&self, source: &str) -> Result<Option<Usage>> {
        let image = Image::of(source);
        if self.can_limit(source, true).is_err() {
            return Ok(None);
        }
        let metadata =
            std::fs::metadata(image.file).context(|| format!("cannot look at {source}"))?;
        Ok(Some(Usage { used_bytes: metadata.blocks() * 512, limit_bytes: image.size()? }))
    }

    fn destroy(&self, source: &str, home: &Path) -> Result<()> {
        let file = Image::of(source).file;
        let file = file.is_file().then(|| file.display().to_string());
        file.map_or(Ok(()), |file| dir::Directory.destroy(&file, home))
    }

    fn renamed(&self, source: &str, from: &Path, to: &Path) -> String {
        dir::Directory.renamed(source, from, to)
    }
}

/// What is connected.
#[derive(Debug, PartialEq, Eq)]
struct Image<'a> {
    file: &'a Path,
    /// The partition that has the root filesystem; `None` for all of it.
    partition: Option<u32>,
}

impl<'a> Image<'a> {
    fn of(source: &'a str) -> Self {
        let parts = source.rsplit_once(':');
        match parts.and_then(|(file, number)| Some((file, number.parse().ok()?))) {
            Some((file, number)) => Self { file: Path::new(file), partition: Some(number) },
            None => Self { file: Path::new(source), partition: None },
        }
    }

    /// The device of it where it is connected to `disk`.
    fn device_on(&self, disk: &Path) -> PathBuf {
        let disk = disk.display();
        self.partition.map_or_else(|| format!("{disk}"), |number| format!("{disk}p{number}")).into()
    }

    /// The format by its first bytes. A file that is named as a raw one is that, whatever a container has
    /// written to its beginning.
    fn format(&self) -> Result<&'static str> {
        const QCOW2: &[u8] = b"QFI\xfb";
        let failed = || format!("cannot read {}", self.file.display());
        if self.file.extension().is_some_and(|it| it == "raw") {
            return Ok("raw");
        }
        let mut begin = Vec::new();
        let file = std::fs::File::open(self.file).context(failed)?;
        file.take(QCOW2.len() as u64).read_to_end(&mut begin).context(failed)?;
        Ok(if begin == QCOW2 { "qcow2" } else { "raw" })
    }

    /// Connects it to `disk`, and waits for its device.
    fn connect(&self, format: &str, disk: &Path) -> Result<()> {
        let (connect, format) =
            (format!("--connect={}", disk.display()), format!("--format={format}"));
        let words = [connect.as_str(), &format, "--discard=unmap", "--"].map(Path::new);
        tool::run("qemu-nbd", PACKAGE, words.into_iter().chain([self.file]))?;
        block::wait_for(&self.device_on(disk)).map_err(|error| {
            error.hint("lxc.rootfs.path = nbd:FILE:PARTITION names the number of a partition")
        })
    }

    /// The bytes that it has for whoever uses it.
    fn size(&self) -> Result<u64> {
        let words = ["info", "--force-share", "--output=json", "-f", self.format()?].map(Path::new);
        let said = qemu_img(words.into_iter().chain([self.file]))?;
        let said: Option<serde_json::Value> = serde_json::from_str(&said).ok();
        let size = said.and_then(|said| said.get("virtual-size")?.as_u64());
        size.ok_or_else(|| Error::new(format!("qemu-img: no size of {}", self.file.display())))
    }
}

fn qemu_img<'a>(words: impl Iterator<Item = &'a Path>) -> Result<String> {
    tool::run("qemu-img", PACKAGE, words)
}

/// Makes the empty image `path`, which nobody else may read.
fn make_image(path: &Path, size: u64) -> Result<()> {
    drop(block::create(path)?);
    let size = size.to_string();
    let words = ["create", "-q", "-f", "qcow2"].map(Path::new);
    qemu_img(words.into_iter().chain([path, size.as_ref()])).map(drop)
}

/// The network block devices that nothing is connected to; they are made if there are none.
fn free_disks() -> Result<Vec<PathBuf>> {
    let is_there = || Path::new("/sys/block/nbd0").exists();
    if !is_there() {
        tool::run("modprobe", "kmod", ["nbd"])?;
    }
    let disks = (0..).map(|number| PathBuf::from(format!("/dev/nbd{number}")));
    let disks = disks.take_while(|disk| Path::new("/sys/block").join(name(disk)).exists());
    Ok(disks.filter(|disk| !is_connected(disk)).collect())
}

fn name(disk: &Path) -> &Path {
    disk.file_name().unwrap_or_default().as_ref()
}

/// The whole disk that `device` is, or is a partition of.
fn disk_of(device: &Path) -> PathBuf {
    let text = device.display().to_string();
    text.split_once('p').map_or(text.as_str(), |(disk, _)| disk).into()
}

/// Whether something is connected to `device`, or to the disk that it is a partition of.
fn is_connected(device: &Path) -> bool {
    Path::new("/sys/block").join(name(&disk_of(device))).join("pid").exists()
}

fn disconnect(disk: &Path) -> Result<()> {
    tool::run("qemu-nbd", PACKAGE, [Path::new("--disconnect"), disk])?;
    let begin = Instant::now();
    while is_connected(disk) && begin.elapsed() < GONE_WITHIN {
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn image_in(home: &Path) -> PathBuf {
    home.join(IMAGE)
}

/// The root filesystem in the directory `home`.
fn path_in(home: &Path) -> RootfsPath {
    Nbd.path(image_in(home).display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_at_the_end_is_a_partition() {
        for (source, file, partition) in [
            ("/srv/a.qcow2", "/srv/a.qcow2", None),
            ("/srv/a.qcow2:2", "/srv/a.qcow2", Some(2)),
            ("/srv/a:b", "/srv/a:b", None),
        ] {
            assert_eq!(Image::of(source), Image { file: Path::new(file), partition });
        }
        let device = Image::of("/srv/a:2").device_on(Path::new("/dev/nbd10"));
        assert_eq!(device, Path::new("/dev/nbd10p2"));
        assert_eq!(disk_of(&device), Path::new("/dev/nbd10"));
        assert_eq!(disk_of(Path::new("/dev/nbd3")), Path::new("/dev/nbd3"));
    }
}
