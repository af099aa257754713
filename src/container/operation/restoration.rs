//! The part of a restoration that any process can complete or discard.
//!
//! Everything new is made in a directory of its own and is written to the disk. Then the container gets its
//! mark, and from there on the exchange is completed: each step looks for what the ones before have done.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::exists;
use super::mark::Mark;
use crate::config::Document;
use crate::container::dependents;
use crate::error::{Context, Result};
use crate::identity::Identity;
use crate::namespace::Ids;
use crate::namespace::mapped::in_reach_of;
use crate::storage::{self, RootfsMount, tree};
use crate::sys::rename;

/// Where the new container is made, in the container's own directory.
#[derive(Debug)]
pub struct Staging {
    /// The container's own directory.
    pub home: PathBuf,
    dir: PathBuf,
}

impl Staging {
    /// The staging of the container `target`.
    pub fn of(target: &Identity) -> Self {
        let home = target.dir();
        Self { dir: home.join(".restore"), home }
    }

    /// Whether the container has one.
    pub fn exists(&self) -> Result<bool> {
        exists(&self.dir)
    }

    /// The new storage.
    pub fn storage(&self) -> PathBuf {
        self.dir.join("storage")
    }

    /// The new files of the container's directory, as they lie there.
    pub fn files(&self) -> PathBuf {
        self.dir.join("files")
    }

    /// The old storage, once the new one is in its place.
    fn old(&self) -> PathBuf {
        self.dir.join("old")
    }

    /// A copy of the old configuration.
    pub fn old_config(&self) -> PathBuf {
        self.dir.join("old-config")
    }

    /// What the container was based on.
    pub fn old_bases(&self) -> PathBuf {
        self.dir.join("old-bases")
    }

    /// Makes its directories.
    pub fn make(&self) -> Result<()> {
        for dir in [&self.dir, &self.storage(), &self.files(), &self.old()] {
            DirBuilder::new()
                .mode(0o755)
                .create(dir)
                .context(|| format!("cannot create {}", dir.display()))?;
        }
        Ok(())
    }

    /// Lets the layers of the new storage that are the container's own stay where they are: a snapshot of
    /// an overlay has the same layers below, and empty directories under their names.
    pub fn keep_layers(&self, new: &RootfsMount) -> Result<()> {
        for name in new.read_only().iter().filter_map(|layer| layer.strip_prefix(&self.home).ok()) {
            match std::fs::remove_dir(self.storage().join(name)) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                removed => {
                    removed
                        .context(|| format!("cannot keep {}", self.home.join(name).display()))?;
                }
            }
        }
        Ok(())
    }
}

/// Puts what was prepared in the place of the container `target`, which has the mark `mark`.
pub fn complete(target: &Identity, mark: Mark) -> Result<()> {
    let staging = Staging::of(target);
    let old = staging.old_config();
    let old = if exists(&old)? { Some(Document::load(&old)?.config) } else { None };
    let ids = old.as_ref().map_or(Ids::new(&[]), Ids::of);
    in_reach_of(ids, || exchange_storage(&staging))?;
    install(&staging.files(), &staging.home)?;
    let bases = dependents::bases(target)?;
    if bases.is_empty() {
        dependents::write(&staging.home.join(dependents::BASES), &[])?;
    }
    if let Some(old) = &old {
        in_reach_of(ids, || storage::destroy(old, &staging.home))?;
    }
    let mut unneeded = dependents::read(&staging.old_bases())?;
    unneeded.retain(|base| !bases.contains(base));
    dependents::forget(target, &unneeded)?;
    in_reach_of(ids, || tree::remove(&staging.dir))?;
    mark.remove_for_good()
}

/// Removes what was prepared for the container `target`, which has no mark yet.
pub fn discard(target: &Identity) -> Result<()> {
    let staging = Staging::of(target);
    if !staging.exists()? {
        return Ok(());
    }
    let bases = dependents::bases(target)?;
    let mut unneeded = dependents::claims(target)?;
    unneeded.retain(|base| !bases.contains(base));
    dependents::forget(target, &unneeded)?;
    storage::discard(&staging.storage())?;
    let document = Document::load(&target.config_file())?;
    in_reach_of(Ids::of(&document.config), || tree::remove(&staging.dir))
}

/// Moves the old storage away and the new one into its place.
fn exchange_storage(staging: &Staging) -> Result<()> {
    for name in names(&staging.storage())? {
        let place = staging.home.join(&name);
        // The old storage is missing if it has been moved already.
        move_to(&place, &staging.old().join(&name))?;
        move_to(&staging.storage().join(&name), &place)?;
    }
    Ok(())
}

/// Moves the files in the directory `from` into `to`, in the place of those that are there.
fn install(from: &Path, to: &Path) -> Result<()> {
    for name in names(from)? {
        let (file, place) = (from.join(&name), to.join(&name));
        if file.is_dir() {
            std::fs::create_dir_all(&place)
                .context(|| format!("cannot create {}", place.display()))?;
            install(&file, &place)?;
        } else {
            std::fs::rename(&file, &place)
                .context(|| format!("cannot replace {}", place.display()))?;
        }
    }
    Ok(())
}

/// What is in the directory `dir`, none where it is gone.
fn names(dir: &Path) -> Result<Vec<OsString>> {
    let failed = || format!("cannot read {}", dir.display());
    match std::fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        entries => {
            entries.context(failed)?.map(|entry| Ok(entry.context(failed)?.file_name())).collect()
        }
    }
}

/// Moves `from`, if it exists, to `to`, which does not.
fn move_to(from: &Path, to: &Path) -> Result<()> {
    match rename::without_replacing(from, to) {
        Err(Errno::ENOENT) if !from.exists() => Ok(()),
        moved => moved.context(|| format!("cannot move {} to {}", from.display(), to.display())),
    }
}
