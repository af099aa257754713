//! Owner, mode, extended attributes and times of a copy.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{
    FchmodatFlags, FileStat, Mode, SFlag, UtimensatFlags, fchmod, fchmodat, futimens, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, fchownat};
use rustix::fs::{self, XattrFlags};

/// Longest list of names, and longest value, of extended attributes (`XATTR_LIST_MAX`,
/// `XATTR_SIZE_MAX`, linux/limits.h).
const XATTR_MAX: usize = 65536;
const ACLS: [&str; 2] = ["system.posix_acl_access", "system.posix_acl_default"];

/// What a new file of this process is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NewFiles {
    uid: u32,
    gid: u32,
    umask: Mode,
}

impl NewFiles {
    pub(super) fn of_this_process() -> Self {
        // Asking the kernel with umask(2) would change it for a moment, for all threads.
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        let umask = umask.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok());
        Self {
            uid: nix::unistd::geteuid().as_raw(),
            gid: nix::unistd::getegid().as_raw(),
            // Where it is not known, no mode can be given at once.
            umask: umask.map_or(Mode::all(), Mode::from_bits_truncate),
        }
    }

    /// The mode to make a copy of `stat` with: its own if it may have it from the beginning, else
    /// that of a file that is nobody else's yet.
    pub(super) fn mode(self, stat: &FileStat) -> Mode {
        let wanted = mode(stat);
        let special = Mode::S_ISUID | Mode::S_ISGID | Mode::S_ISVTX;
        if self.owns(stat) && !wanted.intersects(self.umask | special) {
            wanted
        } else {
            Mode::S_IRUSR | Mode::S_IWUSR
        }
    }

    fn owns(self, stat: &FileStat) -> bool {
        (self.uid, self.gid) == (stat.st_uid, stat.st_gid)
    }
}

/// Gives the open file or directory `target`, made with the mode `made`, all that `source` has.
///
/// The order matters: a change of owner takes file capabilities and set-ID bits away, a change of
/// mode changes an ACL's mask, and a write the time.
pub(super) fn of_open(
    source: &impl AsFd,
    target: &impl AsFd,
    stat: &FileStat,
    (new, made): (NewFiles, Mode),
) -> nix::Result<()> {
    let (source, target) = (source.as_fd(), target.as_fd());
    if !new.owns(stat) {
        fchown(target, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    }
    if made != mode(stat) {
        fchmod(target, mode(stat))?;
    }
    copy_xattrs(
        |names| fs::flistxattr(source, names),
        |name, value| fs::fgetxattr(source, name, value),
        |name, value| fs::fsetxattr(target, name, value, XattrFlags::empty()),
    )?;
    futimens(target, &accessed(stat), &modified(stat))
}

/// Owner and mode only.
pub(super) fn owner_and_mode(target: &impl AsFd, stat: &FileStat) -> nix::Result<()> {
    let target = target.as_fd();
    fchown(target, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    fchmod(target, mode(stat))
}

/// The same of what cannot be opened: `name` in the directories `source` and `target`.
pub(super) fn of_name(
    (source, target): (&impl AsFd, &impl AsFd),
    name: &CStr,
    stat: &FileStat,
    new: NewFiles,
) -> nix::Result<()> {
    let (source, target) = (source.as_fd(), target.as_fd());
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    if !new.owns(stat) {
        fchownat(target, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)?;
    }
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFLNK {
        // Just made here, and no link.
        fchmodat(target, name, mode(stat), FchmodatFlags::FollowSymlink)?;
    }
    // The calls for attributes of what is not open know paths only; the l… ones follow no link at
    // the end, and before it is a directory that is open.
    let (from, to) = (in_dir(source, name), in_dir(target, name));
    copy_xattrs(
        |names| fs::llistxattr(&from, names),
        |name, value| fs::lgetxattr(&from, name, value),
        |name, value| fs::lsetxattr(&to, name, value, XattrFlags::empty()),
    )?;
    let flags = UtimensatFlags::NoFollowSymlink;
    utimensat(target, name, &accessed(stat), &modified(stat), flags)
}

/// Takes away what `target` inherited.
pub(super) fn clear_acls(target: BorrowedFd<'_>) -> nix::Result<()> {
    for name in ACLS {
        match fs::fremovexattr(target, name).map_err(errno) {
            Ok(()) | Err(Errno::ENODATA | Errno::EOPNOTSUPP) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn mode(stat: &FileStat) -> Mode {
    Mode::from_bits_truncate(stat.st_mode)
}

fn accessed(stat: &FileStat) -> TimeSpec {
    TimeSpec::new(stat.st_atime, stat.st_atime_nsec)
}

fn modified(stat: &FileStat) -> TimeSpec {
    TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec)
}

fn in_dir(dir: BorrowedFd<'_>, name: &CStr) -> Vec<u8> {
    let mut path = format!("/proc/self/fd/{}/", dir.as_raw_fd()).into_bytes();
    path.extend(name.to_bytes());
    path
}

fn errno(error: rustix::io::Errno) -> Errno {
    Errno::from_raw(error.raw_os_error())
}

/// Copies all extended attributes, of whatever name space.
fn copy_xattrs(
    list: impl Fn(&mut [u8]) -> rustix::io::Result<usize>,
    get: impl Fn(&CStr, &mut [u8]) -> rustix::io::Result<usize>,
    set: impl Fn(&CStr, &[u8]) -> rustix::io::Result<()>,
) -> nix::Result<()> {
    // Most files have none or a few short ones.
    let mut short = [0; 512];
    let mut long;
    let names = match list(&mut short).map_err(errno) {
        Ok(0) | Err(Errno::EOPNOTSUPP) => return Ok(()),
        Ok(length) => &short[..length],
        Err(Errno::ERANGE) => {
            long = vec![0; XATTR_MAX];
            let length = list(&mut long).map_err(errno)?;
            &long[..length]
        }
        Err(errno) => return Err(errno),
    };
    let mut value = vec![0; XATTR_MAX];
    for name in names.split_inclusive(|byte| *byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        match get(name, &mut value).map_err(errno) {
            Ok(length) => set(name, &value[..length]).map_err(errno)?,
            // Gone since it was listed.
            Err(Errno::ENODATA) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
