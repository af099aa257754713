//! Plain directories: `dir:PATH`, or just the path.

use std::os::fd::AsFd;
use std::path::Path;

use super::copy::{self, Watch};
use super::{Backend, RootfsMount, tree};
use crate::config::RootfsPath;
use crate::error::{Context, Error, Result};

/// Where the root filesystem of a container is in its own directory.
const NAME: &str = "rootfs";

pub(super) struct Directory;

impl Backend for Directory {
    fn names(&self) -> &'static [&'static str] {
        &["dir"]
    }

    fn rootfs_mount(&self, source: &str) -> Result<RootfsMount> {
        check(Path::new(source)).map(|()| RootfsMount::Bind(source.into()))
    }

    fn create(&self, home: &Path) -> Result<RootfsPath> {
        let path = home.join(NAME);
        make(&path)?;
        Ok(RootfsPath { backend: Some("dir".into()), source: path.display().to_string() })
    }

    fn copy(&self, source: &RootfsMount, home: &Path, watch: Watch<'_>) -> Result<RootfsPath> {
        let source = source.open()?;
        let path = self.create(home)?;
        copy_into(&source, Path::new(&path.source), watch)?;
        Ok(path)
    }

    fn snapshot(&self, _: &RootfsMount, _: &Path, _: Watch<'_>) -> Result<RootfsPath> {
        Err(Error::new("directories cannot be snapshotted")
            .hint("copy it without -s, or with -s and -B overlay"))
    }

    fn destroy(&self, source: &str, home: &Path) -> Result<()> {
        let source = Path::new(source);
        if !source.is_absolute() || source == Path::new("/") || source.starts_with(home) {
            return Ok(());
        }
        tree::remove(source)
    }

    fn renamed(&self, source: &str, from: &Path, to: &Path) -> String {
        match Path::new(source).strip_prefix(from) {
            Ok(rest) => to.join(rest).display().to_string(),
            Err(_) => source.to_owned(),
        }
    }
}

/// Makes the directory `path`, mode 0755.
pub(super) fn make(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir(path)
        .and_then(|()| std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)))
        .context(|| format!("cannot create the directory {}", path.display()))
}

/// Copies all of `source` into the empty directory `target`.
pub(super) fn copy_into(source: &impl AsFd, target: &Path, watch: Watch<'_>) -> Result<()> {
    let target = std::fs::File::open(target)
        .context(|| format!("cannot open the directory {}", target.display()))?;
    copy::tree(source.as_fd(), target.as_fd(), watch)
}

/// Fails unless `path` is an absolute path of a directory.
pub(super) fn check(path: &Path) -> Result<()> {
    if !path.is_absolute() {
        return Err(Error::new(format!(
            "the root filesystem {} is not an absolute path",
            path.display()
        )));
    }
    let metadata = std::fs::metadata(path)
        .context(|| format!("cannot use the root filesystem {}", path.display()))
        .map_err(|error| error.hint("create it, or correct lxc.rootfs.path"))?;
    if metadata.is_dir() {
        return Ok(());
    }
    Err(Error::new(format!("the root filesystem {} is not a directory", path.display()))
        .hint("name a directory; images and block devices are not supported"))
}
