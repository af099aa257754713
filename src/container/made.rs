//! What an operation has made so far, to take it away again if it fails.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::config::{IdMap, Located};
use crate::error::{Context, Error, Result};
use crate::namespace::Ids;
use crate::namespace::mapped::in_reach_of;
use crate::storage::tree;

/// The directories that an operation made, in order. What was there before stays.
#[derive(Debug, Default)]
pub struct Made {
    dirs: Vec<PathBuf>,
    /// A directory that was there before, without content.
    found_empty: Option<PathBuf>,
    /// The maps of the container whose ids what is in there may have.
    maps: Vec<Located<IdMap>>,
}

impl Made {
    /// Makes the directory `path`, and those above it that are missing (mode 0755).
    pub fn dir(&mut self, path: &Path, mode: u32) -> Result<()> {
        if let Some(parent) = path.parent()
            && !parent.exists()
        {
            self.dir(parent, 0o755)?;
        }
        std::fs::DirBuilder::new()
            .mode(mode)
            .create(path)
            .what(|| format!("cannot create the directory {}", path.display()))?;
        self.dirs.push(path.to_path_buf());
        // Whatever the caller's umask is.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
            .what(|| format!("cannot set the mode of {}", path.display()))
    }

    /// Makes the directory of a container, mode 0770. One that is there and empty is used; with
    /// content it is somebody's.
    pub fn container_dir(&mut self, path: &Path) -> Result<()> {
        if !path.exists() {
            return self.dir(path, 0o770);
        }
        if path.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::new(format!("{} exists and is not empty", path.display()))
                .hint("it is no container; move it away or choose another name"));
        }
        self.found_empty = Some(path.to_path_buf());
        Ok(())
    }

    /// Says that what is made from here on may belong to the ids of a container.
    pub fn for_ids(&mut self, ids: Ids<'_>) {
        self.maps = ids.maps().to_vec();
    }

    /// Removes all of it; what cannot be removed is noted in `error`.
    pub fn undo(self, mut error: Error) -> Error {
        let ids = Ids::new(&self.maps);
        let removed = self.dirs.iter().rev().map(|dir| in_reach_of(ids, || tree::remove(dir)));
        let emptied = self.found_empty.iter();
        let emptied = emptied.map(|dir| in_reach_of(ids, || tree::remove_content_of(dir)));
        for problem in removed.chain(emptied).filter_map(Result::err) {
            error = error.note(format!("cleaning up: {problem}"));
        }
        error
    }
}
