//! Operations on a container's files that take effect completely or not at all, whatever ends them.
//!
//! - Whoever changes or removes the files of a container holds an [`Operation`], from before the first
//!   check to the end. The kernel releases it if its holder is killed.
//! - While the files are neither the old nor the new ones, the container has a [`mark::Mark`]: written
//!   first, removed last, after the data is on the disk.
//! - Where a call fails, the operation is undone, or tried once more if it cannot be undone ([`try_again`]).
//! - An operation that was killed is completed or undone by the next one on the container, a start included
//!   ([`settle`], which knows how for a [`renaming`], a [`restoration`] and a [`shifting`]), or can be removed
//!   ([`removal`]).

mod address;
mod directory;
pub mod mark;
pub(super) mod removal;
pub(super) mod renaming;
pub(super) mod restoration;
pub(super) mod shifting;

use std::os::fd::OwnedFd;
use std::path::Path;

use super::lock::{DefinitionLock, definition, holder};
use crate::config::sweep_temporary;
use crate::error::{Context, Error, Kind, Result};
use crate::identity::Identity;
use crate::storage::copy::Watch;
use crate::sys::lock::FileLock;

pub use address::bind_socket;
use mark::{Mark, Unfinished};

/// The exclusive right to change the files of a container that does not run. While it is held the
/// container cannot be started, not even by C LXC, nor copied.
#[derive(Debug)]
pub struct Operation {
    identity: Identity,
    _lock: DefinitionLock,
    _directory: FileLock,
    _address: OwnedFd,
}

impl Operation {
    /// Begins an operation of the tool `tool` on a complete container; an earlier one that was killed is
    /// completed or undone first. Fails with [`Kind::AlreadyRunning`] if the container runs.
    pub fn begin(identity: &Identity, tool: &str) -> Result<Self> {
        let operation = Self::hold(identity, tool).map_err(|error| match error.kind {
            Kind::AlreadyRunning => Error::new(format!("{identity} is running"))
                .kind(Kind::AlreadyRunning)
                .hint("stop it first"),
            _ => error,
        })?;
        recover(identity)?;
        Ok(operation)
    }

    /// As [`begin`](Self::begin), on what may be only the rest of a container.
    pub(super) fn hold(identity: &Identity, tool: &str) -> Result<Self> {
        // In this order everywhere: the directory's lock, then the definition's. A process that reads a
        // container on which others will be based takes the second while it has the first.
        let directory = directory::exclusive(identity)?;
        let lock = definition(identity)?;
        lock.sign(tool)?;
        let address = bind_socket(identity)?;
        let identity = identity.clone();
        Ok(Self { identity, _lock: lock, _directory: directory, _address: address })
    }

    /// Completes or undoes an operation that was killed, if that is possible; if not, its remains are
    /// removed with the container.
    pub(super) fn recover_for_removal(&self) {
        let can_be =
            mark::read(&self.identity).ok().flatten().is_none_or(|it| it.can_be_completed());
        if can_be && let Err(error) = recover(&self.identity) {
            log::warn!("{error}");
        }
    }
}

/// Completes or undoes what was not finished in the container, whose [`Operation`] the caller has.
fn recover(identity: &Identity) -> Result<()> {
    match (mark::read(identity)?, Mark::take(identity)?) {
        (Some(Unfinished::Restore), Some(mark)) => restoration::complete(identity, mark)?,
        (Some(Unfinished::Rename { from, to }), Some(mark)) => {
            renaming::settle(identity, &from, &to, mark)?;
        }
        (Some(Unfinished::Shift(shifting)), Some(mark)) => {
            shifting::complete(identity, mark, &shifting, Watch::default())?;
        }
        (Some(_), _) => return Err(refusal(identity)),
        (None, _) => restoration::discard(identity)?,
    }
    sweep_temporary(&identity.dir())
}

/// What to say after the `error` of an operation on the container that cannot be undone any more: it is tried
/// once more, as the next operation would. If that succeeds, `done` tells what the container is now.
pub(super) fn try_again(identity: &Identity, error: Error, done: &str) -> Error {
    after_second_try(error, recover(identity).is_ok(), done)
}

/// The same error, which also says what is `done` if the second try has `succeeded`. It remains an error:
/// the disk may not have what the first try failed to write. After a second failure the mark is there for
/// the next operation.
fn after_second_try(error: Error, succeeded: bool, done: &str) -> Error {
    if succeeded { error.note(format!("the second try succeeded: {done}")) } else { error }
}

/// Whether there is anything at `path`. What cannot be looked at is not taken for gone.
fn exists(path: &Path) -> Result<bool> {
    path.try_exists().context(|| format!("cannot look at {}", path.display()))
}

/// The right to read a container's files: they do not change and do not vanish meanwhile, unless by the
/// container itself.
#[derive(Debug)]
pub struct Reading {
    _directory: FileLock,
}

/// Begins to read the files of a complete container, for `tool`.
pub fn read(identity: &Identity, tool: &str) -> Result<Reading> {
    settle(identity, tool)?;
    let directory = directory::shared(identity)?;
    refuse_unfinished(identity)?;
    sweep_temporary(&identity.dir())?;
    Ok(Reading { _directory: directory })
}

/// Completes or undoes, as `tool`, what was killed in the container, if that can be; fails if it is only
/// to be removed, or if it is not finished yet. For a complete container it only looks for the mark.
pub fn settle(identity: &Identity, tool: &str) -> Result<()> {
    match mark::read(identity)? {
        None => Ok(()),
        Some(unfinished) if unfinished.can_be_completed() && !mark::is_held(identity)? => {
            Operation::begin(identity, tool).map(drop)
        }
        Some(_) => Err(refusal(identity)),
    }
}

/// Fails if the container has a mark.
pub fn refuse_unfinished(identity: &Identity) -> Result<()> {
    if mark::exists(identity) { Err(refusal(identity)) } else { Ok(()) }
}

fn refusal(identity: &Identity) -> Error {
    if mark::read(identity).ok().flatten().is_some_and(|it| it.can_be_completed()) {
        return in_use(identity);
    }
    Error::new("Ongoing container creation detected").hint(format!(
        "wait for lxc-create; if it was killed, remove the rest with: lxc-destroy -n {}",
        identity.name
    ))
}

fn in_use(identity: &Identity) -> Error {
    let by = holder(identity).map_or_else(|| "another program".to_owned(), |it| it.to_string());
    Error::new(format!("{identity} is being changed by {by}")).hint("try again when it is done")
}
