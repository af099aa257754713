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

/// The ioctls, which nix makes public.
mod ioctl {
    use super::{InoLookupUser, MAGIC, RootRefs, VolArgs, VolArgsV2};

    nix::ioctl_write_ptr!(subvol_create, MAGIC, 14, VolArgs);
    nix::ioctl_write_ptr!(snap_destroy, MAGIC, 15, VolArgs);
    nix::ioctl_write_ptr!(snap_create_v2, MAGIC, 23, VolArgsV2);
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

/// `name`, padded with at least one zero.
fn padded<const N: usize>(name: &CStr) -> nix::Result<[u8; N]> {
    let mut field = [0; N];
    let bytes = name.to_bytes_with_nul();
    field.get_mut(..bytes.len()).ok_or(Errno::ENAMETOOLONG)?.copy_from_slice(bytes);
    Ok(field)
}
