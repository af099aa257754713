//! The side of `lxc-rs diff` that reads: the writable layer of an overlay, and those below it, which are open.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use clap::{ArgMatches, Command};
use lxc_sys::beneath;
use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::Program;
use super::commit::tell_change;
use super::options::{self, descriptors};
use crate::archive::Entries;
use crate::image::difference::Change;
use crate::pack::{Mounts, Walk};
use crate::{Context, Result};

pub(super) const PROGRAM: Program = Program { name: "lxc-diff", command, run };

fn command() -> Command {
    Command::new("lxc-diff").about("What lxc-rs diff runs").hide(true).arg(descriptors())
}

fn run(matches: &ArgMatches) -> Result<()> {
    let [upper, lower]: [OwnedFd; 2] = options::handed_on(matches)?;
    let mut walk = Walk::new(upper.as_fd(), Path::new("."), b".", false, Mounts::None)?.of_layer();
    let below = |path: &[u8]| exists(lower.as_fd(), path);
    while let Some(entry) = walk.next()? {
        let (dir, name) = match entry.path.iter().rposition(|byte| *byte == b'/') {
            Some(at) => (&entry.path[..at], &entry.path[at + 1..]),
            None => (&b""[..], &*entry.path),
        };
        let joined = |name: &[u8]| {
            if dir.is_empty() { name.to_vec() } else { [dir, b"/", name].concat() }
        };
        if name == b".wh..wh..opq" {
            // All that is below, but what is here as well.
            for name in names(lower.as_fd(), dir)? {
                if !exists(upper.as_fd(), &joined(&name))? {
                    tell_change(Change::Deleted, &joined(&name));
                }
            }
        } else if let Some(name) = name.strip_prefix(b".wh.") {
            tell_change(Change::Deleted, &joined(name));
        } else {
            let change = if below(&entry.path)? { Change::Changed } else { Change::Added };
            tell_change(change, &entry.path);
        }
    }
    Ok(())
}

fn exists(root: BorrowedFd<'_>, path: &[u8]) -> Result<bool> {
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    match beneath::open(root, path, OFlag::O_PATH | OFlag::O_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(false),
        Err(errno) => {
            Err(crate::Error::new(format!("cannot look for {}", path.display())).errno(errno))
        }
    }
}

/// The names in the directory `path`; none if it is not a directory.
fn names(root: BorrowedFd<'_>, path: &[u8]) -> Result<Vec<Vec<u8>>> {
    let path = Path::new(std::ffi::OsStr::from_bytes(if path.is_empty() { b"." } else { path }));
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    let failed = || format!("cannot list {}", path.display());
    let dir = match beneath::open(root, path, flags) {
        Ok(dir) => File::from(dir),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(Vec::new()),
        Err(errno) => return Err(crate::Error::new(failed()).errno(errno)),
    };
    let mut dir = nix::dir::Dir::from_fd(dir.into()).context(failed)?;
    let mut names = Vec::new();
    for entry in dir.iter() {
        let name = entry.context(failed)?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
