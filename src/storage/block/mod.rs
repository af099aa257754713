//! File systems on block devices, and in images: files that the kernel makes a loop device of.
//!
//! A loop device is held by what is mounted from it alone, so it is gone with the container's last
//! process, whatever ended that. There is never more than one of an image: two would not see each other's
//! writes. Whoever mounts an image that has one already shares the file system with those who use it.

pub(super) mod filesystem;
pub(super) mod growth;
pub(crate) mod layers;
mod like;
pub(super) mod named;

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::mount::{MntFlags, umount2};
use nix::sys::stat::Mode;
use nix::sys::statvfs::statvfs;
use nix::unistd::{UnlinkatFlags, geteuid, syncfs, unlinkat};

use super::RootfsMount;
use super::copy::{self, Watch};
use crate::error::{Context, Error, Result};
use crate::mount::private;
use crate::sys::block::LoopDevice;
use crate::sys::lock::FileLock;
use crate::sys::mount::{self as sys, FsOption, MountAttr, attr};
use crate::table;

pub(super) use filesystem::Filesystem;
pub(super) use like::Like;

/// The size in bytes of new storage that nobody chose, as C LXC's.
const SIZE: u64 = 1 << 30;
/// How long whoever is just making a loop device of the same image is waited for.
const LOCKED_AT_MOST: Duration = Duration::from_secs(5);
/// How long a device is waited for: until udev has made it, or a mount namespace is gone that had it.
const WITHIN: Duration = Duration::from_secs(10);

/// Fails unless `path` is an absolute path of a block device or of a file.
pub(super) fn check(path: &Path) -> Result<()> {
    let what = || format!("the root filesystem {}", path.display());
    if !path.is_absolute() {
        return Err(Error::new(format!("{} is not an absolute path", what())));
    }
    let metadata = std::fs::metadata(path)
        .context(|| format!("cannot use {}", what()))
        .map_err(|error| error.hint("create it, or correct lxc.rootfs.path"))?;
    if metadata.is_file() || metadata.file_type().is_block_device() {
        return Ok(());
    }
    Err(Error::new(format!("{} is neither a file nor a block device", what())))
}

/// The file system on the device or in the image `source` as a detached mount, with `options` of its own.
pub(crate) fn mount(source: &Path, options: &[FsOption<'_>]) -> Result<OwnedFd> {
    let opened = Opened::of(source)?;
    let filesystem = filesystem::probe(&opened.file, source)?;
    let is_read_only = opened.is_read_only || filesystem.is_read_only;
    let device = opened.device(source, is_read_only)?;
    let path = device.as_ref().map_or(source, |device| &device.path);
    // From then on the mount holds the device.
    mount_device((path, source), filesystem, is_read_only, options)
}

/// Mounts `device`, which the users of `source` have.
fn mount_device(
    (device, source): (&Path, &Path),
    filesystem: &Filesystem,
    is_read_only: bool,
    options: &[FsOption<'_>],
) -> Result<OwnedFd> {
    let failed = || format!("cannot mount the {} on {}", filesystem.name, source.display());
    let device =
        device.to_str().ok_or_else(|| Error::new(failed()).hint("its name is not UTF-8"))?;
    let mut all = vec![("source", Some(device))];
    all.extend(filesystem.options);
    all.extend(is_read_only.then_some(("ro", None)));
    all.extend(options);
    sys::new_mount(filesystem.name, &all, 0).context(failed).map_err(|error| {
        let error = rights(error);
        if error.is(Errno::EUCLEAN) || error.is(Errno::EINVAL) && error.hint.is_none() {
            return error.hint(format!(
                "it may be damaged, see the kernel's log; what checks it: fsck.{} {}",
                filesystem.name,
                source.display()
            ));
        }
        error
    })
}

/// As [`mount`], of which nothing can be written through this mount.
pub(crate) fn mount_to_read(source: &Path) -> Result<OwnedFd> {
    let tree = mount(source, &[])?;
    let read_only = MountAttr { set: attr::RDONLY, ..MountAttr::default() };
    sys::mount_setattr(tree.as_fd(), false, &read_only)
        .context(|| format!("cannot mount {} to read it", source.display()))?;
    Ok(tree)
}

/// The root directory of the file system on `source`, to be read and written. It is unmounted when this is
/// closed.
pub(super) fn open_root(source: &Path) -> Result<OwnedFd> {
    root_of(&mount(source, &[])?, source)
}

/// The root directory of `tree`, which came from `source`.
pub(super) fn root_of(tree: &OwnedFd, source: &Path) -> Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat(tree, c".", flags, Mode::empty())
        .context(|| format!("cannot open the root directory on {}", source.display()))
}

/// Does `act` while the file system on `source` is mounted on the directory `place`, where nobody else sees
/// it.
pub(super) fn mounted_at<T>(source: &Path, place: &Path, act: &dyn Fn() -> Result<T>) -> Result<T> {
    private::within_one_thread("the root filesystem", || {
        shown_at(mount(source, &[])?, source, place, act)
    })
}

/// Does `act` while `tree`, which came from `source`, is mounted on the directory `place`; the caller has a mount
/// namespace of its own.
pub(super) fn shown_at<T>(
    tree: OwnedFd,
    source: &Path,
    place: &Path,
    act: &dyn Fn() -> Result<T>,
) -> Result<T> {
    sys::move_mount(tree.as_fd(), sys::at_cwd(), place)
        .context(|| format!("cannot mount {} on {}", source.display(), place.display()))?;
    let done = act();
    let written = sync(&tree, source);
    drop(tree);
    // Now, not when the thread is gone; a process that is still in it keeps it.
    umount2(place, MntFlags::MNT_DETACH)
        .context(|| format!("cannot unmount {}", place.display()))?;
    done.and_then(|done| written.map(|()| done))
}

/// Returns when the device `path` is there and has a size.
pub(super) fn wait_for(path: &Path) -> Result<()> {
    let begin = Instant::now();
    while !(path.exists() && growth::size_of(path).is_ok_and(|size| size > 0)) {
        if begin.elapsed() > WITHIN {
            return Err(Error::new(format!("the device {} did not appear", path.display()))
                .errno(Errno::ENODEV));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Whether the device `path` is mounted, or used by another device.
pub(super) fn is_in_use(path: &Path) -> bool {
    // What is mounted has its device for itself (open(2)).
    let opened = File::options().read(true).custom_flags(libc::O_EXCL).open(path);
    opened.is_err_and(|error| error.kind() == ErrorKind::ResourceBusy)
}

/// Returns when it is not: a mount namespace that had it may just be ending.
pub(super) fn wait_until_free(path: &Path) -> Result<()> {
    let begin = Instant::now();
    while is_in_use(path) {
        if begin.elapsed() > WITHIN {
            return Err(Error::new(format!("the device {} is in use", path.display()))
                .errno(Errno::EBUSY)
                .hint("it is mounted somewhere, see /proc/self/mountinfo and lsns -t mnt"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Returns when everything in the file system `tree` is on `source`: an image that cannot grow on a full disk
/// is seen here first.
pub(super) fn sync(tree: &OwnedFd, source: &Path) -> Result<()> {
    let root = root_of(tree, source)?;
    syncfs(&root).context(|| format!("cannot write {}", source.display())).map_err(|error| {
        if is_on_full_disk(source) { error.hint("the disk is full") } else { error }
    })
}

/// Gives the copy of a file system on `path` an identity of its own, where that matters.
pub(super) fn renew(path: &Path) -> Result<()> {
    filesystem::probe(&Opened::of(path)?.file, path)?.renew(path)
}

/// Whether two of the file system on `path` are not told from each other.
pub(super) fn has_identity(path: &Path) -> Result<bool> {
    Ok(filesystem::probe(&Opened::of(path)?.file, path)?.has_identity())
}

/// Copies all files of `source` into the empty file system on `path`.
pub(super) fn copy_files(source: &RootfsMount, path: &Path, watch: Watch<'_>) -> Result<()> {
    let source = source.open()?;
    let tree = mount(path, &[])?;
    let target = root_of(&tree, path)?;
    let copied = copy::tree(source.as_fd(), target.as_fd(), watch);
    copied.and_then(|()| sync(&tree, path)).map_err(|error| {
        if error.is(Errno::ENOSPC) && !is_on_full_disk(path) {
            let size = growth::size_of(path).unwrap_or_default() >> 20;
            return error.hint(format!("the copy has {size} MiB; give it more with -L"));
        }
        error
    })
}

/// Whether there is no room in the file system that the image `path` is in.
pub(super) fn is_on_full_disk(path: &Path) -> bool {
    statvfs(path).is_ok_and(|found| found.blocks_available() == 0)
}

/// An image that nobody makes a loop device of as long as this value lives.
#[derive(Debug)]
pub(super) struct Image {
    path: PathBuf,
    /// The file.
    pub(super) file: File,
    /// Its file system.
    pub(super) filesystem: &'static Filesystem,
    /// The loop device that there was already: it may be mounted, and be changed.
    device: Option<LoopDevice>,
    _lock: FileLock,
}

/// Whether there is a loop device of the image `path`, so that it may be mounted.
pub(super) fn has_device(path: &Path) -> Result<bool> {
    let failed = || format!("cannot look for the loop device of {}", path.display());
    let file = File::open(path).context(failed)?;
    LoopDevice::of(&file).context(failed).map(|device| device.is_some())
}

/// The loop device of the image `path` that another tool has made and nobody has mounted here.
pub(super) fn unused_device(path: &Path) -> Result<Option<LoopDevice>> {
    let failed = || format!("cannot look for the loop device of {}", path.display());
    let file = File::open(path).context(failed)?;
    let device = LoopDevice::of(&file).context(failed)?.filter(LoopDevice::stays);
    let Some(device) = device else { return Ok(None) };
    let number = std::fs::metadata(&device.path).context(failed)?.rdev();
    let number = format!("{}:{}", nix::sys::stat::major(number), nix::sys::stat::minor(number));
    let mounts = table::read("/proc/self/mountinfo").context(failed)?;
    let is_mounted = mounts.lines().any(|line| line.split(' ').nth(2) == Some(&number));
    Ok((!is_mounted).then_some(device))
}

impl Image {
    /// The image `path`; `None` if that is a device.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        let failed = || format!("cannot open {}", path.display());
        let file = File::open(path).context(failed)?;
        if !file.metadata().context(failed)?.is_file() {
            return Ok(None);
        }
        let filesystem = filesystem::probe(&file, path)?;
        let lock = lock(&file, path)?;
        let device = LoopDevice::of(&file).context(failed)?;
        Ok(Some(Self { path: path.to_owned(), file, filesystem, device, _lock: lock }))
    }

    /// Whether it may be changed meanwhile.
    pub(super) fn is_in_use(&self) -> bool {
        self.device.is_some()
    }

    /// Returns when what its users wrote is in it, or in its journal.
    pub(super) fn sync(&self) -> Result<()> {
        let Some(device) = &self.device else { return Ok(()) };
        let device = (&*device.path, &*self.path);
        let tree = mount_device(device, self.filesystem, self.filesystem.is_read_only, &[])?;
        sync(&tree, &self.path)
    }
}

/// Makes the image `path` as `like` says: a file with no blocks on the disk but those of its empty file system.
pub(super) fn make_image(path: &Path, like: &Like<'_>) -> Result<()> {
    let failed = || format!("cannot create the image {}", path.display());
    let file = create(path)?;
    file.set_len(like.size).context(failed).map_err(|error| {
        match error.errno.map(Errno::from_raw) {
            Some(Errno::EFBIG) => error.hint("this file system has no files of that size"),
            _ => error,
        }
    })?;
    format(path, like.filesystem, true)
}

/// Makes an empty file system of the type `name` on the device `path`.
pub(super) fn format_device(path: &Path, name: &str) -> Result<()> {
    format(path, name, false)
}

/// Lets the image `path` and its file system have `size` bytes, also while it is mounted.
pub(super) fn grow_image(path: &Path, size: u64) -> Result<()> {
    let failed = || format!("cannot let the image {} grow", path.display());
    let has = growth::size_of(path)?;
    growth::check_to(path, has, size)?;
    if size > has {
        let file = File::options().write(true).open(path).context(failed)?;
        file.set_len(size).and_then(|()| file.sync_all()).context(failed)?;
    }
    let file = File::open(path).context(failed)?;
    if let Some(device) = LoopDevice::of(&file).context(failed)? {
        device.take_size().context(failed)?;
    }
    growth::fill(path)
}

/// Creates the empty file `path` for an image.
pub(super) fn create(path: &Path) -> Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true).mode(0o600);
    options.open(path).context(|| format!("cannot create the image {}", path.display()))
}

/// Makes an empty file system of the type `name` on `path`, whose root directory has nothing in it and mode 0755.
fn format(path: &Path, name: &str, is_zero: bool) -> Result<()> {
    filesystem::make(name, path, is_zero)?;
    let root = open_root(path)?;
    // It is made when it is needed (e2fsck(8)), and would be in the way of one that is copied.
    match unlinkat(&root, c"lost+found", UnlinkatFlags::RemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(errno) => {
            return Err(Error::new(format!("cannot empty {}", path.display())).errno(errno));
        }
    }
    File::from(root)
        .set_permissions(PermissionsExt::from_mode(0o755))
        .context(|| format!("cannot set the mode of the root directory on {}", path.display()))
}

/// A device or an image that is open.
struct Opened {
    file: File,
    is_read_only: bool,
    is_device: bool,
}

impl Opened {
    fn of(path: &Path) -> Result<Self> {
        let open = |write| File::options().read(true).write(write).open(path);
        let (opened, is_read_only) = match open(true) {
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                (open(false), true)
            }
            opened => (opened, false),
        };
        let failed = || format!("cannot open {}", path.display());
        let file = opened.context(failed).map_err(rights)?;
        let is_device = file.metadata().context(failed)?.file_type().is_block_device();
        Ok(Self { file, is_read_only, is_device })
    }

    /// The loop device of the image, made if there is none; `None` for a device.
    fn device(self, path: &Path, read_only: bool) -> Result<Option<LoopDevice>> {
        if self.is_device {
            return Ok(None);
        }
        let failed = || format!("cannot look for the loop device of {}", path.display());
        // Two that find none would make two.
        let _lock = lock(&self.file, path)?;
        match LoopDevice::of(&self.file).context(failed)? {
            Some(device) => Ok(Some(device)),
            None => LoopDevice::make(&self.file, path, read_only).map(Some).map_err(rights),
        }
    }
}

fn lock(file: &File, path: &Path) -> Result<FileLock> {
    let failed = || format!("cannot lock {}", path.display());
    let deadline = Instant::now() + LOCKED_AT_MOST;
    loop {
        let again = file.try_clone().context(failed)?;
        match FileLock::try_exclusive(again).context(failed)? {
            Some(lock) => return Ok(lock),
            None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            None => {
                return Err(Error::new(format!("the image {} is in use", path.display())).hint(
                    "it is being copied, or another program has locked it: see /proc/locks",
                ));
            }
        }
    }
}

/// Fails for an ordinary user, who can mount none.
pub(super) fn require_root() -> Result<()> {
    if geteuid().is_root() {
        return Ok(());
    }
    Err(rights(Error::new("an ordinary user cannot mount images").errno(Errno::EPERM)))
}

/// `error`, with what to do if it is that this user may not.
pub(super) fn rights(error: Error) -> Error {
    if error.lacks_rights() {
        return error.hint("block devices are mounted by the host's root; as an ordinary user take dir, overlay or btrfs");
    }
    error
}
