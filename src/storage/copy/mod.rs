//! Copying a directory tree as it is: content with its holes, hard links, owners, modes, times,
//! extended attributes (with them ACLs and file capabilities), links, devices, fifos and sockets.
//!
//! Everything is done below two directory descriptors, one name at a time, and no symbolic link is
//! followed: what lies in the tree is not trusted. Nothing on another mount is copied; a directory
//! with a mount on it becomes an empty one. What vanishes while the tree is copied is left out, as
//! rsync(1) does.
//!
//! A job is one directory: its entries are made, then its own attributes are set, then its
//! subdirectories become jobs. So a directory's time is right without a second pass, its default
//! ACL meets no entry that it could be inherited by, and as many workers as there are processors
//! take jobs off one stack, which keeps few directories open.

mod attributes;
mod data;
mod entry;

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, fchmod, fstat, fstatat, mkdirat};

use super::workers;
use crate::error::{Context, Error, Result};

/// How far a copy is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Entries made: files, directories, links, …
    pub entries: u64,
    /// Bytes of content copied.
    pub bytes: u64,
}

/// The observer of a copy, who can end it.
#[derive(Clone, Copy, Default)]
pub struct Watch<'a> {
    /// Once it is true the copy fails.
    pub interrupted: Option<&'a AtomicBool>,
    /// Is told the progress several times a second, and at the end.
    pub report: Option<&'a (dyn Fn(Progress) + Sync)>,
}

impl Watch<'_> {
    /// Whether it is to end.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
}

/// Copies what is in the directory `source` into the empty directory `target`, and the attributes of
/// `source` itself. What was made stays when it fails: the caller removes `target`.
pub fn tree(source: BorrowedFd<'_>, target: BorrowedFd<'_>, watch: Watch<'_>) -> Result<()> {
    // The parent's set-group-ID bit and default ACL are on the target now and would be inherited by all
    // that is made in it.
    fchmod(target, Mode::S_IRWXU).context(|| "cannot set the mode of the copy")?;
    attributes::clear_acls(target).context(|| "cannot clear the ACL of the copy")?;
    let copy = Copy {
        target,
        links: Mutex::default(),
        data: data::Method::default(),
        new_files: attributes::NewFiles::of_this_process(),
        entries: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        watch,
    };
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let open =
        |dir| openat(dir, c".", flags, Mode::empty()).context(|| "cannot open the directory");
    let root = Pair { source: open(source)?, target: open(target)?, path: PathBuf::new() };
    let report = watch.report.map(|report| || report(copy.progress()));
    workers::run(
        Job::Root(root),
        data::buffer,
        |job, buffer| copy.directory(job, buffer),
        report.as_ref().map(|report| report as &dyn Fn()),
    )
}

/// Copies the content of the file `source` to the empty file `target`.
pub(super) fn content(source: &File, target: &File, watch: Watch<'_>) -> Result<()> {
    let failed = || "cannot copy the file";
    let stat = fstat(source).context(failed)?;
    let bytes = AtomicU64::new(0);
    let step = |more| {
        let bytes = bytes.fetch_add(more, Ordering::Relaxed) + more;
        watch.report.inspect(|report| report(Progress { entries: 1, bytes }));
        if watch.is_interrupted() { Err(Errno::EINTR) } else { Ok(()) }
    };
    let copied = data::Method::default().copy(source, target, &stat, &mut data::buffer(), step);
    match copied {
        Err(Errno::EINTR) if watch.is_interrupted() => Err(Error::new("interrupted")),
        copied => copied.context(failed),
    }
}

/// Gives the directory `target` the owner and the mode of `source`.
pub fn owner_and_mode(source: &impl AsFd, target: &Path) -> Result<()> {
    let failed = || format!("cannot set owner and mode of {}", target.display());
    let stat = fstat(source).context(failed)?;
    let target = File::open(target).context(failed)?;
    attributes::owner_and_mode(&target, &stat).context(failed)
}

/// A directory and its copy.
#[derive(Debug)]
struct Pair {
    source: OwnedFd,
    target: OwnedFd,
    /// Below the root of the tree; for messages and for hard links.
    path: PathBuf,
}

impl Pair {
    /// The path of the entry `name`, below the root of the tree.
    fn below(&self, name: &CStr) -> PathBuf {
        self.path.join(OsStr::from_bytes(name.to_bytes()))
    }
}

/// A directory to fill.
#[derive(Debug)]
enum Job {
    Root(Pair),
    /// The copy is there, empty.
    Below(Arc<Pair>, CString),
}

/// What the workers share.
struct Copy<'a> {
    target: BorrowedFd<'a>,
    /// Where the first name of a file with several names is, by device and inode of the source.
    links: Mutex<HashMap<(u64, u64), PathBuf>>,
    data: data::Method,
    new_files: attributes::NewFiles,
    entries: AtomicU64,
    bytes: AtomicU64,
    watch: Watch<'a>,
}

/// A name in a directory.
#[derive(Debug)]
pub(super) struct Name {
    inode: u64,
    pub(super) kind: Option<Type>,
    pub(super) text: CString,
}

impl Copy<'_> {
    fn progress(&self) -> Progress {
        Progress {
            entries: self.entries.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    fn check_interrupted(&self) -> Result<()> {
        if self.watch.is_interrupted() { Err(Error::new("interrupted")) } else { Ok(()) }
    }

    /// Fills one directory; the jobs are those below it.
    fn directory(&self, job: Job, buffer: &mut [u8]) -> Result<Vec<Job>> {
        let pair = match job {
            Job::Root(pair) => pair,
            Job::Below(parent, name) => match open_below(&parent, &name)? {
                Some(pair) => pair,
                None => return Ok(Vec::new()),
            },
        };
        let failed = || failed(&pair.path);
        let stat = fstat(&pair.source).context(failed)?;
        let mut below = Vec::new();
        for name in list(&pair.source).context(failed)? {
            self.check_interrupted()?;
            if self.entry(&pair, &name, buffer)? {
                below.push(name.text);
            }
            self.entries.fetch_add(1, Ordering::Relaxed);
        }
        let made = (self.new_files, Mode::S_IRWXU);
        attributes::of_open(&pair.source, &pair.target, &stat, made).context(failed)?;
        let pair = Arc::new(pair);
        Ok(below.into_iter().rev().map(|name| Job::Below(Arc::clone(&pair), name)).collect())
    }

    /// Makes one entry; says whether it is a directory, which is made empty.
    fn entry(&self, pair: &Pair, name: &Name, buffer: &mut [u8]) -> Result<bool> {
        let result = match name.kind {
            Some(Type::Directory) => make_dir(pair, &name.text).map(|()| true),
            Some(Type::File) => self.file(pair, &name.text, buffer).map(|()| false),
            Some(_) => self.special(pair, &name.text).map(|()| false),
            None => self.of_unknown_kind(pair, name, buffer),
        };
        match result {
            Err(error) if error.is(Errno::ENOENT) && has_vanished(pair, &name.text) => Ok(false),
            result => result,
        }
    }
}

fn make_dir(pair: &Pair, name: &CStr) -> Result<()> {
    mkdirat(&pair.target, name, Mode::S_IRWXU).context(|| failed(&pair.below(name)))
}

/// Opens the directory `name` and its copy; `None` if there is nothing to fill it from.
fn open_below(parent: &Pair, name: &CStr) -> Result<Option<Pair>> {
    let path = parent.below(name);
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let on_this_mount = OpenHow::new()
        .flags(flags)
        .resolve(ResolveFlag::RESOLVE_NO_XDEV | ResolveFlag::RESOLVE_NO_SYMLINKS);
    let target = openat(&parent.target, name, flags, Mode::empty());
    let target = target.context(|| failed(&path))?;
    match openat2(&parent.source, name, on_this_mount) {
        Ok(source) => Ok(Some(Pair { source, target, path })),
        Err(Errno::ENOENT) => Ok(None),
        Err(Errno::EXDEV) => {
            let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let mount = openat(&parent.source, name, flags, Mode::empty());
            let stat = mount.and_then(fstat).context(|| failed(&path))?;
            attributes::owner_and_mode(&target, &stat).context(|| failed(&path))?;
            Ok(None)
        }
        Err(errno) => Err(Error::new(failed(&path)).errno(errno)),
    }
}

/// Whether the source has no such entry any more.
fn has_vanished(pair: &Pair, name: &CStr) -> bool {
    let found = fstatat(&pair.source, name, AtFlags::AT_SYMLINK_NOFOLLOW);
    matches!(found, Err(Errno::ENOENT))
}

fn failed(path: &Path) -> String {
    format!("cannot copy /{}", path.display())
}

/// The names in a directory, in the order of their inodes: that is how they lie on the disk.
pub(super) fn list(dir: &OwnedFd) -> nix::Result<Vec<Name>> {
    let mut listing = Dir::from_fd(dir.try_clone().map_err(|_| Errno::EMFILE)?)?;
    let mut names = Vec::new();
    for entry in listing.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push(Name { inode: entry.ino(), kind: entry.file_type(), text: name.to_owned() });
        }
    }
    names.sort_unstable_by_key(|name| name.inode);
    Ok(names)
}
