//! The part of a renaming that any process can complete or undo.
//!
//! Files that change are prepared next to the old ones, so that the directory's name alone says which of
//! them count: under the new name the renaming is completed, under the old one undone.

use std::path::{Path, PathBuf};

use super::exists;
use super::mark::Mark;
use crate::config::write_whole;
use crate::container::dependents;
use crate::error::{Context, Result};
use crate::identity::{ContainerName, Identity};
use crate::storage::tree;

/// What is prepared in the container's own directory, whichever of the two names that has.
#[derive(Debug)]
pub struct Staging {
    dir: PathBuf,
    /// The configuration under the old name.
    pub old_config: PathBuf,
    /// The configuration under the new name.
    pub new_config: PathBuf,
    /// Files that come from elsewhere.
    pub files: PathBuf,
}

impl Staging {
    /// The staging of the container `identity`.
    pub fn of(identity: &Identity) -> Self {
        let dir = identity.dir().join(".rename");
        Self {
            old_config: dir.join("old-config"),
            new_config: dir.join("new-config"),
            files: dir.join("files"),
            dir,
        }
    }

    /// The files: where they are prepared, and where they go.
    fn files(&self, home: &Path) -> Vec<(PathBuf, PathBuf)> {
        let entries = std::fs::read_dir(&self.files).into_iter().flatten().flatten();
        entries.map(|entry| (entry.path(), home.join(entry.file_name()))).collect()
    }
}

/// Completes the container `identity`, which was being renamed from `from` to `to` and has the mark
/// `mark`, under the one of these names that it has.
pub fn settle(
    identity: &Identity,
    from: &ContainerName,
    to: &ContainerName,
    mark: Mark,
) -> Result<()> {
    let other = if identity.name == *to {
        // If the new configuration is in place already, hooks may have changed it.
        if !is_installed(identity)? {
            install(identity)?;
        }
        from
    } else {
        uninstall(identity)?;
        to
    };
    let other = Identity::new(&identity.lxcpath, other.clone());
    // By now the other name may be that of another container, which has records of its own.
    if !exists(&other.dir())? {
        dependents::forget(&other, &existing_bases(identity)?)?;
    }
    tree::remove(&Staging::of(identity).dir)?;
    mark.complete(&[])
}

/// Whether the container `target` has its new configuration.
fn is_installed(target: &Identity) -> Result<bool> {
    let staging = Staging::of(target);
    if !exists(&staging.old_config)? {
        return Ok(true);
    }
    let read =
        |path: &Path| std::fs::read(path).context(|| format!("cannot read {}", path.display()));
    Ok(read(&target.config_file())? != read(&staging.old_config)?)
}

/// Gives the container `target`, which has moved, its new files.
pub fn install(target: &Identity) -> Result<()> {
    let staging = Staging::of(target);
    for (file, place) in staging.files(&target.dir()) {
        match std::fs::hard_link(&file, &place) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            linked => linked.context(|| format!("cannot create {}", place.display()))?,
        }
    }
    copy_config(&staging.new_config, target)
}

/// Gives the container `source`, which did not move or has moved back, its old files.
fn uninstall(source: &Identity) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let staging = Staging::of(source);
    for (file, place) in staging.files(&source.dir()) {
        let inode = |path: &Path| path.metadata().map(|metadata| metadata.ino()).ok();
        if inode(&file) == inode(&place) {
            std::fs::remove_file(&place)
                .context(|| format!("cannot remove {}", place.display()))?;
        }
    }
    if exists(&staging.old_config)? { copy_config(&staging.old_config, source) } else { Ok(()) }
}

fn copy_config(from: &Path, container: &Identity) -> Result<()> {
    let text = std::fs::read(from).context(|| format!("cannot read {}", from.display()))?;
    write_whole(&container.config_file(), text)
}

/// What the container is based on, as far as that exists.
pub fn existing_bases(identity: &Identity) -> Result<Vec<Identity>> {
    let mut existing = Vec::new();
    for base in dependents::bases(identity)? {
        if exists(&base.dir())? {
            existing.push(base);
        }
    }
    Ok(existing)
}
