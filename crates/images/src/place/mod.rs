//! Entries that are put into a tree that is in use: of a container that may run, or of the host.
//!
//! Below the directory that they are put into no symbolic link is followed, whoever puts one there
//! meanwhile. A file has its name only when it is whole: what had the name before is there until then. A
//! directory that is there stays as it is, and takes what is new. Nothing else takes the place of a
//! directory, and a directory takes the place of nothing.

mod file;

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lxc_sys::beneath;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, renameat};
use nix::sys::stat::{Mode, SFlag, fstatat, makedev, mkdirat, mknodat};
use nix::unistd::{UnlinkatFlags, linkat, symlinkat, unlinkat};

use crate::archive::{Entries, Entry, Kind};
use crate::unpack::attributes::Attributes;
use crate::unpack::name::Name;
use crate::{Context, Error, Result};

/// Most directories above an entry.
const DEPTH: usize = 256;

/// What becomes of owners, and of what gives rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whom all belongs to; `None` for whom it belonged to.
    pub owner: Option<(u32, u32)>,
    /// Whether set-ID bits, capabilities and devices are kept.
    pub privileges: bool,
}

/// What was left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Devices.
    pub devices: u64,
    /// Files that lost set-ID bits or capabilities.
    pub privileges: u64,
    /// Extended attributes.
    pub attributes: u64,
}

/// What entries are called in their new place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called<'a> {
    /// As they are.
    Same,
    /// The one thing that there is, with all below it, has this name.
    One(&'a OsStr),
    /// They are in a directory of this name, whose entry is the first.
    In(&'a OsStr),
}

/// Puts entries into a tree.
#[derive(Debug)]
pub struct Placer<'a> {
    /// The directory into which all is put.
    base: OwnedFd,
    policy: Policy,
    called: Called<'a>,
    report: Report,
    /// Directories that were made, and what they get when they are full.
    made: Vec<(PathBuf, Entry)>,
    /// The directory in which the last entry was made.
    last: Option<(PathBuf, OwnedFd)>,
    buffer: Vec<u8>,
}

impl<'a> Placer<'a> {
    /// Puts entries into the directory `base`.
    pub fn new(base: OwnedFd, policy: Policy, called: Called<'a>) -> Self {
        Self {
            base,
            policy,
            called,
            report: Report::default(),
            made: Vec::new(),
            last: None,
            buffer: vec![0; file::BUFFER],
        }
    }

    /// Puts all of `source`, which may begin with the entry `first`, which was taken from it already.
    pub fn all(&mut self, source: &mut impl Entries, first: Option<Entry>) -> Result<Report> {
        let placed = self.each(source, first);
        // What could not be finished is left as it is to be, as far as it came.
        let settled = self.settle();
        placed.and(settled).map(|()| self.report)
    }

    fn each(&mut self, source: &mut impl Entries, first: Option<Entry>) -> Result<()> {
        let mut next = first;
        while let Some(entry) =
            next.take().map_or_else(|| source.next(), |entry| Ok(Some(entry)))?
        {
            let path = entry.path.clone();
            self.entry(entry, source).map_err(|error| described(error, &path))?;
        }
        if source.end()? {
            return Ok(());
        }
        Err(Error::new("the archive was cut off").hint("it has no end"))
    }

    /// The name that an archive calls `path`.
    fn name(&self, path: &[u8]) -> Result<Name> {
        let name = Name::of(path, DEPTH)?;
        let (new, passed) = match self.called {
            Called::Same => return Ok(name),
            Called::One(new) => (new, 1),
            Called::In(new) => (new, 0),
        };
        let renamed: PathBuf =
            std::iter::once(new).chain(name.path().iter().skip(passed)).collect();
        Name::of(renamed.as_os_str().as_bytes(), DEPTH)
    }

    fn entry(&mut self, mut entry: Entry, data: &mut impl Entries) -> Result<()> {
        let name = self.name(&entry.path)?;
        let Some(last) = name.last() else {
            // The directory itself, which is there.
            return match entry.kind {
                Kind::Dir => Ok(()),
                _ => Err(Error::new("it has no name")),
            };
        };
        if matches!(entry.kind, Kind::Char(..) | Kind::Block(..)) && !self.policy.privileges {
            self.report.devices += 1;
            return Ok(());
        }
        self.restrict(&mut entry);
        let parent = self.parent(name.parent())?;
        let existing = kind(parent.as_fd(), last)?;
        let is_dir = existing == Some(SFlag::S_IFDIR);
        match (&entry.kind, existing) {
            (Kind::Dir, Some(_)) if is_dir => return Ok(()),
            (Kind::Dir, Some(SFlag::S_IFLNK)) => {
                return Err(Error::new("there is a symbolic link in its place")
                    .hint("name the directory that the link leads to"));
            }
            (Kind::Dir, Some(_)) => return Err(Error::new("there is a file in its place")),
            (_, Some(_)) if is_dir => return Err(Error::new("there is a directory in its place")),
            (Kind::Dir, None) => {
                mkdirat(&parent, last, Mode::S_IRWXU).context(|| "cannot make it")?;
                self.made.push((name.path().to_owned(), entry));
                return Ok(());
            }
            _ => {}
        }
        self.node(&entry, (parent.as_fd(), last), data)
    }

    /// Puts what is not a directory in its place, where there may be something of the same kind.
    fn node(
        &mut self,
        entry: &Entry,
        (parent, name): (BorrowedFd<'_>, &OsStr),
        data: &mut impl Entries,
    ) -> Result<()> {
        if entry.kind == Kind::File {
            let attributes = Attributes::of(entry)?;
            let buffer = &mut self.buffer;
            self.report.attributes += file::put(parent, name, entry, &attributes, data, buffer)?;
            return Ok(());
        }
        let target = match &entry.kind {
            Kind::Hardlink(target) => {
                let target = self.name(target)?;
                let last = target.last().map(OsStr::to_owned);
                let last = last.ok_or_else(|| Error::new("cannot link it to a directory"))?;
                Some((self.parent(target.parent())?, last))
            }
            _ => None,
        };
        let spare = spare_name();
        let new = spare.as_os_str();
        let create = || match (&entry.kind, &target) {
            (Kind::Symlink(to), _) => symlinkat(OsStr::from_bytes(to), parent, new),
            (Kind::Hardlink(_), Some((dir, old))) => {
                linkat(dir, old.as_os_str(), parent, new, AtFlags::empty())
            }
            (&Kind::Char(major, minor), _) => node(parent, new, SFlag::S_IFCHR, (major, minor)),
            (&Kind::Block(major, minor), _) => node(parent, new, SFlag::S_IFBLK, (major, minor)),
            _ => node(parent, new, SFlag::S_IFIFO, (0, 0)),
        };
        match create() {
            Err(Errno::EPERM) if matches!(entry.kind, Kind::Char(..) | Kind::Block(..)) => {
                self.report.devices += 1;
                return Ok(());
            }
            result => result.context(|| "cannot make it")?,
        }
        let finish = || {
            // A further name has the attributes of the first.
            let left_out = match entry.kind {
                Kind::Hardlink(_) => 0,
                _ => Attributes::of(entry)?.of_node(parent, new)?,
            };
            renameat(parent, new, parent, name).context(|| "cannot put it in its place")?;
            Ok(left_out)
        };
        let finished = finish();
        // Two names of the same file are not renamed, and where it failed the first is worthless.
        let _ = unlinkat(parent, new, UnlinkatFlags::NoRemoveDir);
        self.report.attributes += finished?;
        Ok(())
    }

    /// Takes from `entry` what it is not to keep.
    fn restrict(&mut self, entry: &mut Entry) {
        const CAPABILITY: &[u8] = b"security.capability";
        const SET_ID: u32 = 0o6000;
        if let Some((uid, gid)) = self.policy.owner {
            (entry.uid, entry.gid) = (uid.into(), gid.into());
            // It names users and groups of where it was.
            entry.attributes.retain(|(name, _)| !name.starts_with(b"system.posix_acl_"));
        }
        if self.policy.privileges {
            return;
        }
        // What the bit of a directory asks for is a matter of groups.
        let set_id = if entry.kind == Kind::Dir { 0 } else { entry.mode & SET_ID };
        let has_capability = entry.attributes.iter().any(|(name, _)| name == CAPABILITY);
        let is_real = !matches!(entry.kind, Kind::Symlink(_) | Kind::Hardlink(_));
        if is_real && (set_id != 0 || has_capability) {
            self.report.privileges += 1;
            entry.mode &= !SET_ID;
            entry.attributes.retain(|(name, _)| name != CAPABILITY);
        }
    }

    /// The directory `path`, which is there: an archive names directories before what is in them, or means
    /// one that is there.
    fn parent(&mut self, path: &Path) -> Result<OwnedFd> {
        let failed = || "cannot open its directory";
        if let Some((last, dir)) = &self.last
            && last == path
        {
            return dir.try_clone().context(failed);
        }
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        let below = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let dir = match beneath::open(self.base.as_fd(), below, flags) {
            Err(Errno::ENOENT) => self.make_dirs(path)?,
            Err(errno @ (Errno::ELOOP | Errno::ENOTDIR)) => {
                return Err(Error::new(failed())
                    .errno(errno)
                    .hint("it leads through a symbolic link or a file; name the real directory"));
            }
            result => result.context(failed)?,
        };
        let kept = dir.try_clone().context(failed)?;
        self.last = Some((path.to_owned(), kept));
        Ok(dir)
    }

    /// Makes directories that the archive does not name.
    fn make_dirs(&mut self, path: &Path) -> Result<OwnedFd> {
        let (uid, gid) = self.policy.owner.unwrap_or((0, 0));
        let mut done = PathBuf::new();
        let mut dir = self.base.try_clone().context(|| "cannot open its directory")?;
        for component in path {
            done.push(component);
            match mkdirat(&dir, component, Mode::S_IRWXU) {
                Ok(()) => {
                    let entry = Entry {
                        path: done.as_os_str().as_bytes().to_vec(),
                        kind: Kind::Dir,
                        mode: 0o755,
                        uid: uid.into(),
                        gid: gid.into(),
                        modified: now(),
                        attributes: Vec::new(),
                        size: 0,
                        extents: None,
                    };
                    self.made.push((done.clone(), entry));
                }
                Err(Errno::EEXIST) => {}
                Err(errno) => return Err(Error::new("cannot make its directory").errno(errno)),
            }
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
            dir = beneath::open(dir.as_fd(), Path::new(component), flags)
                .context(|| "cannot open its directory")?;
        }
        Ok(dir)
    }

    /// Gives the directories that were made what they are to have, the last one first: until then they are
    /// their maker's, and what is made in them changes their time.
    fn settle(&mut self) -> Result<()> {
        self.last = None;
        for (path, entry) in std::mem::take(&mut self.made).iter().rev() {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
            let set = || {
                let dir =
                    beneath::open(self.base.as_fd(), path, flags).context(|| "cannot open it")?;
                Attributes::of(entry)?.of_open(dir.as_fd())
            };
            self.report.attributes +=
                set().map_err(|error| described(error, path.as_os_str().as_bytes()))?;
        }
        Ok(())
    }
}

/// Says which entry failed, and what keeping owners needs.
fn described(error: Error, path: &[u8]) -> Error {
    let about_owner = error.what.contains("owner");
    let error = Error { what: format!("cannot copy {}: {}", shown(path), error.what), ..error };
    if about_owner && error.is(Errno::EPERM) {
        return error.hint("only root can keep owners: without -a all belongs to the caller");
    }
    if about_owner && error.is(Errno::EINVAL) {
        return error.hint("the container's id map (lxc.idmap) has no such user or group");
    }
    error
}

fn now() -> (i64, u32) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or((0, 0), |now| (now.as_secs().cast_signed(), now.subsec_nanos()))
}

fn node(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    kind: SFlag,
    (major, minor): (u32, u32),
) -> nix::Result<()> {
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    mknodat(parent, name, kind, mode, makedev(major.into(), minor.into()))
}

/// What `name` in `dir` is.
fn kind(dir: BorrowedFd<'_>, name: &OsStr) -> Result<Option<SFlag>> {
    match fstatat(dir, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(Error::new("cannot look for it").errno(errno)),
    }
}

/// A name for what is on its way to another.
fn spare_name() -> OsString {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(".lxc-rs-{}-{number}", std::process::id()).into()
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(&lxc_sys::visible::visible(path)).replace(['\n', '\t'], "?")
}

#[cfg(test)]
mod tests;
