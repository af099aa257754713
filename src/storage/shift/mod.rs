//! Giving the files of a root filesystem to other ids: owners, ACLs ([`acl`]) and file capabilities
//! ([`capability`]).
//!
//! Everything is done below a directory descriptor, one name at a time, on what is open already: no
//! symbolic link is followed, no device or fifo opened, nothing on another mount touched. An entry is
//! judged by its own ids alone ([`Shift`]), so one with several names is shifted once, and a walk that
//! was killed is completed by another one. What would lose set-ID bits or capabilities meanwhile is
//! written down first ([`special`]).

mod acl;
mod capability;
mod entry;
mod ids;
pub mod special;

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::dir::Type;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{FileStat, fstat};
use serde::{Deserialize, Serialize};

use super::copy::{Name, Progress, Watch, list};
use super::tree::open_dir;
use super::workers;
use crate::error::{Context, Error, Result};
use entry::{Done, Entry, is_dir};
pub use ids::Shift;
use special::Special;

/// How many entries are written down at once.
const BATCH: usize = 1024;

/// What a walk has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Entries seen.
    pub entries: u64,
    /// Those that have new ids.
    pub shifted: u64,
    /// Those of other ids, which were left alone.
    pub foreign: u64,
    /// The first of those, below the root of the tree.
    pub first_foreign: Option<PathBuf>,
}

impl Outcome {
    /// Adds what another walk has done.
    pub fn add(&mut self, other: Self) {
        self.entries += other.entries;
        self.shifted += other.shifted;
        self.foreign += other.foreign;
        self.first_foreign = self.first_foreign.take().or(other.first_foreign);
    }
}

/// Writes down what entries have; called before they are changed.
pub type Record<'a> = dyn FnMut(&[Special]) -> Result<()> + Send + 'a;

/// Completes what a killed walk has written down, as [`special::parse`] read it.
pub fn finish(root: BorrowedFd<'_>, shift: &Shift, specials: &[Special]) -> Result<()> {
    specials.iter().try_for_each(|special| special.finish(root, shift))
}

/// Gives the directory `root` and all that is in it to the new ids. Once more after it failed completes
/// it.
pub fn tree(
    root: BorrowedFd<'_>,
    shift: &Shift,
    watch: Watch<'_>,
    record: &mut Record<'_>,
) -> Result<Outcome> {
    let pending = Pending { record, specials: Vec::new(), outcome: Outcome::default() };
    let entries = AtomicU64::new(0);
    let walk = Walk { root, shift, watch, entries, pending: Mutex::new(pending) };
    let first = open_dir(root, c".").context(|| failed(Path::new("")))?;
    let report = watch.report.map(|report| || report(walk.progress()));
    workers::run(
        Job::Root(first),
        || (),
        |job, ()| walk.job(job),
        report.as_ref().map(|report| report as &dyn Fn()),
    )?;
    walk.flush(&mut walk.pending())?;
    Ok(walk.outcome())
}

/// What the workers share.
struct Walk<'a, 'r> {
    root: BorrowedFd<'a>,
    shift: &'a Shift,
    watch: Watch<'a>,
    entries: AtomicU64,
    pending: Mutex<Pending<'a, 'r>>,
}

/// What one worker at a time has to do with.
struct Pending<'a, 'r> {
    record: &'a mut Record<'r>,
    /// What is to be written down before it is shifted.
    specials: Vec<Special>,
    outcome: Outcome,
}

/// A directory to shift.
enum Job {
    Root(OwnedFd),
    Below(Arc<Open>, CString),
}

/// A directory that is open as long as there is something to do in it.
struct Open {
    fd: OwnedFd,
    /// Below the root of the tree.
    path: PathBuf,
}

impl Open {
    fn below(&self, name: &CStr) -> PathBuf {
        self.path.join(OsStr::from_bytes(name.to_bytes()))
    }
}

impl<'a, 'r> Walk<'a, 'r> {
    fn job(&self, job: Job) -> Result<Vec<Job>> {
        let (parent, name) = match job {
            Job::Root(fd) => return self.directory(Open { fd, path: PathBuf::new() }),
            Job::Below(parent, name) => (parent, name),
        };
        let path = parent.below(&name);
        match open_dir(parent.fd.as_fd(), &name) {
            Ok(fd) => self.directory(Open { fd, path }),
            // Removed or replaced meanwhile, or a mount.
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EXDEV) => Ok(Vec::new()),
            Err(errno) => Err(Error::new(failed(&path)).errno(errno)),
        }
    }

    /// Shifts a directory and what is in it; its subdirectories become jobs.
    fn directory(&self, dir: Open) -> Result<Vec<Job>> {
        let what = || failed(&dir.path);
        let stat = fstat(&dir.fd).context(what)?;
        let done =
            Entry::new(&dir.fd, stat).shift(self.shift, dir.fd.as_fd(), c".").context(what)?;
        let mut shifted = 0;
        shifted += self.count(done, &stat, || dir.path.clone())?;
        let dir = Arc::new(dir);
        let mut jobs = Vec::new();
        for Name { kind, text: name, .. } in list(&dir.fd).context(|| failed(&dir.path))? {
            match self.entry(&dir, &name, kind)? {
                Some(new) => shifted += new,
                None => jobs.push(Job::Below(Arc::clone(&dir), name)),
            }
        }
        self.pending().outcome.shifted += shifted;
        Ok(jobs)
    }

    /// Shifts an entry unless it is a directory, and says whether that was to be done (1).
    fn entry(&self, dir: &Open, name: &CStr, kind: Option<Type>) -> Result<Option<u64>> {
        if kind == Some(Type::Directory) {
            return Ok(None);
        }
        let what = || failed(&dir.below(name));
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_NO_XDEV);
        let fd = match openat2(&dir.fd, name, how) {
            // Removed meanwhile, or a mount.
            Err(Errno::ENOENT | Errno::EXDEV) => return Ok(Some(0)),
            opened => opened.context(what)?,
        };
        let stat = fstat(&fd).context(what)?;
        if is_dir(&stat) {
            return Ok(None);
        }
        let done = Entry::new(&fd, stat)
            .shift(self.shift, dir.fd.as_fd(), name)
            .context(what)
            .map_err(|error| {
                if error.is(Errno::EPERM) {
                    error.hint("it may be immutable: lsattr(1)")
                } else {
                    error
                }
            })?;
        self.count(done, &stat, || dir.below(name)).map(Some)
    }

    /// Counts an entry, and says whether it has new ids (1).
    fn count(&self, done: Done, stat: &FileStat, path: impl Fn() -> PathBuf) -> Result<u64> {
        if self.watch.is_interrupted() {
            return Err(Error::new("interrupted"));
        }
        self.entries.fetch_add(1, Ordering::Relaxed);
        match done {
            Done::Kept => Ok(0),
            Done::Shifted => Ok(1),
            Done::Foreign => {
                let outcome = &mut self.pending().outcome;
                outcome.foreign += 1;
                outcome.first_foreign.get_or_insert_with(path);
                Ok(0)
            }
            Done::Special { mode, capability } => {
                let inode = stat.st_ino;
                let mut pending = self.pending();
                pending.specials.push(Special { path: path(), inode, mode, capability });
                if pending.specials.len() >= BATCH {
                    self.flush(&mut pending)?;
                }
                Ok(1)
            }
        }
    }

    fn pending(&self) -> MutexGuard<'_, Pending<'a, 'r>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shifts what had to be written down.
    fn flush(&self, pending: &mut Pending<'_, '_>) -> Result<()> {
        let specials = std::mem::take(&mut pending.specials);
        if specials.is_empty() {
            return Ok(());
        }
        (pending.record)(&specials)?;
        finish(self.root, self.shift, &specials)
    }

    fn progress(&self) -> Progress {
        Progress { entries: self.entries.load(Ordering::Relaxed), bytes: 0 }
    }

    fn outcome(&self) -> Outcome {
        Outcome { entries: self.progress().entries, ..self.pending().outcome.clone() }
    }
}

fn failed(path: &Path) -> String {
    format!("cannot give /{} to other ids", path.display())
}

#[cfg(test)]
mod tests;
