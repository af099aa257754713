//! One entry of a tree, by a descriptor.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, fchmodat};
use nix::unistd::{Gid, Uid, fchownat};
use rustix::fs::{self, XattrFlags};

use super::ids::{Fate, Shift};
use super::special::Special;
use super::{acl, capability};
use crate::sys::xattr;

/// Longest list of names, and longest value, of extended attributes (`XATTR_LIST_MAX`,
/// `XATTR_SIZE_MAX`, linux/limits.h).
const XATTR_MAX: usize = 65536;

/// An entry that is open, if only with `O_PATH`.
pub(super) struct Entry<'fd> {
    fd: BorrowedFd<'fd>,
    pub(super) stat: FileStat,
}

/// What was done with an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// Nothing: it has its ids.
    Kept,
    Shifted,
    /// Its owner is none that the shift is about.
    Foreign,
    /// Nothing yet: it would lose the mode, or these capabilities.
    Special {
        mode: u32,
        capability: Option<Vec<u8>>,
    },
}

/// Which of the attributes with ids an entry has.
#[derive(Clone, Copy, Debug, Default)]
struct Attributes {
    acls: [bool; 2],
    capability: bool,
}

impl<'fd> Entry<'fd> {
    pub(super) fn new(fd: &'fd impl AsFd, stat: FileStat) -> Self {
        Self { fd: fd.as_fd(), stat }
    }

    /// Gives it the new ids, unless it has to be written down first. It was opened as `name` in `dir`.
    pub(super) fn shift(
        &self,
        shift: &Shift,
        dir: BorrowedFd<'_>,
        name: &CStr,
    ) -> nix::Result<Done> {
        let (uid, gid) = (shift.user(self.stat.st_uid), shift.group(self.stat.st_gid));
        let moves = matches!(uid, Fate::Moves(_)) || matches!(gid, Fate::Moves(_));
        let attributes =
            if is_link(&self.stat) { Attributes::default() } else { self.attributes(dir, name)? };
        let mut done = Done::Kept;
        for (name, _) in acl::NAMES.into_iter().zip(attributes.acls).filter(|(_, has)| *has) {
            if let Some(new) = self.value(name)?.and_then(|old| acl::shifted(&old, shift)) {
                self.set(name, &new)?;
                done = Done::Shifted;
            }
        }
        let old = if attributes.capability { self.value(capability::NAME)? } else { None };
        let new = old.as_deref().and_then(|old| capability::shifted(old, shift));
        if moves {
            let mode = self.stat.st_mode & 0o7777;
            let loses = old.is_some() || mode & (libc::S_ISUID | libc::S_ISGID) != 0;
            if loses && can_be_special(&self.stat) {
                return Ok(Done::Special { mode, capability: new.or(old) });
            }
            self.chown(uid, gid)?;
            return Ok(Done::Shifted);
        }
        if let Some(new) = new {
            self.set(capability::NAME, &new)?;
            done = Done::Shifted;
        }
        let is_foreign = uid == Fate::Foreign || gid == Fate::Foreign;
        Ok(if is_foreign { Done::Foreign } else { done })
    }

    /// Gives it its new owner, and back what `special` says it had.
    pub(super) fn restore(&self, special: &Special, shift: &Shift) -> nix::Result<()> {
        self.chown(shift.user(self.stat.st_uid), shift.group(self.stat.st_gid))?;
        let mode = Mode::from_bits_truncate(special.mode);
        // It is the entry itself that the path leads to.
        fchmodat(self.fd, self.path().as_str(), mode, FchmodatFlags::FollowSymlink)?;
        match &special.capability {
            Some(capability) => self.set(capability::NAME, capability),
            None => Ok(()),
        }
    }

    fn chown(&self, uid: Fate, gid: Fate) -> nix::Result<()> {
        let new = |fate| if let Fate::Moves(to) = fate { Some(to) } else { None };
        let (uid, gid) = (new(uid).map(Uid::from_raw), new(gid).map(Gid::from_raw));
        if uid.is_none() && gid.is_none() {
            return Ok(());
        }
        fchownat(self.fd, c"", uid, gid, AtFlags::AT_EMPTY_PATH)
    }

    /// The calls for extended attributes take no descriptor that was opened with `O_PATH`.
    fn path(&self) -> String {
        format!("/proc/self/fd/{}", self.fd.as_raw_fd())
    }

    /// Which attributes it has. By its name that takes a fifth of the time; should that have become the
    /// name of another entry, this one is like one that came there during the walk.
    fn attributes(&self, dir: BorrowedFd<'_>, name: &CStr) -> nix::Result<Attributes> {
        let mut short = [0; 512];
        let mut long;
        let by_name = xattr::list_at(dir, name, &mut short);
        let by_itself = |_| fs::listxattr(self.path(), &mut short).map_err(errno);
        let names = match by_name.or_else(by_itself) {
            Ok(length) => &short[..length],
            Err(Errno::EOPNOTSUPP) => return Ok(Attributes::default()),
            Err(Errno::ERANGE) => {
                long = vec![0; XATTR_MAX];
                let length = fs::listxattr(self.path(), &mut long[..]).map_err(errno)?;
                &long[..length]
            }
            Err(errno) => return Err(errno),
        };
        let has =
            |wanted: &CStr| names.split(|byte| *byte == 0).any(|name| name == wanted.to_bytes());
        Ok(Attributes { acls: acl::NAMES.map(has), capability: has(capability::NAME) })
    }

    /// The value of an attribute, if it has it still.
    fn value(&self, name: &CStr) -> nix::Result<Option<Vec<u8>>> {
        let mut value = vec![0; XATTR_MAX];
        match fs::getxattr(self.path(), name, &mut value[..]).map_err(errno) {
            Ok(length) => {
                value.truncate(length);
                Ok(Some(value))
            }
            Err(Errno::ENODATA) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    fn set(&self, name: &CStr, value: &[u8]) -> nix::Result<()> {
        fs::setxattr(self.path(), name, value, XattrFlags::empty()).map_err(errno)
    }
}

/// Whether the kernel takes anything away from what has this mode when its owner changes.
pub(super) fn can_be_special(stat: &FileStat) -> bool {
    !is_link(stat) && !is_dir(stat)
}

pub(super) fn is_dir(stat: &FileStat) -> bool {
    kind(stat) == SFlag::S_IFDIR
}

fn is_link(stat: &FileStat) -> bool {
    kind(stat) == SFlag::S_IFLNK
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

fn errno(error: rustix::io::Errno) -> Errno {
    Errno::from_raw(error.raw_os_error())
}
