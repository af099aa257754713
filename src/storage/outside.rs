//! Storage outside a container's own directory: a volume that does not go with the directory.
//!
//! Before it is made, a record of it is written into the directory, so that what a killed copy or restore has
//! made is found. The record stays where it is, and moves with the rest of the directory.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{backend, value};
use crate::config::{RootfsPath, write_whole};
use crate::error::{Context, Result};
use crate::sys::remove;

/// Its name in the container's directory.
const RECORD: &str = ".volume";

fn record_in(home: &Path) -> PathBuf {
    home.join(RECORD)
}

/// `name`, or the first like it that is not taken: a restored container has that of the one it takes the place
/// of, and the snapshots of all containers are called alike.
pub(super) fn free_name(name: &str, is_taken: impl Fn(&str) -> Result<bool>) -> Result<String> {
    let mut free = name.to_owned();
    let mut number = 0;
    while is_taken(&free)? {
        number += 1;
        free = format!("{name}_{number}");
    }
    Ok(free)
}

/// Says that `path` is about to be made for the container in `home`.
pub(super) fn note(home: &Path, path: &RootfsPath) -> Result<()> {
    write_whole(&record_in(home), format!("{}\n", value(path)))
}

/// Makes `path` for the container in `home`: does `act`, which leaves nothing if it fails, and says so before.
pub(super) fn make(home: &Path, path: &RootfsPath, act: impl FnOnce() -> Result<()>) -> Result<()> {
    note(home, path)?;
    act().or_else(|error| {
        forget(home)?;
        Err(error)
    })
}

/// Says that it was not.
pub(super) fn forget(home: &Path) -> Result<()> {
    remove::file(&record_in(home))
}

/// What was, or was about to be, made for the container in `home`.
pub fn noted(home: &Path) -> Result<Option<RootfsPath>> {
    let record = record_in(home);
    let text = match std::fs::read_to_string(&record) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.context(|| format!("cannot read {}", record.display()))?,
    };
    let path = text.trim_end().split_once(':').map(|(backend, source)| RootfsPath {
        backend: Some(backend.to_owned()),
        source: source.to_owned(),
    });
    Ok(path)
}

/// Removes what is outside the directory `home` of a copy, creation or restore that did not end.
pub fn discard(home: &Path) -> Result<()> {
    let Some(path) = noted(home)? else { return Ok(()) };
    if let Some(backend) = path.backend.as_deref().and_then(|name| backend(name).ok()) {
        backend.destroy(&path.source, home)?;
    }
    forget(home)
}
