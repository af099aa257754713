//! Letting mounted file systems have more of the device that they are on.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use crate::btrfs;

/// `struct xfs_fsop_geom_v1` (xfs/xfs_fs.h).
#[repr(C)]
#[derive(Default)]
struct Geometry {
    block_size: u32,
    realtime_extent: u32,
    group_blocks: u32,
    groups: u32,
    log_blocks: u32,
    sector_size: u32,
    inode_size: u32,
    inode_percent: u32,
    blocks: u64,
    realtime_blocks: u64,
    realtime_extents: u64,
    log_start: u64,
    uuid: [u8; 16],
    stripe_unit: u32,
    stripe_width: u32,
    version: i32,
    flags: u32,
    log_sector_size: u32,
    realtime_sector_size: u32,
    directory_block_size: u32,
}

/// `struct xfs_growfs_data`.
#[repr(C)]
struct Growth {
    blocks: u64,
    inode_percent: u32,
}

const _: () = assert!(size_of::<Geometry>() == 112 && size_of::<Growth>() == 16);

/// The ioctls, which nix makes public.
mod ioctl {
    use super::{Geometry, Growth};

    // EXT4_IOC_RESIZE_FS (linux/ext4.h).
    nix::ioctl_write_ptr!(ext4_resize, b'f', 16, u64);
    // XFS_IOC_FSGEOMETRY_V1, XFS_IOC_FSGROWFSDATA.
    nix::ioctl_read!(xfs_geometry, b'X', 100, Geometry);
    nix::ioctl_write_ptr!(xfs_grow, b'X', 110, Growth);
}

/// Lets the ext4 whose root directory is `root` have `bytes`, as far as the table of its blocks has room
/// (`resize_inode` of mke2fs(8)).
pub fn ext4(root: BorrowedFd<'_>, bytes: u64) -> nix::Result<()> {
    let block_size = nix::sys::statvfs::fstatvfs(root)?.block_size();
    let blocks = bytes / block_size.max(1);
    // SAFETY: the ioctl reads the number it is given, which lives across the call.
    unsafe { ioctl::ext4_resize(root.as_raw_fd(), &raw const blocks) }.map(drop)
}

/// Lets the XFS whose root directory is `root` have `bytes`.
pub fn xfs(root: BorrowedFd<'_>, bytes: u64) -> nix::Result<()> {
    let mut geometry = Geometry::default();
    // SAFETY: the ioctl fills the structure it is given, of numbers only.
    unsafe { ioctl::xfs_geometry(root.as_raw_fd(), &raw mut geometry) }?;
    let blocks = bytes.checked_div(geometry.block_size.into()).ok_or(Errno::EINVAL)?;
    let growth = Growth { blocks, inode_percent: geometry.inode_percent };
    // SAFETY: the ioctl reads the structure it is given, which lives across the call.
    unsafe { ioctl::xfs_grow(root.as_raw_fd(), &raw const growth) }.map(drop)
}

/// Lets the btrfs whose root directory is `root`, on one device, have all of that.
pub fn btrfs(root: BorrowedFd<'_>) -> nix::Result<()> {
    const ALL: &CStr = c"max";
    btrfs::resize(root, ALL)
}
