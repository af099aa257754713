//! What of root filesystems these tools have attached to the host: activated volumes, connected devices.
//!
//! Each is a link to its device in the runtime directory, whose name is made of what was attached. It is made
//! before that is done and removed after it is undone, so whoever comes after a killed process knows of it, and
//! it does not outlive the boot. What somebody else has attached has no link, and is never detached here.

use std::path::{Path, PathBuf};

use crate::error::{Context, Result};
use crate::hash::fnv1a64;
use crate::paths;
use crate::sys::lock::FileLock;
use crate::sys::remove;

use super::Backend;

/// The link of the root filesystem `source`.
pub(super) fn link(backend: &dyn Backend, source: &str) -> PathBuf {
    let name = format!("{}-{:016x}", backend.name(), fnv1a64(source.as_bytes()));
    paths::attached_dir().join(name)
}

/// Keeps others from attaching and detaching.
pub(super) fn lock() -> Result<FileLock> {
    let dir = paths::attached_dir();
    let failed = || format!("cannot lock {}", dir.display());
    std::fs::create_dir_all(&dir).context(failed)?;
    FileLock::own(&dir.join("lock")).context(failed)
}

/// The device of `source`, if it was attached by these tools, or was about to be.
pub(super) fn device(backend: &dyn Backend, source: &str) -> Option<PathBuf> {
    std::fs::read_link(link(backend, source)).ok()
}

/// Says that `source` is about to be attached as `device`.
pub(super) fn note(backend: &dyn Backend, source: &str, device: &Path) -> Result<()> {
    let link = link(backend, source);
    let failed = || format!("cannot make the link {}", link.display());
    forget(backend, source)?;
    std::os::unix::fs::symlink(device, &link).context(failed)
}

/// Attaches `source` as `device`: does `act`, and says so before.
pub(super) fn attach(
    backend: &dyn Backend,
    source: &str,
    device: &Path,
    act: impl FnOnce() -> Result<()>,
) -> Result<()> {
    note(backend, source, device)?;
    act().or_else(|error| {
        forget(backend, source)?;
        Err(error)
    })
}

/// Says that it is not, or no longer.
pub(super) fn forget(backend: &dyn Backend, source: &str) -> Result<()> {
    remove::file(&link(backend, source))
}

/// What keeps a root filesystem attached while it is used without its container.
#[derive(Debug)]
pub struct Attached {
    backend: &'static dyn Backend,
    source: String,
}

impl Attached {
    /// Attaches `source`; `None` where nothing had to be done.
    pub(super) fn of(backend: &'static dyn Backend, source: &str) -> Result<Option<Self>> {
        let is_new = backend.activate(source)?;
        Ok(is_new.then(|| Self { backend, source: source.to_owned() }))
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        if let Err(error) = self.backend.deactivate(&self.source) {
            log::warn!("{error}");
        }
    }
}
