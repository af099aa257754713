//! Subvolumes of btrfs: `btrfs:PATH`.
//!
//! A copy of a subvolume on the same file system is a snapshot: it takes no time, shares all blocks and
//! depends on nothing. The kernel leaves out the subvolumes inside (systemd makes some in its root
//! filesystem), so each of them gets a snapshot in its place.

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fstat, futimens};
use nix::sys::statfs::{BTRFS_SUPER_MAGIC, fstatfs};
use nix::sys::time::TimeSpec;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::copy::Watch;
use super::size::{Usage, group};
use super::{Backend, Planned, RootfsMount, Target, dir, tree};
use crate::config::RootfsPath;
use crate::error::{Context, Error, Result};
use crate::sys::btrfs as sys;

/// [`dir::root_in`] in the container's directory.
const NAME: &CStr = c"rootfs";

#[derive(Debug)]
pub(super) struct Btrfs;

impl Backend for Btrfs {
    fn names(&self) -> &'static [&'static str] {
        &["btrfs"]
    }

    fn rootfs_mount(&self, source: &str) -> Result<RootfsMount> {
        dir::Directory.rootfs_mount(source)
    }

    fn places(&self) -> &'static [&'static str] {
        dir::Directory.places()
    }

    fn plan(&self, target: Target<'_>) -> Result<Planned> {
        open_home(target.home)?;
        let root = dir::root_in(target.home);
        Ok(Planned { path: path_in(target.home), root })
    }

    fn create(&self, _: &Planned, target: Target<'_>) -> Result<()> {
        make_in(target.home)
    }

    fn copy(
        &self,
        source: &RootfsMount,
        target: Target<'_>,
        watch: Watch<'_>,
    ) -> Result<RootfsPath> {
        let home = target.home;
        let source = source.open()?;
        if is_subvolume(source.as_fd()) {
            match clone(source.as_fd(), open_home(home)?.as_fd(), NAME, watch) {
                Ok(()) => return Ok(path_in(home)),
                // Another file system; somebody else's subvolume; one with a swap file in use; a
                // kernel that tells nobody of the subvolumes inside. All of it can be copied still.
                Err(
                    Errno::EXDEV | Errno::EPERM | Errno::EACCES | Errno::ETXTBSY | Errno::ENOTTY,
                ) => tree::remove(&dir::root_in(home))?,
                Err(errno) => return Err(no_snapshot(errno)),
            }
        }
        make_in(home)?;
        dir::copy_into(&source, &dir::root_in(home), watch)?;
        Ok(path_in(home))
    }

    fn snapshot(
        &self,
        source: &RootfsMount,
        target: Target<'_>,
        watch: Watch<'_>,
    ) -> Result<RootfsPath> {
        let home = target.home;
        let source = source.open()?;
        let home_dir = open_home(home)?;
        if !is_subvolume(source.as_fd()) {
            return Err(Error::new("it is not a subvolume of a btrfs")
                .hint("copy it without -s: the copy is one then"));
        }
        match clone(source.as_fd(), home_dir.as_fd(), NAME, watch) {
            Ok(()) => Ok(path_in(home)),
            Err(Errno::EXDEV) => {
                Err(Error::new(format!("{} is on another file system", home.display()))
                    .errno(Errno::EXDEV)
                    .hint("a snapshot lies on the file system of its source; copy it without -s"))
            }
            Err(errno) => Err(no_snapshot(errno)),
        }
    }

    /// A copy is one, and depends on nothing.
    fn is_kept_as_snapshot(&self, _: &str) -> bool {
        false
    }

    fn can_be_in(&self, home: &Path) -> bool {
        is_on(home)
    }

    fn can_limit(&self, source: &str, _: bool) -> Result<()> {
        group::check(Path::new(source))
    }

    fn limit(&self, source: &str, size: Option<u64>) -> Result<()> {
        group::limit(Path::new(source), size)
    }

    fn usage(&self, source: &str) -> Result<Option<Usage>> {
        group::usage(Path::new(source))
    }

    /// Removing a tree knows subvolumes.
    fn destroy(&self, source: &str, home: &Path) -> Result<()> {
        dir::Directory.destroy(source, home)
    }

    fn renamed(&self, source: &str, from: &Path, to: &Path) -> String {
        dir::Directory.renamed(source, from, to)
    }
}

/// Whether there can be subvolumes in the directory `path`.
fn is_on(path: &Path) -> bool {
    File::open(path).is_ok_and(|dir| is_btrfs(dir.as_fd()))
}

/// Removes the subvolume `name` in `parent`, whose root is `root`, and those inside it. False if that is
/// no subvolume, or one that the kernel does not remove at a stroke: an ordinary user's, say. `EBUSY`: it
/// has a mount in it, which would be gone as well.
pub(super) fn remove(
    parent: BorrowedFd<'_>,
    name: &CStr,
    root: BorrowedFd<'_>,
) -> nix::Result<bool> {
    if !is_subvolume(root) {
        return Ok(false);
    }
    if has_mounts(root) {
        return Err(Errno::EBUSY);
    }
    Ok(remove_with_children(parent, name, root).is_ok())
}

fn remove_with_children(
    parent: BorrowedFd<'_>,
    name: &CStr,
    root: BorrowedFd<'_>,
) -> nix::Result<()> {
    for child in sys::children(root)? {
        let place = open_below(root, &child.dir)?;
        let nested = tree::open_dir(place.as_fd(), &child.name)?;
        remove_with_children(place.as_fd(), &child.name, nested.as_fd())?;
    }
    // The parent may be open as a path only.
    let parent = open_below(parent, c"")?;
    let number = sys::subvolume(root);
    sys::destroy(parent.as_fd(), name)?;
    // Its group of quotas, if there is one: only newer kernels remove that with it.
    let _ = number.and_then(|number| sys::remove_group(parent.as_fd(), number));
    Ok(())
}

/// Whether something is mounted on or below `dir`.
fn has_mounts(dir: BorrowedFd<'_>) -> bool {
    let path = std::fs::read_link(format!("/proc/self/fd/{}", dir.as_raw_fd()));
    let (Ok(path), Ok(table)) = (path, std::fs::read("/proc/self/mountinfo")) else { return true };
    let path = escaped(&path);
    table.split(|byte| *byte == b'\n').any(|line| {
        let target = line.split(|byte| *byte == b' ').nth(4);
        let below = target.and_then(|target| target.strip_prefix(path.as_slice()));
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    })
}

/// `path` as it is written in mountinfo (proc_pid_mountinfo(5)).
fn escaped(path: &Path) -> Vec<u8> {
    let bytes = path.as_os_str().as_bytes().iter();
    let escape = |byte: &u8| match byte {
        b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
        _ => vec![*byte],
    };
    bytes.flat_map(escape).collect()
}

fn no_snapshot(errno: Errno) -> Error {
    match errno {
        Errno::EINTR => Error::new("interrupted"),
        _ => Error::new("cannot take a snapshot").errno(errno),
    }
}

/// Makes `name` in `parent` a snapshot of the subvolume `source` and of those inside it.
fn clone(
    source: BorrowedFd<'_>,
    parent: BorrowedFd<'_>,
    name: &CStr,
    watch: Watch<'_>,
) -> nix::Result<()> {
    if watch.is_interrupted() {
        return Err(Errno::EINTR);
    }
    let children = sys::children(source)?;
    sys::snapshot(source, parent, name)?;
    if children.is_empty() {
        return Ok(());
    }
    let copy = tree::open_dir(parent, name)?;
    for child in children {
        let nested = open_below(source, &child.dir)
            .and_then(|place| tree::open_dir(place.as_fd(), &child.name));
        let nested = match nested {
            // Removed meanwhile.
            Err(Errno::ENOENT) => continue,
            nested => nested?,
        };
        let place = open_below(copy.as_fd(), &child.dir)?;
        let stat = fstat(&place)?;
        // The empty directory in its place is one that nothing can be made in.
        unlinkat(&place, child.name.as_c_str(), UnlinkatFlags::RemoveDir)?;
        clone(nested.as_fd(), place.as_fd(), &child.name, watch)?;
        let accessed = TimeSpec::new(stat.st_atime, stat.st_atime_nsec);
        futimens(&place, &accessed, &TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec))?;
    }
    Ok(())
}

/// The directory `path` below `dir`; `dir` itself if it is empty.
fn open_below(dir: BorrowedFd<'_>, path: &CStr) -> nix::Result<std::os::fd::OwnedFd> {
    if path.is_empty() {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        return openat(dir, c".", flags, Mode::empty());
    }
    tree::open_dir(dir, path)
}

fn is_subvolume(dir: BorrowedFd<'_>) -> bool {
    fstat(dir).is_ok_and(|stat| stat.st_ino == sys::ROOT_INODE) && is_btrfs(dir)
}

fn is_btrfs(dir: BorrowedFd<'_>) -> bool {
    fstatfs(dir).is_ok_and(|stat| stat.filesystem_type() == BTRFS_SUPER_MAGIC)
}

/// Makes the empty root filesystem in the directory `home`.
fn make_in(home: &Path) -> Result<()> {
    let root = dir::root_in(home);
    let failed = || format!("cannot create the subvolume {}", root.display());
    sys::create(open_home(home)?.as_fd(), NAME).context(failed)?;
    std::fs::set_permissions(&root, PermissionsExt::from_mode(0o755)).context(failed)
}

/// Opens the directory `home`, if there can be subvolumes in it.
fn open_home(home: &Path) -> Result<File> {
    let dir =
        File::open(home).context(|| format!("cannot open the directory {}", home.display()))?;
    if is_btrfs(dir.as_fd()) {
        return Ok(dir);
    }
    let lxcpath = home.parent().unwrap_or(home);
    Err(Error::new(format!("{} is not on a btrfs", lxcpath.display()))
        .hint("take -B dir, or a directory of containers on a btrfs"))
}

/// The root filesystem in the directory `home`.
fn path_in(home: &Path) -> RootfsPath {
    Btrfs.path(dir::root_in(home).display().to_string())
}
