//! Subvolumes of btrfs (linux/btrfs.h, btrfs-ioctl(2)).

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// The inode number of every subvolume's root (`BTRFS_FIRST_FREE_OBJECTID`).
pub const ROOT_INODE: u64 = 256;

/// Of all ioctls (`BTRFS_IOCTL_MAGIC`).
const MAGIC: u8 = 0x94;

/// `struct btrfs_ioctl_vol_args`.
#[repr(C)]
struct VolArgs {
    fd: i64,
    name: [u8; 4088],
}

/// `struct btrfs_ioctl_vol_args_v2`, with what its unions mean to a snapshot.
#[repr(C)]
struct VolArgsV2 {
    fd: i64,
    transid: u64,
    flags: u64,
    unused: [u64; 4],
    name: [u8; 4040],
}

/// `struct btrfs_ioctl_get_subvol_rootref_args`.
#[repr(C)]
struct RootRefs {
    min_treeid: u64,
    refs: [RootRef; 255],
    num_items: u8,
    align: [u8; 7],
}

/// Its member `rootref`: a subvolume and the inode of the directory that it is in.
#[derive(Clone, Copy)]
#[repr(C)]
struct RootRef {
    treeid: u64,
    dirid: u64,
}

/// `struct btrfs_ioctl_ino_lookup_user_args`.
#[repr(C)]
struct InoLookupUser {
    dirid: u64,
    treeid: u64,
    name: [u8; 256],
    path: [u8; 3824],
}

// All of them have the size of a page, which is a part of the number of the ioctl.
const _: () = assert!(
    size_of::<VolArgs>() == 4096
        && size_of::<VolArgsV2>() == 4096
        && size_of::<RootRefs>() == 4096
        && size_of::<InoLookupUser>() == 4096
);

/// `struct btrfs_ioctl_ino_lookup_args`.
#[repr(C)]
struct InoLookup {
    treeid: u64,
    objectid: u64,
    name: [u8; 4080],
}

/// `struct btrfs_ioctl_fs_info_args`.
#[repr(C)]
struct FsInfo {
    max_id: u64,
    num_devices: u64,
    fsid: [u8; 16],
    rest: [u64; 124],
}

/// `struct btrfs_ioctl_qgroup_create_args`.
#[repr(C)]
struct GroupCreate {
    create: u64,
    qgroupid: u64,
}

/// `struct btrfs_ioctl_qgroup_limit_args`.
#[repr(C)]
struct GroupLimit {
    qgroupid: u64,
    flags: u64,
    max_referenced: u64,
    max_exclusive: u64,
    reserved: [u64; 2],
}

const _: () = assert!(
    size_of::<InoLookup>() == 4096
        && size_of::<FsInfo>() == 1024
        && size_of::<GroupCreate>() == 16
        && size_of::<GroupLimit>() == 48
);

/// The ioctls, which nix makes public.
mod ioctl {
    use super::{
        FsInfo, GroupCreate, GroupLimit, InoLookup, InoLookupUser, MAGIC, RootRefs, VolArgs,
        VolArgsV2,
    };

    nix::ioctl_write_ptr!(resize, MAGIC, 3, VolArgs);
    nix::ioctl_write_ptr!(subvol_create, MAGIC, 14, VolArgs);
    nix::ioctl_write_ptr!(snap_destroy, MAGIC, 15, VolArgs);
    nix::ioctl_readwrite!(ino_lookup, MAGIC, 18, InoLookup);
    nix::ioctl_write_ptr!(snap_create_v2, MAGIC, 23, VolArgsV2);
    nix::ioctl_read!(fs_info, MAGIC, 31, FsInfo);
    nix::ioctl_write_ptr!(qgroup_create, MAGIC, 42, GroupCreate);
    nix::ioctl_read!(qgroup_limit, MAGIC, 43, GroupLimit);
    nix::ioctl_readwrite!(get_subvol_rootref, MAGIC, 61, RootRefs);
    nix::ioctl_readwrite!(ino_lookup_user, MAGIC, 62, InoLookupUser);
}

/// A subvolume inside another one.
#[derive(Debug)]
pub struct Child {
    /// The directory that it is in, below the root of the other one; empty for that itself.
    pub dir: CString,
    /// Its name there.
    pub name: CString,
}

/// Makes the empty subvolume `name` in the directory `parent`.
pub fn create(parent: BorrowedFd<'_>, name: &CStr) -> nix::Result<()> {
    let args = VolArgs { fd: 0, name: padded(name)? };
    // SAFETY: the ioctl reads the structure it is given, which lives across the call.
    unsafe { ioctl::subvol_create(parent.as_raw_fd(), &raw const args) }.map(drop)
}

/// Makes `name` in the directory `parent` a writable snapshot of the subvolume `source`. Those inside
/// that one are empty directories in it.
pub fn snapshot(source: BorrowedFd<'_>, parent: BorrowedFd<'_>, name: &CStr) -> nix::Result<()> {
    let fd = i64::from(source.as_raw_fd());
    let args = VolArgsV2 { fd, transid: 0, flags: 0, unused: [0; 4], name: padded(name)? };
    // SAFETY: the ioctl reads the structure it is given, which lives across the call; without flags
    // there is no pointer in it.
    unsafe { ioctl::snap_create_v2(parent.as_raw_fd(), &raw const args) }.map(drop)
}

/// Removes the subvolume `name` in the directory `parent` with all that is in it, but no subvolume.
pub fn destroy(parent: BorrowedFd<'_>, name: &CStr) -> nix::Result<()> {
    let args = VolArgs { fd: 0, name: padded(name)? };
    // SAFETY: the ioctl reads the structure it is given, which lives across the call.
    unsafe { ioctl::snap_destroy(parent.as_raw_fd(), &raw const args) }.map(drop)
}

/// The subvolumes inside the one whose root is `subvolume`, but not those inside them (Linux 4.18).
pub fn children(subvolume: BorrowedFd<'_>) -> nix::Result<Vec<Child>> {
    let none = RootRef { treeid: 0, dirid: 0 };
    let mut found = RootRefs { min_treeid: 0, refs: [none; 255], num_items: 0, align: [0; 7] };
    let mut children = Vec::new();
    loop {
        // SAFETY: the ioctl reads and writes the structure it is given, of numbers only.
        let result = unsafe { ioctl::get_subvol_rootref(subvolume.as_raw_fd(), &raw mut found) };
        // There are more than it can hold; it says itself where to go on.
        let more = result == Err(Errno::EOVERFLOW);
        if !more {
            result?;
        }
        for one in found.refs.iter().take(found.num_items.into()) {
            match lookup(subvolume, *one) {
                // Removed meanwhile.
                Err(Errno::ENOENT) => {}
                child => children.push(child?),
            }
        }
        if !more {
            return Ok(children);
        }
    }
}

fn lookup(subvolume: BorrowedFd<'_>, RootRef { treeid, dirid }: RootRef) -> nix::Result<Child> {
    let mut args = InoLookupUser { dirid, treeid, name: [0; 256], path: [0; 3824] };
    // SAFETY: the ioctl reads and writes the structure it is given, of numbers and text only.
    unsafe { ioctl::ino_lookup_user(subvolume.as_raw_fd(), &raw mut args) }?;
    let text = |bytes: &[u8]| {
        CStr::from_bytes_until_nul(bytes).map(CStr::to_owned).map_err(|_| Errno::ENAMETOOLONG)
    };
    Ok(Child { dir: text(&args.path)?, name: text(&args.name)? })
}

/// The number of the subvolume that `dir` is in, which is that of its group of quotas as well.
pub fn subvolume(dir: BorrowedFd<'_>) -> nix::Result<u64> {
    let mut args = InoLookup { treeid: 0, objectid: ROOT_INODE, name: [0; 4080] };
    // SAFETY: the ioctl reads and writes the structure it is given, of numbers and text only.
    unsafe { ioctl::ino_lookup(dir.as_raw_fd(), &raw mut args) }?;
    Ok(args.treeid)
}

/// The UUID of the file system of `dir`, by which it has a directory in `/sys/fs/btrfs`.
pub fn uuid(dir: BorrowedFd<'_>) -> nix::Result<String> {
    let mut info = FsInfo { max_id: 0, num_devices: 0, fsid: [0; 16], rest: [0; 124] };
    // SAFETY: the ioctl fills the structure it is given, of numbers only.
    unsafe { ioctl::fs_info(dir.as_raw_fd(), &raw mut info) }?;
    let hex = format!("{:032x}", u128::from_be_bytes(info.fsid));
    Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

/// Lets what the subvolume `dir` refers to have `bytes`, or as many as there are. `ENOTCONN`: the file
/// system has no quotas.
pub fn limit(dir: BorrowedFd<'_>, bytes: Option<u64>) -> nix::Result<()> {
    const MAX_REFERENCED: u64 = 1;
    let mut args = GroupLimit {
        // That of the subvolume.
        qgroupid: 0,
        flags: MAX_REFERENCED,
        // No number of bytes: the limit goes.
        max_referenced: bytes.unwrap_or(u64::MAX),
        max_exclusive: 0,
        reserved: [0; 2],
    };
    // SAFETY: the ioctl reads the structure it is given, of numbers only.
    unsafe { ioctl::qgroup_limit(dir.as_raw_fd(), &raw mut args) }.map(drop)
}

/// Lets the file system of `dir` have as much of its first device as `size` says: `max` for all.
pub fn resize(dir: BorrowedFd<'_>, size: &CStr) -> nix::Result<()> {
    let args = VolArgs { fd: 0, name: padded(size)? };
    // SAFETY: the ioctl reads the structure it is given, which lives across the call.
    unsafe { ioctl::resize(dir.as_raw_fd(), &raw const args) }.map(drop)
}

/// Removes the group of quotas of the subvolume `number`, which is gone, from the file system of `dir`.
pub fn remove_group(dir: BorrowedFd<'_>, number: u64) -> nix::Result<()> {
    let args = GroupCreate { create: 0, qgroupid: number };
    // SAFETY: the ioctl reads the structure it is given, which lives across the call.
    unsafe { ioctl::qgroup_create(dir.as_raw_fd(), &raw const args) }.map(drop)
}

/// `name`, padded with at least one zero.
fn padded<const N: usize>(name: &CStr) -> nix::Result<[u8; N]> {
    let mut field = [0; N];
    let bytes = name.to_bytes_with_nul();
    field.get_mut(..bytes.len()).ok_or(Errno::ENAMETOOLONG)?.copy_from_slice(bytes);
    Ok(field)
}
