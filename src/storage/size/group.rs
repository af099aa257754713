//! Limits of subvolumes, by the groups of quotas of btrfs.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::{Usage, too_small};
use crate::error::{Context, Error, Result};
use crate::sys::btrfs as sys;
use crate::table;

/// What the kernel says of the group of a subvolume.
struct Group {
    dir: PathBuf,
}

impl Group {
    /// That of `root`; `None` where there are no quotas.
    fn of(root: BorrowedFd<'_>) -> nix::Result<Option<Self>> {
        let groups = PathBuf::from(format!("/sys/fs/btrfs/{}/qgroups", sys::uuid(root)?));
        let dir = groups.join(format!("0_{}", sys::subvolume(root)?));
        Ok(dir.is_dir().then_some(Self { dir }))
    }

    fn number(&self, name: &str) -> u64 {
        let text = table::read(self.dir.join(name)).unwrap_or_default();
        text.trim().parse().unwrap_or_default()
    }

    fn usage(&self) -> Option<Usage> {
        const MAX_REFERENCED: u64 = 1;
        let has_limit = self.number("limit_flags") & MAX_REFERENCED != 0;
        has_limit.then(|| Usage {
            used_bytes: self.number("referenced"),
            limit_bytes: self.number("max_referenced"),
        })
    }
}

fn open(path: &Path) -> Result<File> {
    File::open(path).context(|| format!("cannot open the root filesystem {}", path.display()))
}

/// Fails unless the subvolume `path` can have a limit.
pub(in crate::storage) fn check(path: &Path) -> Result<()> {
    let root = open(path)?;
    let failed = || format!("cannot limit the size of {}", path.display());
    if Group::of(root.as_fd()).context(failed)?.is_none() {
        return Err(without_quotas(path));
    }
    // What is in there counts for itself only.
    if let [child, ..] = sys::children(root.as_fd()).context(failed)?.as_slice() {
        let inside = path
            .join(child.dir.to_string_lossy().into_owned())
            .join(child.name.to_string_lossy().into_owned());
        return Err(Error::new(format!("{}: there are subvolumes in it", failed()))
            .hint(format!("a limit would not hold for {}", inside.display())));
    }
    Ok(())
}

fn without_quotas(path: &Path) -> Error {
    Error::new(format!("cannot limit the size of {}: its btrfs has no quotas", path.display()))
        .hint(format!("btrfs quota enable {}", path.display()))
}

/// Lets the subvolume `path` refer to `size` bytes, or to as many as there are.
pub(in crate::storage) fn limit(path: &Path, size: Option<u64>) -> Result<()> {
    let failed = || format!("cannot limit the size of {}", path.display());
    let Some(size) = size else {
        let Ok(root) = File::open(path) else { return Ok(()) };
        return match Group::of(root.as_fd()) {
            Ok(Some(group)) if group.usage().is_some() => {
                sys::limit(root.as_fd(), None).context(failed)
            }
            _ => Ok(()),
        };
    };
    check(path)?;
    let root = open(path)?;
    let group = Group::of(root.as_fd()).context(failed)?.ok_or_else(|| without_quotas(path))?;
    let old = group.usage().map_or(u64::MAX, |usage| usage.limit_bytes);
    let used = group.number("referenced");
    if size < old && used > size {
        return Err(too_small(&path.display().to_string(), used, size));
    }
    match sys::limit(root.as_fd(), Some(size)) {
        Err(Errno::ENOTCONN) => Err(without_quotas(path)),
        Err(Errno::EPERM) => Err(super::not_permitted(failed())),
        limited => limited.context(failed),
    }
}

/// What the subvolume `path` takes and may take; `None` if it has no limit.
pub(in crate::storage) fn usage(path: &Path) -> Result<Option<Usage>> {
    let root = open(path)?;
    let group = Group::of(root.as_fd());
    let group = group.context(|| format!("cannot look at the quotas of {}", path.display()))?;
    Ok(group.and_then(|group| group.usage()))
}
