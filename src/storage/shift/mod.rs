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
use std::rc::Rc;
use std::time::Instant;

use nix::dir::Type;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{FileStat, fstat};
use serde::{Deserialize, Serialize};

use super::copy::{Name, Progress, REPORT_EVERY, Watch, list};
use super::tree::open_dir;
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
pub type Record<'a> = dyn FnMut(&[Special]) -> Result<()> + 'a;

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
    let outcome = Outcome::default();
    let mut walk = Walk { root, shift, watch, record, specials: Vec::new(), outcome, told: None };
    walk.run()?;
    walk.flush()?;
    walk.report(true);
    Ok(walk.outcome)
}

struct Walk<'a> {
    root: BorrowedFd<'a>,
    shift: &'a Shift,
    watch: Watch<'a>,
    record: &'a mut Record<'a>,
    specials: Vec<Special>,
    outcome: Outcome,
    told: Option<Instant>,
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

impl Walk<'_> {
    fn run(&mut self) -> Result<()> {
        let root = open_dir(self.root, c".").context(|| failed(Path::new("")))?;
        let mut jobs = Vec::new();
        self.directory(Open { fd: root, path: PathBuf::new() }, &mut jobs)?;
        while let Some((parent, name)) = jobs.pop() {
            let path = parent.below(&name);
            match open_dir(parent.fd.as_fd(), &name) {
                Ok(fd) => self.directory(Open { fd, path }, &mut jobs)?,
                // Removed or replaced meanwhile, or a mount.
                Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EXDEV) => {}
                Err(errno) => return Err(Error::new(failed(&path)).errno(errno)),
            }
        }
        Ok(())
    }

    /// Shifts a directory and what is in it; its subdirectories become jobs.
    fn directory(&mut self, dir: Open, jobs: &mut Vec<(Rc<Open>, CString)>) -> Result<()> {
        let what = || failed(&dir.path);
        let stat = fstat(&dir.fd).context(what)?;
        let done = Entry::new(&dir.fd, stat).shift(self.shift).context(what)?;
        self.count(done, &stat, || dir.path.clone())?;
        let dir = Rc::new(dir);
        for Name { kind, text: name, .. } in list(&dir.fd).context(|| failed(&dir.path))? {
            if kind == Some(Type::Directory) || self.entry(&dir, &name)? {
                jobs.push((Rc::clone(&dir), name));
            }
        }
        Ok(())
    }

    /// Shifts an entry unless it is a directory, and says whether it is one.
    fn entry(&mut self, dir: &Open, name: &CStr) -> Result<bool> {
        let what = || failed(&dir.below(name));
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_NO_XDEV);
        let fd = match openat2(&dir.fd, name, how) {
            // Removed meanwhile, or a mount.
            Err(Errno::ENOENT | Errno::EXDEV) => return Ok(false),
            opened => opened.context(what)?,
        };
        let stat = fstat(&fd).context(what)?;
        if is_dir(&stat) {
            return Ok(true);
        }
        let done = Entry::new(&fd, stat).shift(self.shift).context(what).map_err(|error| {
            if error.is(Errno::EPERM) {
                error.hint("it may be immutable: lsattr(1)")
            } else {
                error
            }
        })?;
        self.count(done, &stat, || dir.below(name))?;
        Ok(false)
    }

    fn count(&mut self, done: Done, stat: &FileStat, path: impl Fn() -> PathBuf) -> Result<()> {
        if self.watch.is_interrupted() {
            return Err(Error::new("interrupted"));
        }
        let outcome = &mut self.outcome;
        outcome.entries += 1;
        match done {
            Done::Kept => {}
            Done::Shifted => outcome.shifted += 1,
            Done::Foreign => {
                outcome.foreign += 1;
                outcome.first_foreign.get_or_insert_with(path);
            }
            Done::Special { mode, capability } => {
                outcome.shifted += 1;
                let inode = stat.st_ino;
                self.specials.push(Special { path: path(), inode, mode, capability });
                if self.specials.len() >= BATCH {
                    self.flush()?;
                }
            }
        }
        self.report(false);
        Ok(())
    }

    /// Shifts what had to be written down.
    fn flush(&mut self) -> Result<()> {
        let specials = std::mem::take(&mut self.specials);
        if specials.is_empty() {
            return Ok(());
        }
        (self.record)(&specials)?;
        finish(self.root, self.shift, &specials)
    }

    fn report(&mut self, at_the_end: bool) {
        let Some(report) = self.watch.report else { return };
        if at_the_end || self.told.is_none_or(|told| told.elapsed() >= REPORT_EVERY) {
            report(Progress { entries: self.outcome.entries, bytes: 0 });
            self.told = Some(Instant::now());
        }
    }
}

fn failed(path: &Path) -> String {
    format!("cannot give /{} to other ids", path.display())
}

#[cfg(test)]
mod tests;
