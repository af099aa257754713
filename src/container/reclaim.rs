//! Taking back what a template, which runs as the container's root, made in the container's directory.

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open, openat};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, fstat};
use nix::unistd::{Gid, Uid, fchownat};

use crate::error::{Context, Error, Result};

const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);
const LOOK: OFlag = OFlag::O_PATH.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Makes `owner` the owner of everything in the directory `home` except the paths `kept`, and lets
/// nobody else write it. No link is followed. Fails at a file that has a name elsewhere as well, and
/// unless `home/config` is a regular file.
pub(super) fn reclaim(home: &Path, kept: &[PathBuf], owner: (Uid, Gid)) -> Result<()> {
    let dir = open(home, DIRECTORY | OFlag::O_NOFOLLOW, Mode::empty())
        .context(|| format!("cannot open the directory {}", home.display()))?;
    Reclaim { config: &home.join("config"), kept, owner }.content(&dir, home)
}

struct Reclaim<'a> {
    config: &'a Path,
    kept: &'a [PathBuf],
    owner: (Uid, Gid),
}

impl Reclaim<'_> {
    fn content(&self, dir: &OwnedFd, path: &Path) -> Result<()> {
        let failed = || format!("cannot read the directory {}", path.display());
        let listing = openat(dir, c".", DIRECTORY, Mode::empty()).context(failed)?;
        for entry in Dir::from_fd(listing).context(failed)?.iter() {
            let entry = entry.context(failed)?;
            let name = entry.file_name();
            let path = path.join(OsStr::from_bytes(name.to_bytes()));
            if name != c"." && name != c".." && !self.kept.contains(&path) {
                self.entry(dir, name, &path)?;
            }
        }
        Ok(())
    }

    fn entry(&self, dir: &OwnedFd, name: &CStr, path: &Path) -> Result<()> {
        let failed = || format!("cannot take {} back from the template", path.display());
        let file = openat(dir, name, LOOK, Mode::empty()).context(failed)?;
        let stat = fstat(&file).context(failed)?;
        let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
        if path == self.config && kind != SFlag::S_IFREG {
            return Err(refusal(path, "is not a regular file"));
        }
        if kind != SFlag::S_IFDIR && stat.st_nlink > 1 {
            return Err(refusal(path, "has more than one hard link"));
        }
        let (uid, gid) = self.owner;
        if (stat.st_uid, stat.st_gid) != (uid.as_raw(), gid.as_raw()) {
            fchownat(file.as_fd(), c"", Some(uid), Some(gid), AtFlags::AT_EMPTY_PATH)
                .context(failed)?;
        }
        let mode = Mode::from_bits_truncate(stat.st_mode);
        if kind != SFlag::S_IFLNK && mode.contains(Mode::S_IWOTH) {
            // The mode of a file opened with O_PATH can be changed in no other way.
            let opened = format!("/proc/self/fd/{}", file.as_raw_fd());
            let mode = mode.difference(Mode::S_IWOTH | Mode::S_ISUID | Mode::S_ISGID);
            fchmodat(AT_FDCWD, opened.as_str(), mode, FchmodatFlags::FollowSymlink)
                .context(failed)?;
        }
        if kind != SFlag::S_IFDIR {
            return Ok(());
        }
        let below = openat(&file, c".", DIRECTORY, Mode::empty()).context(failed)?;
        self.content(&below, path)
    }
}

fn refusal(path: &Path, why: &str) -> Error {
    Error::new(format!("the template made {}, which {why}", path.display()))
        .hint("beside the root filesystem a template writes plain files of the container only")
}
