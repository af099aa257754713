//! The name of an entry: a path below the root.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// A path without `.`, `..` and a slash at its beginning.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Name {
    path: PathBuf,
    parent: PathBuf,
    last: Option<OsString>,
}

impl Name {
    /// Reads an archive's `name`, absolute or not: it is below the root. Refuses `..`, NUL, and more than
    /// `depth` components.
    pub fn of(name: &[u8], depth: usize) -> Result<Self> {
        let refused = |why: &str| {
            let name = super::shown(Path::new(OsStr::from_bytes(&name[..name.len().min(200)])));
            Error::new(format!("refusing the name {name} in an archive: {why}"))
        };
        if name.contains(&0) {
            return Err(refused("it holds a zero byte"));
        }
        let mut parent = PathBuf::new();
        let mut last: Option<&[u8]> = None;
        let mut count = 0;
        for component in name.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => continue,
                b".." => return Err(refused("it has a component '..'")),
                _ => {}
            }
            count += 1;
            if count > depth {
                return Err(refused(&format!("it has more than {depth} components")));
            }
            if let Some(before) = last.replace(component) {
                parent.push(OsStr::from_bytes(before));
            }
        }
        let last = last.map(|last| OsStr::from_bytes(last).to_owned());
        let path = last.as_ref().map_or_else(PathBuf::new, |last| parent.join(last));
        Ok(Self { path, parent, last })
    }

    /// The whole path; empty for the root.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of its directory.
    pub fn parent(&self) -> &Path {
        &self.parent
    }

    /// Its last component; `None` for the root.
    pub fn last(&self) -> Option<&OsStr> {
        self.last.as_deref()
    }
}
