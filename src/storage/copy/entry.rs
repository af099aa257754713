//! One entry of a directory, other than a directory.

use std::ffi::{CStr, OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use nix::dir::Type;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, mknodat};
use nix::unistd::{linkat, symlinkat};

use super::{Copy, Name, Pair, attributes, failed};
use crate::error::{Context, Error, Result};

impl Copy<'_> {
    /// A regular file.
    pub(super) fn file(&self, pair: &Pair, name: &CStr, buffer: &mut [u8]) -> Result<()> {
        let failed = || failed(&pair.below(name));
        // Should a fifo have come in its place, opening it must not wait.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let input = match openat(&pair.source, name, flags | OFlag::O_NOATIME, Mode::empty()) {
            // Somebody else's file, and this is not root.
            Err(Errno::EPERM) => openat(&pair.source, name, flags, Mode::empty()),
            result => result,
        }
        .context(failed)?;
        let stat = fstat(&input).context(failed)?;
        if kind_of(&stat) != SFlag::S_IFREG {
            return Err(Error::new(failed()).hint("it changed its kind while it was copied"));
        }
        let mode = self.new_files.mode(&stat);
        let make = || {
            let flags = OFlag::O_WRONLY
                | OFlag::O_CREAT
                | OFlag::O_EXCL
                | OFlag::O_NOFOLLOW
                | OFlag::O_CLOEXEC;
            openat(&pair.target, name, flags, mode)
        };
        let Some(output) = self.make_once(pair, name, &stat, make).context(failed)? else {
            return Ok(());
        };
        self.data
            .copy(&input, &output, &stat, buffer, |bytes| {
                self.bytes.fetch_add(bytes, Ordering::Relaxed);
                self.check_interrupted().map_err(|_| Errno::EINTR)
            })
            .context(failed)
            .map_err(explain)?;
        attributes::of_open(&input, &output, &stat, (self.new_files, mode)).context(failed)
    }

    /// A symbolic link, device, fifo or socket.
    pub(super) fn special(&self, pair: &Pair, name: &CStr) -> Result<()> {
        let failed = || failed(&pair.below(name));
        let stat = fstatat(&pair.source, name, AtFlags::AT_SYMLINK_NOFOLLOW).context(failed)?;
        let kind = kind_of(&stat);
        let make = || {
            if kind == SFlag::S_IFLNK {
                let to: OsString = readlinkat(&pair.source, name)?;
                return symlinkat(to.as_os_str(), &pair.target, name);
            }
            let mode = Mode::S_IRUSR | Mode::S_IWUSR;
            mknodat(&pair.target, name, kind, mode, stat.st_rdev)
        };
        if self.make_once(pair, name, &stat, make).context(failed)?.is_none() {
            return Ok(());
        }
        attributes::of_name((&pair.source, &pair.target), name, &stat, self.new_files)
            .context(failed)
    }

    /// What a file system that does not say kinds in its listings has there.
    pub(super) fn of_unknown_kind(
        &self,
        pair: &Pair,
        name: &Name,
        buffer: &mut [u8],
    ) -> Result<bool> {
        let stat = fstatat(&pair.source, name.text.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW)
            .context(|| failed(&pair.below(&name.text)))?;
        let kind = match kind_of(&stat) {
            SFlag::S_IFDIR => Type::Directory,
            SFlag::S_IFREG => Type::File,
            _ => Type::Symlink,
        };
        let name = Name { inode: name.inode, kind: Some(kind), text: name.text.clone() };
        self.entry(pair, &name, buffer)
    }

    /// Makes an entry with `make`, unless it is a further name of a file that is made already: then
    /// it is linked to that, and the answer is `None`.
    fn make_once<T>(
        &self,
        pair: &Pair,
        name: &CStr,
        stat: &FileStat,
        make: impl FnOnce() -> nix::Result<T>,
    ) -> nix::Result<Option<T>> {
        if stat.st_nlink < 2 {
            return make().map(Some);
        }
        let key = (stat.st_dev, stat.st_ino);
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = links.get(&key) {
            let (dir, of) = self.open_parent(first)?;
            linkat(&dir, of, &pair.target, name, AtFlags::empty())?;
            return Ok(None);
        }
        let new = make()?;
        links.insert(key, pair.below(name));
        Ok(Some(new))
    }

    /// The directory of the copy that `path` lies in, and its name there.
    fn open_parent<'p>(&self, path: &'p Path) -> nix::Result<(OwnedFd, &'p OsStr)> {
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let dir = openat2(self.target.as_fd(), parent.unwrap_or(Path::new(".")), how)?;
        Ok((dir, path.file_name().unwrap_or_default()))
    }
}

fn kind_of(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

fn explain(error: Error) -> Error {
    if error.is(Errno::EINTR) {
        return Error::new("interrupted");
    }
    if error.is(Errno::ENOSPC) || error.is(Errno::EDQUOT) {
        return error.hint("the disk is full");
    }
    error
}
