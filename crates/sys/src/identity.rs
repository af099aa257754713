//! What names a container: its name and the directory of containers it lives in.
//!
//! ```
//! use lxc_sys::identity::{ContainerName, Identity};
//!
//! # fn main() -> lxc_sys::error::Result<()> {
//! let web = Identity::new("/srv/lxc", ContainerName::new("web")?);
//! assert_eq!(web.config_file(), std::path::Path::new("/srv/lxc/web/config"));
//! assert!(ContainerName::new("../web").is_err());
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Longest name: it is a directory name (`NAME_MAX`, linux/limits.h).
const NAME_MAX: usize = 255;

/// A container's name: one path component, checked once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerName(String);

impl ContainerName {
    /// Checks `name`: not empty, not `.` or `..`, no `/`, no control characters, at most 255 bytes.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let refuse = |why: &str| {
            Err(Error::new(format!("invalid container name {name:?}: {why}"))
                .hint("use letters, digits, '.', '_' and '-'"))
        };
        match name.as_str() {
            "" => refuse("it is empty"),
            "." | ".." => refuse("it names a directory of every directory"),
            _ if name.contains('/') => refuse("it contains '/'"),
            _ if name.chars().any(char::is_control) => refuse("it contains a control character"),
            _ if name.len() > NAME_MAX => refuse("it is longer than 255 bytes"),
            _ => Ok(Self(name)),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ContainerName {
    type Error = Error;
    fn try_from(name: String) -> Result<Self> {
        Self::new(name)
    }
}

impl From<ContainerName> for String {
    fn from(name: ContainerName) -> Self {
        name.0
    }
}

impl fmt::Display for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A container's name and the directory of containers (`lxc.lxcpath`, `-P`) it lives in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The directory of containers, absolute, without a trailing slash. Part of the command socket's
    /// address as it is spelt: two spellings of one directory are two addresses.
    pub lxcpath: PathBuf,
    /// The container's name.
    pub name: ContainerName,
}

impl Identity {
    /// The container `name` below `lxcpath`.
    pub fn new(lxcpath: impl Into<PathBuf>, name: ContainerName) -> Self {
        Self { lxcpath: lxcpath.into(), name }
    }

    /// The container's own directory, `LXCPATH/NAME`.
    pub fn dir(&self) -> PathBuf {
        self.lxcpath.join(self.name.as_str())
    }

    /// The directory of its snapshots. A directory as LXC 1.0 used it is used on (lxc-snapshot(1)).
    pub fn snapshots(&self) -> PathBuf {
        let old = PathBuf::from(format!("{}snaps", self.lxcpath.display()));
        let old = old.join(self.name.as_str());
        if old.is_dir() { old } else { self.dir().join("snaps") }
    }

    /// The container's configuration file, `LXCPATH/NAME/config`.
    pub fn config_file(&self) -> PathBuf {
        self.dir().join("config")
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)
    }
}

/// Makes `path` absolute against the current directory and strips trailing slashes, as the tools do
/// with `-P`, so that every tool finds the same command socket.
pub fn absolute_lxcpath(path: &Path) -> Result<PathBuf> {
    use crate::error::Context;
    let path =
        std::path::absolute(path).context(|| format!("cannot resolve {}", path.display()))?;
    let text = path.to_string_lossy();
    let stripped = text.trim_end_matches('/');
    Ok(PathBuf::from(if stripped.is_empty() { "/" } else { stripped }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_path_component() {
        for bad in ["", ".", "..", "a/b", "a\nb", "a\0b", &"x".repeat(256)] {
            assert!(ContainerName::new(bad).is_err(), "{bad:?}");
        }
        for good in ["c1", "web.example-1_x", "..x", "ä", &"x".repeat(255)] {
            assert!(ContainerName::new(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn lxcpath_loses_trailing_slashes_only() {
        assert_eq!(absolute_lxcpath(Path::new("/srv/c//")).unwrap(), Path::new("/srv/c"));
        assert_eq!(absolute_lxcpath(Path::new("/")).unwrap(), Path::new("/"));
    }
}
