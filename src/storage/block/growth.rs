//! File systems that are let have more of their device or image, whether they are mounted or not.
//!
//! A process may be killed after the device has grown and before its file system has: what tells that is the
//! file system's own record of its size.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::errno::Errno;

use super::{Opened, filesystem, mount, root_of};
use crate::error::{Context, Error, Result};
use crate::storage::size::rounded;
use crate::sys::growth as sys;

/// What may be left of a device: makers of file systems leave an end that is too small for a group of blocks.
const REST: u64 = 20 << 20;

/// How one type grows.
#[derive(Debug)]
pub(super) struct Growth {
    /// What of the device `File` it has.
    size: fn(&File) -> std::io::Result<u64>,
    /// Lets the one with this root directory, which is mounted, have so many bytes.
    grow: fn(BorrowedFd<'_>, u64) -> nix::Result<()>,
    /// The least that it can be let have.
    least: u64,
}

/// `INCOMPAT_64BIT`, a feature of ext4.
const IS_64BIT: u32 = 0x80;

/// The superblock of ext2, ext3 and ext4 (Documentation/filesystems/ext4/super.rst).
pub(super) static EXT4: Growth = Growth {
    size: |device| {
        let (low, shift) = (le32(device, 0x404)?, le32(device, 0x418)?);
        let high = if le32(device, 0x460)? & IS_64BIT == 0 { 0 } else { le32(device, 0x550)? };
        let blocks = u64::from(high) << 32 | u64::from(low);
        Ok(blocks.saturating_mul(1024 << shift.min(16)))
    },
    grow: sys::ext4,
    least: 0,
};

/// That of XFS (`struct xfs_dsb`).
pub(super) static XFS: Growth = Growth {
    size: |device| {
        let (mut block_size, mut blocks) = ([0; 4], [0; 8]);
        device.read_exact_at(&mut block_size, 4)?;
        device.read_exact_at(&mut blocks, 8)?;
        let block_size = u64::from(u32::from_be_bytes(block_size));
        Ok(u64::from_be_bytes(blocks).saturating_mul(block_size))
    },
    grow: sys::xfs,
    least: 0,
};

/// That of btrfs (`struct btrfs_super_block`).
pub(super) static BTRFS: Growth = Growth {
    size: |device| {
        let mut bytes = [0; 8];
        device.read_exact_at(&mut bytes, 0x1_0070)?;
        Ok(u64::from_le_bytes(bytes))
    },
    grow: |root, _| sys::btrfs(root),
    // The kernel refuses to change it to less.
    least: 256 << 20,
};

fn le32(device: &File, at: u64) -> std::io::Result<u32> {
    let mut bytes = [0; 4];
    device.read_exact_at(&mut bytes, at)?;
    Ok(u32::from_le_bytes(bytes))
}

/// The bytes that the device or the image `path` has.
pub(in crate::storage) fn size_of(path: &Path) -> Result<u64> {
    File::open(path)
        .and_then(|mut file| file.seek(SeekFrom::End(0)))
        .context(|| format!("cannot look at {}", path.display()))
}

/// How the file system on `path` grows.
fn of(device: &File, path: &Path) -> Result<&'static Growth> {
    let filesystem = filesystem::probe(device, path)?;
    filesystem.growth.ok_or_else(|| {
        let name = filesystem.name;
        Error::new(format!("cannot change the size of the {name} on {}", path.display()))
            .hint("ext4, xfs and btrfs grow; copy the container with -B and -L")
    })
}

/// Fails unless the file system on `path` can grow.
pub(in crate::storage) fn check(path: &Path) -> Result<()> {
    of(&Opened::of(path)?.file, path).map(drop)
}

/// Fails unless `path`, which has `has` bytes, may get `size` together with its file system.
pub(in crate::storage) fn check_to(path: &Path, has: u64, size: u64) -> Result<()> {
    refuse_less(path, has, size)?;
    let least = of(&Opened::of(path)?.file, path)?.least;
    if size > has && size < least {
        let (size, least) = (rounded(size), rounded(least));
        let what = format!("the file system on {} cannot grow to {size}", path.display());
        return Err(Error::new(what)
            .errno(Errno::EINVAL)
            .hint(format!("btrfs grows to {least} or more; copy the container with -B and -L")));
    }
    Ok(())
}

/// Fails unless `path`, which has `has` bytes, may get `size`: nothing of this kind shrinks.
pub(in crate::storage) fn refuse_less(path: &Path, has: u64, size: u64) -> Result<()> {
    if size >= has {
        return Ok(());
    }
    let what = format!("{} has {} and cannot shrink", path.display(), rounded(has));
    Err(Error::new(format!("{what} to {}", rounded(size))).errno(Errno::EINVAL).hint(format!(
        "lxc.rootfs.size may be {has} or more; a copy with lxc-copy -L may be smaller"
    )))
}

/// Whether the file system on `path`, which nobody has mounted, has much less than that: a process was killed
/// that let it grow.
pub(in crate::storage) fn is_unfinished(path: &Path) -> bool {
    let missing = || {
        let device = Opened::of(path)?.file;
        let growth = of(&device, path)?;
        let has = (growth.size)(&device).context(|| "no size")?;
        Ok::<_, Error>(size_of(path)?.saturating_sub(has))
    };
    missing().is_ok_and(|missing| missing > REST)
}

/// Lets the file system on `path` have all of it.
pub(in crate::storage) fn fill(path: &Path) -> Result<()> {
    let failed = || format!("cannot let the file system on {} grow", path.display());
    let device = Opened::of(path)?.file;
    let growth = of(&device, path)?;
    let (has, size) = ((growth.size)(&device).context(failed)?, size_of(path)?);
    drop(device);
    if has >= size {
        return Ok(());
    }
    let root = root_of(&mount(path, &[])?, path)?;
    (growth.grow)(root.as_fd(), size).context(failed).map_err(|error| match error.errno {
        Some(_) if error.is(Errno::EROFS) => error.hint("it is mounted to be read only"),
        // Whoever may use its reserved blocks.
        Some(_) if error.is(Errno::EPERM) => error.hint(
            "ext4 grows for whoever has the capability sys_resource, and not while it has errors",
        ),
        _ => error,
    })
}
