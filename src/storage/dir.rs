//! Plain directories: `dir:PATH`, or just the path.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::copy::{self, Watch};
use super::size::{Usage, project};
use super::{Backend, Planned, RootfsMount, Target, block, tree};
use crate::config::RootfsPath;
use crate::error::{Context, Error, Result};
use crate::mount::private;
use crate::sys::mount as sys;

#[derive(Debug)]
pub(super) struct Directory;

impl Backend for Directory {
    fn names(&self) -> &'static [&'static str] {
        &["dir"]
    }

    fn rootfs_mount(&self, source: &str) -> Result<RootfsMount> {
        check(Path::new(source)).map(|()| RootfsMount::Bind(source.into()))
    }

    fn places(&self) -> &'static [&'static str] {
        &["rootfs"]
    }

    fn plan(&self, target: Target<'_>) -> Result<Planned> {
        let root = match &target.specification.dir {
            Some(dir) if dir.exists() => require_empty(dir).map(|()| dir.clone())?,
            Some(dir) => dir.clone(),
            None => root_in(target.home),
        };
        Ok(Planned { path: self.path(root.display().to_string()), root })
    }

    fn create(&self, planned: &Planned, target: Target<'_>) -> Result<()> {
        // One elsewhere is its maker's.
        if target.specification.dir.is_none() { make(&planned.root) } else { Ok(()) }
    }

    fn copy(
        &self,
        source: &RootfsMount,
        target: Target<'_>,
        watch: Watch<'_>,
    ) -> Result<RootfsPath> {
        let source = source.open()?;
        let root = root_in(target.home);
        make(&root)?;
        copy_into(&source, &root, watch)?;
        Ok(self.path(root.display().to_string()))
    }

    fn snapshot(&self, _: &RootfsMount, _: Target<'_>, _: Watch<'_>) -> Result<RootfsPath> {
        Err(Error::new("directories cannot be snapshotted")
            .hint("copy it without -s, or with -s and -B overlay"))
    }

    fn snapshots_are_layers(&self) -> bool {
        true
    }

    /// A snapshot would need the directory as it was.
    fn is_kept_as_snapshot(&self, _: &str) -> bool {
        false
    }

    fn can_limit(&self, source: &str, is_held: bool) -> Result<()> {
        project::check(&[source.into()], is_held)
    }

    fn limit(&self, source: &str, size: Option<u64>) -> Result<()> {
        project::limit(&[source.into()], size)
    }

    fn is_partly_limited(&self, source: &str) -> bool {
        project::is_partly_given(Path::new(source))
    }

    fn usage(&self, source: &str) -> Result<Option<Usage>> {
        project::usage(Path::new(source))
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

/// The root filesystem in the container's directory `home`.
pub(super) fn root_in(home: &Path) -> PathBuf {
    home.join("rootfs")
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

/// Does `act` while the directory `path`, without what is mounted below it, is also the directory `place`, where
/// nobody else sees it.
pub(super) fn mounted_at(
    path: &Path,
    place: &Path,
    act: &(dyn Fn() -> Result<()> + Sync),
) -> Result<()> {
    private::within_one_thread("the root filesystem", || {
        let tree = sys::open_tree(sys::at_cwd(), path, sys::OPEN_TREE_CLONE)
            .context(|| format!("cannot open {}", path.display()))?;
        block::shown_at(tree, path, place, &act)
    })
}

/// Fails if the template would write among what somebody else put into `dir`, through their links.
fn require_empty(dir: &Path) -> Result<()> {
    let failed = || format!("cannot read the directory {}", dir.display());
    for entry in dir.read_dir().context(failed)? {
        // Every new file system of some kinds has that.
        if entry.context(failed)?.file_name() != "lost+found" {
            return Err(Error::new(format!("{} is not empty", dir.display())).hint(
                "a template fills an empty directory; to use this one as it is, create the \
                       container with -t none and set lxc.rootfs.path",
            ));
        }
    }
    Ok(())
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
        .hint("name a directory; images and block devices have a type of their own before their name: loop, lvm"))
}
