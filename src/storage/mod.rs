//! Where root filesystems live: one file per back-end.

pub mod dir;
pub mod overlay;
pub mod tree;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::{Error, Result};

/// What the start mounts as the root filesystem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RootfsMount {
    /// The host's own root: the container has no `lxc.rootfs.path`.
    HostRoot,
    /// A directory.
    Bind(PathBuf),
    /// A writable layer over others.
    Overlay {
        /// The layers below, topmost first.
        lower: Vec<PathBuf>,
        /// The writable layer.
        upper: PathBuf,
        /// The kernel's working directory, on the same file system as `upper`.
        work: PathBuf,
    },
}

impl fmt::Display for RootfsMount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostRoot => f.write_str("/"),
            Self::Bind(path) => path.display().fmt(f),
            Self::Overlay { lower, upper, .. } => {
                let lower: Vec<String> =
                    lower.iter().map(|path| path.display().to_string()).collect();
                write!(f, "overlay of {} and {}", lower.join(", "), upper.display())
            }
        }
    }
}

/// What to mount for the container's `lxc.rootfs.path`, checked to be there.
pub fn rootfs_mount(config: &Config) -> Result<RootfsMount> {
    let Some(path) = &config.rootfs.path else {
        return Ok(RootfsMount::HostRoot);
    };
    let at = |error: Error| error.at(config.origin("lxc.rootfs.path"));
    match path.backend.as_deref() {
        None | Some("dir") => dir::rootfs_mount(&path.source).map_err(at),
        Some("overlay" | "overlayfs") => overlay::rootfs_mount(&path.source).map_err(at),
        Some(other) => {
            Err(at(Error::new(format!("the storage back-end {other} is not supported"))
                .hint("there are dir and overlay")))
        }
    }
}

/// Removes the storage of a container that is being destroyed, unless `lxc.rootfs.managed` is 0.
/// What lies in the container's own directory `own` goes with that.
pub fn destroy(config: &Config, own: &Path) -> Result<()> {
    let Some(path) = config.rootfs.path.as_ref().filter(|_| config.rootfs.managed != Some(false))
    else {
        return Ok(());
    };
    let is_dir = matches!(path.backend.as_deref(), None | Some("dir"));
    let source = Path::new(&path.source);
    // The lower layers of an overlay are another container's.
    if is_dir && source.is_absolute() && source != Path::new("/") && !source.starts_with(own) {
        return tree::remove(source);
    }
    Ok(())
}
