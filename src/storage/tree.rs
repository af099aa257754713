//! Removing directory trees whose content is not trusted.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::btrfs;
use super::size::project;
use crate::error::{Context, Error, Result};

/// Removes the directory `path` with all that is in it. Symbolic links are removed, not followed;
/// nothing on another file system is touched: a mount below is an error. Subvolumes of btrfs go at a
/// stroke where the kernel lets them.
pub fn remove(path: &Path) -> Result<()> {
    remove_watched(path, &mut Removal::default())
}

/// As [`remove`], telling `removal` of each entry.
pub fn remove_watched(path: &Path, removal: &mut Removal<'_>) -> Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::new(format!("refusing to remove {}", path.display())));
    };
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let parent = match nix::fcntl::open(parent, flags, Mode::empty()) {
        Err(Errno::ENOENT) => return Ok(()),
        result => result.context(|| format!("cannot open {}", parent.display()))?,
    };
    let name = CString::new(name.as_bytes())
        .map_err(|_| Error::new(format!("refusing to remove {}", path.display())))?;
    let mut tries = TRIES;
    let removed = loop {
        match removal.entry(parent.as_fd(), &name, true) {
            Err(Errno::ENOTEMPTY) if tries > 0 => tries -= 1,
            result => break result,
        }
        std::thread::sleep(PAUSE);
    };
    removed.map_err(|errno| {
        let error = Error::new(format!("cannot remove {}", path.display())).errno(errno);
        match errno {
            Errno::EXDEV | Errno::EBUSY => {
                error.hint("something is mounted below it; see /proc/self/mountinfo")
            }
            _ => error,
        }
    })
}

/// How often a tree is gone through again in which somebody still makes files, as a command of the template
/// does that outlives its killed lxc-create.
const TRIES: u32 = 50;

/// How long is waited before that.
const PAUSE: Duration = Duration::from_millis(20);

/// How often progress of a removal is reported.
const REPORT_EVERY: Duration = Duration::from_millis(200);

/// A callback that gets the number of removed entries.
pub type Report<'a> = Option<&'a dyn Fn(u64)>;

/// A removal that reports its progress: at its start and several times a second.
#[derive(Default)]
pub struct Removal<'a> {
    report: Report<'a>,
    removed: u64,
    told: Option<Instant>,
    /// The last project whose limit was taken away.
    project: u32,
}

impl<'a> Removal<'a> {
    /// One that reports its progress to `report`.
    pub fn told(report: Report<'a>) -> Self {
        Self { report, ..Self::default() }
    }

    fn count(&mut self) {
        self.removed += 1;
        let Some(report) = self.report else { return };
        if self.told.is_none_or(|told| told.elapsed() >= REPORT_EVERY) {
            report(self.removed);
            self.told = Some(Instant::now());
        }
    }

    fn entry(&mut self, parent: BorrowedFd<'_>, name: &CStr, maybe_dir: bool) -> nix::Result<()> {
        if !maybe_dir {
            match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
                Err(Errno::EISDIR | Errno::EPERM) => {}
                Err(Errno::ENOENT) => return Ok(()),
                result => return result.map(|()| self.count()),
            }
        }
        match open_dir(parent, name) {
            Ok(dir) if btrfs::remove(parent, name, dir.as_fd())? => {
                self.count();
                return Ok(());
            }
            Ok(dir) => {
                project::give_up(dir.as_fd(), &mut self.project);
                self.content(&dir)?;
            }
            Err(Errno::ENOENT) => return Ok(()),
            Err(Errno::ENOTDIR | Errno::ELOOP) => {
                return unlinkat(parent, name, UnlinkatFlags::NoRemoveDir).map(|()| self.count());
            }
            Err(errno) => return Err(errno),
        }
        unlinkat(parent, name, UnlinkatFlags::RemoveDir).map(|()| self.count())
    }

    fn content(&mut self, dir: &OwnedFd) -> nix::Result<()> {
        let mut listing = Dir::from_fd(dir.try_clone().map_err(|_| Errno::EMFILE)?)?;
        for entry in listing.iter() {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let maybe_dir = matches!(entry.file_type(), None | Some(Type::Directory));
            self.entry(dir.as_fd(), name, maybe_dir)?;
        }
        Ok(())
    }
}

/// Opens the directory `name` in `parent`, through no link and no mount.
pub(super) fn open_dir(parent: BorrowedFd<'_>, name: &CStr) -> nix::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
        .resolve(
            ResolveFlag::RESOLVE_BENEATH
                | ResolveFlag::RESOLVE_NO_SYMLINKS
                | ResolveFlag::RESOLVE_NO_XDEV,
        );
    openat2(parent, name, how)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_that_grows_for_a_moment_is_removed() {
        let tree = std::env::temp_dir().join(format!("lxc-rs-grows-{}", std::process::id()));
        std::fs::create_dir_all(&tree).unwrap();
        let grows = tree.clone();
        let writer = std::thread::spawn(move || {
            let end = Instant::now() + Duration::from_millis(100);
            let mut number = 0_u32;
            while Instant::now() < end {
                let _ = std::fs::write(grows.join(number.to_string()), "");
                number += 1;
            }
        });
        remove(&tree).unwrap();
        writer.join().unwrap();
        assert!(!tree.exists());
    }

    #[test]
    fn links_are_removed_and_not_followed() {
        let base = std::env::temp_dir().join(format!("lxc-rs-tree-{}", std::process::id()));
        std::fs::create_dir_all(base.join("victim")).unwrap();
        std::fs::write(base.join("victim/kept"), "x").unwrap();
        let tree = base.join("tree");
        std::fs::create_dir_all(tree.join("a/b/c")).unwrap();
        std::fs::write(tree.join("a/file"), "x").unwrap();
        std::os::unix::fs::symlink(base.join("victim"), tree.join("a/link")).unwrap();
        std::os::unix::fs::symlink(base.join("victim"), base.join("root-link")).unwrap();
        remove(&tree).unwrap();
        assert!(!tree.exists());
        remove(&base.join("root-link")).unwrap();
        assert!(base.join("victim/kept").exists());
        remove(&base.join("never-was")).unwrap();
        std::fs::remove_dir_all(base).unwrap();
    }
}
