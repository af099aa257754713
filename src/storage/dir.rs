//! Plain directories.

use std::path::Path;

use super::RootfsMount;
use crate::error::{Context, Error, Result};

/// The directory `source`, which must be there.
pub(super) fn rootfs_mount(source: &str) -> Result<RootfsMount> {
    check(Path::new(source)).map(|()| RootfsMount::Bind(source.into()))
}

/// Fails unless `path` is an absolute path of a directory.
pub(super) fn check(path: &Path) -> Result<()> {
    if !path.is_absolute() {
        return Err(Error::new(format!(
            "the root filesystem {} is no absolute path",
            path.display()
        )));
    }
    let metadata = std::fs::metadata(path)
        .what(|| format!("cannot use the root filesystem {}", path.display()))
        .map_err(|error| error.hint("create it, or correct lxc.rootfs.path"))?;
    if metadata.is_dir() {
        return Ok(());
    }
    Err(Error::new(format!("the root filesystem {} is not a directory", path.display()))
        .hint("name a directory; images and block devices are not supported"))
}
