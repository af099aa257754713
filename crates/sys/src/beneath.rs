//! Opening what lies below a directory whose content, or which itself, comes from somebody else
//! (openat2(2)).

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

/// How often to repeat what the kernel asks to repeat.
const ATTEMPTS: usize = 1000;

/// Opens `path` beneath `dir`; fails at every symbolic link with `ELOOP`.
pub fn open(dir: BorrowedFd<'_>, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
    resolve(dir, path, flags, ResolveFlag::empty())
}

/// As [`open`]; fails with `EXDEV` also where something is mounted on the way.
pub fn open_on_same_mount(dir: BorrowedFd<'_>, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
    resolve(dir, path, flags, ResolveFlag::RESOLVE_NO_XDEV)
}

/// Opens `path` as a process with the root directory `root` would: symbolic links are followed, and none
/// leads out of it.
pub fn open_in_root(root: BorrowedFd<'_>, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
    repeated(root, path, flags, ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS)
}

fn resolve(
    dir: BorrowedFd<'_>,
    path: &Path,
    flags: OFlag,
    besides: ResolveFlag,
) -> nix::Result<OwnedFd> {
    let strict = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS;
    repeated(dir, path, flags, strict | besides)
}

fn repeated(
    dir: BorrowedFd<'_>,
    path: &Path,
    flags: OFlag,
    resolve: ResolveFlag,
) -> nix::Result<OwnedFd> {
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve);
    let mut result = Err(Errno::EAGAIN);
    for _ in 0..ATTEMPTS {
        result = openat2(dir, path, how);
        // A rename anywhere on the host made the kernel unsure; openat2(2) says to try again.
        if !matches!(result, Err(Errno::EAGAIN)) {
            break;
        }
    }
    result
}
