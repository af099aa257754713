//! Mounts by descriptor (Linux 5.2 and later; `mount_setattr` from 5.12): `open_tree(2)`,
//! `move_mount(2)`, `mount_setattr(2)`, `fsopen(2)`.

use std::ffi::{CString, c_int, c_long, c_uint};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

/// `OPEN_TREE_CLONE`: the result is a detached copy (linux/mount.h).
pub const OPEN_TREE_CLONE: c_uint = 1;
/// `AT_RECURSIVE`: the whole tree (linux/fcntl.h).
pub const AT_RECURSIVE: c_uint = 0x8000;

/// `MOUNT_ATTR_*` (linux/mount.h).
pub mod attr {
    /// Read-only.
    pub const RDONLY: u64 = 0x1;
    /// No set-user-ID programs.
    pub const NOSUID: u64 = 0x2;
    /// No devices.
    pub const NODEV: u64 = 0x4;
    /// No programs.
    pub const NOEXEC: u64 = 0x8;
    /// The access time field; all zero is relatime.
    pub const ATIME_MASK: u64 = 0x70;
    /// No access times.
    pub const NOATIME: u64 = 0x10;
    /// Access times always.
    pub const STRICTATIME: u64 = 0x20;
    /// No access times of directories.
    pub const NODIRATIME: u64 = 0x80;
    /// Ids as seen through a user namespace.
    pub const IDMAP: u64 = 0x0010_0000;
    /// Symbolic links are not followed.
    pub const NOSYMFOLLOW: u64 = 0x0020_0000;
}

/// `struct mount_attr` (linux/mount.h).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct MountAttr {
    /// Attributes to set, `MOUNT_ATTR_*`.
    pub set: u64,
    /// Attributes to clear.
    pub clear: u64,
    /// Propagation, one of `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED`, `MS_UNBINDABLE`, or 0.
    pub propagation: u64,
    /// The user namespace for `MOUNT_ATTR_IDMAP`.
    pub userns_fd: u64,
}

fn c_path(path: &Path) -> io::Result<CString> {
    use std::os::unix::ffi::OsStrExt;
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

fn fd_or_error(result: c_long) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let raw = c_int::try_from(result).map_err(io::Error::other)?;
    // SAFETY: the kernel just returned this descriptor and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

fn done_or_error(result: c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Opens the mount (`flags`: [`OPEN_TREE_CLONE`], [`AT_RECURSIVE`], `AT_SYMLINK_NOFOLLOW`) at `path`
/// below `dir`.
pub fn open_tree(dir: BorrowedFd<'_>, path: &Path, flags: c_uint) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    let empty = if path.is_empty() { libc::AT_EMPTY_PATH as c_uint } else { 0 };
    // SAFETY: `path` is a NUL-terminated string that lives across the call.
    fd_or_error(unsafe {
        libc::syscall(
            libc::SYS_open_tree,
            dir.as_raw_fd(),
            path.as_ptr(),
            flags | empty | libc::O_CLOEXEC as c_uint,
        )
    })
}

/// Puts the detached tree (or mount) `tree` on `path` below `dir`; an empty `path` is `dir` itself.
pub fn move_mount(tree: BorrowedFd<'_>, dir: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    const FROM_EMPTY_PATH: c_uint = 0x4;
    const TO_EMPTY_PATH: c_uint = 0x40;
    let path = c_path(path)?;
    let flags = FROM_EMPTY_PATH | if path.is_empty() { TO_EMPTY_PATH } else { 0 };
    // SAFETY: both strings are NUL-terminated and live across the call.
    done_or_error(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            dir.as_raw_fd(),
            path.as_ptr(),
            flags,
        )
    })
}

/// Changes the attributes of the mount `tree`, with `recursive` also those below it.
pub fn mount_setattr(tree: BorrowedFd<'_>, recursive: bool, attr: &MountAttr) -> io::Result<()> {
    let flags = libc::AT_EMPTY_PATH as c_uint | if recursive { AT_RECURSIVE } else { 0 };
    // SAFETY: `attr` is a `struct mount_attr` of the size that is passed with it.
    done_or_error(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(attr),
            size_of::<MountAttr>(),
        )
    })
}

/// The context for a new instance of the file system `fstype`; `ENODEV` if the kernel knows none.
pub fn open_filesystem(fstype: &str) -> io::Result<OwnedFd> {
    const FSOPEN_CLOEXEC: c_uint = 1;
    let fstype = CString::new(fstype)?;
    // SAFETY: `fstype` is a NUL-terminated string that lives across the call.
    fd_or_error(unsafe { libc::syscall(libc::SYS_fsopen, fstype.as_ptr(), FSOPEN_CLOEXEC) })
}

/// An option of a file system: its name, and a value unless it is a flag.
pub type FsOption<'text> = (&'text str, Option<&'text str>);

/// Longest name or value of an option of [`new_mount`], with the NUL after it (fsconfig(2)).
const OPTION_MAX: usize = 256;

/// Whether [`new_mount`] takes `text` as the value of an option.
pub fn fits(text: &str) -> bool {
    text.len() < OPTION_MAX
}

/// Why there is no mount of a new file system.
#[derive(Debug)]
pub struct Refused {
    /// The failure.
    pub error: io::Error,
    /// What the kernel says of it, such as which option it does not know.
    pub said: Option<String>,
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self { error, said: None }
    }
}

impl From<std::ffi::NulError> for Refused {
    fn from(error: std::ffi::NulError) -> Self {
        io::Error::from(error).into()
    }
}

/// A new instance of the file system `fstype` as a detached mount. `attrs`: `MOUNT_ATTR_*`.
pub fn new_mount(fstype: &str, options: &[FsOption<'_>], attrs: u64) -> Result<OwnedFd, Refused> {
    const FSCONFIG_SET_FLAG: c_uint = 0;
    const FSCONFIG_SET_STRING: c_uint = 1;
    const FSCONFIG_CMD_CREATE: c_uint = 6;
    const FSMOUNT_CLOEXEC: c_uint = 1;
    let context = open_filesystem(fstype)?;
    let config = |command: c_uint, key: Option<&CString>, value: Option<&CString>| {
        let pointer = |text: Option<&CString>| text.map_or(std::ptr::null(), |text| text.as_ptr());
        // SAFETY: both are NULL or NUL-terminated strings that live across the call.
        done_or_error(unsafe {
            libc::syscall(
                libc::SYS_fsconfig,
                context.as_raw_fd(),
                command,
                pointer(key),
                pointer(value),
                0,
            )
        })
    };
    let configure = || {
        for (key, value) in options {
            let key = CString::new(*key)?;
            match value {
                Some(value) => {
                    config(FSCONFIG_SET_STRING, Some(&key), Some(&CString::new(*value)?))?;
                }
                None => config(FSCONFIG_SET_FLAG, Some(&key), None)?,
            }
        }
        config(FSCONFIG_CMD_CREATE, None, None)
    };
    configure().map_err(|error| Refused { error, said: messages(&context) })?;
    // SAFETY: the arguments are plain numbers.
    Ok(fd_or_error(unsafe {
        libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, attrs)
    })?)
}

/// The errors that the kernel notes in a context: each read gives one message, after its level.
fn messages(context: &OwnedFd) -> Option<String> {
    let mut said = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(len) = nix::unistd::read(context, &mut buffer) {
        let message = String::from_utf8_lossy(&buffer[..len]);
        said.extend(message.strip_prefix("e ").map(|text| text.trim_end().to_owned()));
    }
    (!said.is_empty()).then(|| said.join("; "))
}

/// `pivot_root(".", ".")`: the current directory becomes the root, the old root lies over it until
/// it is unmounted (pivot_root(2), NOTES).
pub fn pivot_to_current_dir() -> io::Result<()> {
    // SAFETY: both strings are NUL-terminated and static.
    done_or_error(unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) })
}

/// A descriptor for the current directory, to be used as the base of relative paths.
pub fn at_cwd() -> BorrowedFd<'static> {
    nix::fcntl::AT_FDCWD.as_fd()
}
