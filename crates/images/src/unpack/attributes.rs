//! Owner, mode, extended attributes and time of what was made.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FchmodatFlags, Mode, UtimensatFlags, fchmod, fchmodat, futimens, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, fchownat};
use rustix::fs::{XattrFlags, flistxattr, fremovexattr, fsetxattr};

use crate::archive::{Entry, Kind};
use crate::{Context, Error, Result};

/// Name spaces and names of extended attributes that an image may set; a name ending in a dot is a name
/// space. The others belong to the host: labels of its security modules, checksums of its kernel, the
/// records of its overlays.
const ALLOWED: [&[u8]; 4] =
    [b"user.", b"security.capability", b"system.posix_acl_access", b"system.posix_acl_default"];
/// The exception: an overlay mounted with `userxattr` would believe these.
const REFUSED: &[u8] = b"user.overlay.";
/// Most bytes that the names of a file's extended attributes take (`XATTR_LIST_MAX`, linux/limits.h).
const LIST_MAX: usize = 65536;

/// What an entry gets beside its content.
pub(crate) struct Attributes<'a> {
    uid: Uid,
    gid: Gid,
    /// `None` for a symbolic link, which has none of its own.
    mode: Option<Mode>,
    modified: TimeSpec,
    extended: Vec<(&'a [u8], &'a [u8])>,
    /// Extended attributes that it does not get.
    refused: u64,
}

impl<'a> Attributes<'a> {
    pub fn of(entry: &'a Entry) -> Result<Self> {
        let id = |id: u64| {
            // The highest stands for none (chown(2)).
            let id = u32::try_from(id).ok().filter(|id| *id != u32::MAX);
            id.ok_or_else(|| {
                Error::new(format!("{} is not a user or group", entry.uid.max(entry.gid)))
            })
        };
        let extended: Vec<_> = entry
            .attributes
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
            .filter(|(name, _)| is_allowed(name))
            .collect();
        Ok(Self {
            uid: Uid::from_raw(id(entry.uid)?),
            gid: Gid::from_raw(id(entry.gid)?),
            mode: (!matches!(entry.kind, Kind::Symlink(_)))
                .then(|| Mode::from_bits_truncate(entry.mode)),
            modified: time(entry.modified),
            refused: (entry.attributes.len() - extended.len()) as u64,
            extended,
        })
    }

    /// Fails if the owner or the group is one of `callers`.
    pub fn refuse_ids(&self, callers: Option<(Uid, Gid)>) -> Result<()> {
        match callers {
            Some((uid, gid)) if self.uid == uid || self.gid == gid => {
                // As if the map had no such id: the container's has none.
                Err(Error::new("cannot set its owner").errno(Errno::EINVAL))
            }
            _ => Ok(()),
        }
    }

    /// Takes away from an open file or directory what it has of these kinds and is not to have: ACLs that it
    /// got of its directory, and what a directory that was there had before.
    pub fn take_others(&self, open: BorrowedFd<'_>) -> Result<()> {
        let failed = || "cannot read its attributes";
        // Few have more than the attributes of a security module and ACLs.
        let (mut few, mut all) = ([0; 512], Vec::new());
        let list = match flistxattr(open, &mut few[..]) {
            Ok(0) | Err(rustix::io::Errno::OPNOTSUPP) => return Ok(()),
            Ok(length) => &few[..length],
            Err(rustix::io::Errno::RANGE) => {
                all.resize(LIST_MAX, 0);
                let length = flistxattr(open, &mut all[..]).map_err(errno_of).context(failed)?;
                &all[..length]
            }
            Err(errno) => return Err(errno_of(errno)).context(failed),
        };
        let names = list.split(|byte| *byte == 0);
        for name in names.filter(|name| is_allowed(name) && !self.has(name)) {
            fremovexattr(open, name)
                .map_err(errno_of)
                .context(|| "cannot take an attribute away")?;
        }
        Ok(())
    }

    fn has(&self, name: &[u8]) -> bool {
        self.extended.iter().any(|(own, _)| *own == name)
    }

    /// Gives them to an open file or directory; how many extended ones were left out.
    ///
    /// The order matters: a change of owner takes set-ID bits and file capabilities away, and a change of
    /// mode changes an ACL's mask.
    pub fn of_open(&self, open: BorrowedFd<'_>) -> Result<u64> {
        fchown(open, Some(self.uid), Some(self.gid)).context(|| "cannot set its owner")?;
        if let Some(mode) = self.mode {
            fchmod(open, mode).context(|| "cannot set its mode")?;
        }
        let mut left_out = self.refused;
        for (name, value) in &self.extended {
            match fsetxattr(open, *name, value, XattrFlags::empty()) {
                Ok(()) => {}
                // The file system has no place for it, or this caller may not.
                Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::PERM) => left_out += 1,
                Err(errno) => {
                    let name = super::shown(Path::new(OsStr::from_bytes(name)));
                    return Err(Error::new(format!("cannot set its attribute {name}"))
                        .errno(Errno::from_raw(errno.raw_os_error())));
                }
            }
        }
        set_time(open, self.modified)?;
        Ok(left_out)
    }

    /// The same for what is not opened: `name` in `dir`, a link, a pipe or a device, just made.
    pub fn of_node(&self, dir: BorrowedFd<'_>, name: &OsStr) -> Result<u64> {
        fchownat(dir, name, Some(self.uid), Some(self.gid), AtFlags::AT_SYMLINK_NOFOLLOW)
            .context(|| "cannot set its owner")?;
        if let Some(mode) = self.mode {
            // It is not a link, so there is nothing to follow.
            fchmodat(dir, name, mode, FchmodatFlags::FollowSymlink)
                .context(|| "cannot set its mode")?;
        }
        utimensat(
            dir,
            name,
            &TimeSpec::UTIME_OMIT,
            &self.modified,
            UtimensatFlags::NoFollowSymlink,
        )
        .context(|| "cannot set its time")?;
        // Links, pipes and devices have no attributes of the allowed kinds but ACLs, which no image has.
        Ok(self.refused + self.extended.len() as u64)
    }
}

/// `entry` as one of the caller's own, for the caller alone.
pub(super) fn of_caller(entry: Entry) -> Entry {
    let mode = if entry.kind == Kind::Dir { 0o700 } else { 0o600 };
    Entry {
        uid: nix::unistd::geteuid().as_raw().into(),
        gid: nix::unistd::getegid().as_raw().into(),
        mode,
        attributes: Vec::new(),
        ..entry
    }
}

/// Sets when an open file or directory was modified.
pub(crate) fn set_time(open: BorrowedFd<'_>, modified: impl Into<Modified>) -> Result<()> {
    futimens(open, &TimeSpec::UTIME_OMIT, &modified.into().0).context(|| "cannot set its time")
}

/// A time of modification.
pub(crate) struct Modified(TimeSpec);

impl From<TimeSpec> for Modified {
    fn from(modified: TimeSpec) -> Self {
        Self(modified)
    }
}

impl From<(i64, u32)> for Modified {
    fn from(modified: (i64, u32)) -> Self {
        Self(time(modified))
    }
}

fn time((seconds, nanoseconds): (i64, u32)) -> TimeSpec {
    TimeSpec::new(seconds, nanoseconds.into())
}

fn errno_of(errno: rustix::io::Errno) -> Errno {
    Errno::from_raw(errno.raw_os_error())
}

pub(crate) fn is_allowed(name: &[u8]) -> bool {
    !name.starts_with(REFUSED)
        && !name.contains(&0)
        && ALLOWED.iter().any(|allowed| {
            if allowed.ends_with(b".") { name.starts_with(allowed) } else { name == *allowed }
        })
}
