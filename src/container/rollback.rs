//! What an operation has made so far, to be removed if the operation fails.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::operation::mark::Mark;
use super::operation::removal::{self, with_clean_up};
use crate::config::{IdMap, Located, sweep_temporary, write_whole};
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::namespace::Ids;
use crate::namespace::mapped::in_reach_of;
use crate::storage::{self, tree};

/// Makes the directory `path` with this mode, whatever the caller's umask is; on failure none is left.
pub fn make_dir(path: &Path, mode: u32) -> std::io::Result<()> {
    std::fs::DirBuilder::new().mode(mode).create(path)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode))
        // Nobody has put anything there yet.
        .inspect_err(|_| drop(std::fs::remove_dir(path)))
}

/// A new container, and the directories that were made for it. What existed before stays.
#[derive(Debug)]
pub struct Rollback<'a> {
    identity: &'a Identity,
    /// Missing directories above the container's that were made as well, topmost first.
    above: Vec<PathBuf>,
    /// Whether the container's own directory was made.
    home: bool,
    /// Whether the container's directory is certain to be this operation's.
    is_ours: bool,
    /// The configuration that was saved before, the only file in the container's directory.
    saved: Option<Vec<u8>>,
    /// A directory elsewhere.
    elsewhere: Option<PathBuf>,
    /// The maps of the container; files in these directories may belong to its ids.
    maps: Vec<Located<IdMap>>,
}

impl<'a> Rollback<'a> {
    /// Nothing has been made yet of the container `identity`.
    pub fn new(identity: &'a Identity) -> Self {
        Self {
            identity,
            above: Vec::new(),
            home: false,
            is_ours: false,
            saved: None,
            elsewhere: None,
            maps: Vec::new(),
        }
    }

    /// The new container takes the place of one that has been saved only.
    pub fn replace(&mut self, saved: Option<Vec<u8>>) {
        self.saved = saved;
    }

    /// Makes the container's directory, mode 0770. An existing empty one is used; one with content
    /// belongs to somebody.
    pub fn make_home(&mut self) -> Result<()> {
        let path = &self.identity.dir();
        if self.saved.is_some() {
            let file = self.identity.config_file();
            std::fs::remove_file(&file).context(|| format!("cannot remove {}", file.display()))?;
            self.is_ours = true;
        }
        if !path.exists() {
            self.make(path, 0o770)?;
            self.home = true;
        } else if !removal::is_empty_dir(self.identity) {
            return Err(Error::new(format!("{} exists and is not empty", path.display()))
                .hint("it is not a container; move it away or choose another name"));
        } else {
            sweep_temporary(path)?;
        }
        self.is_ours = true;
        Ok(())
    }

    /// Makes the directory `path`, which lies elsewhere.
    pub fn make_elsewhere(&mut self, path: &Path) -> Result<()> {
        self.make(path, 0o755)?;
        self.elsewhere = Some(path.to_owned());
        Ok(())
    }

    /// Makes the directory `path`, and those above it that are missing (mode 0755).
    fn make(&mut self, path: &Path, mode: u32) -> Result<()> {
        if let Some(parent) = path.parent()
            && !parent.exists()
        {
            self.make(parent, 0o755)?;
            self.above.push(parent.to_owned());
        }
        make_dir(path, mode).context(|| format!("cannot create the directory {}", path.display()))
    }

    /// Says that what is made from here on may belong to the ids of a container.
    pub fn for_ids(&mut self, ids: Ids<'_>) {
        self.maps = ids.maps().to_vec();
    }

    /// Removes all that was made; what cannot be removed is noted in `error`.
    pub fn undo(self, error: Error) -> Error {
        let undone = self.remove();
        // Somebody else may be using the directories above by now.
        for dir in self.above.iter().rev() {
            let _ = std::fs::remove_dir(dir);
        }
        with_clean_up(error, undone)
    }

    fn remove(&self) -> Result<()> {
        let ids = Ids::new(&self.maps);
        if !self.is_ours {
            return Ok(());
        }
        if !removal::is_empty_dir(self.identity)
            && let Some(mark) = Mark::for_removal(self.identity)?
        {
            if let Some(dir) = &self.elsewhere {
                in_reach_of(ids, || tree::remove(dir))?;
            }
            storage::discard(&self.identity.dir())?;
            removal::empty(self.identity, mark, ids, None)?;
        }
        if self.home {
            let dir = self.identity.dir();
            std::fs::remove_dir(&dir).context(|| format!("cannot remove {}", dir.display()))?;
        }
        match &self.saved {
            Some(text) => write_whole(&self.identity.config_file(), text),
            None => Ok(()),
        }
    }
}
