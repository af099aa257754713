//! Whiteouts: entries of a layer that remove what layers below it have (OCI image specification,
//! "Representing Changes").
//!
//! What the layer itself has made stays, in whatever order its entries come.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use lxc_sys::beneath;
use nix::dir::Dir;
use nix::fcntl::OFlag;
use nix::sys::stat::SFlag;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::{inode, kind_of, lstat};
use crate::{Context, Error, Result};

const PREFIX: &[u8] = b".wh.";

/// What an entry with the prefix asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whiteout<'a> {
    /// That this name goes.
    Entry(&'a OsStr),
    /// That all goes that is in its directory.
    Opaque,
    /// Nothing: a record of aufs, which invented these names.
    Reserved,
}

/// A directory, by device and inode, and a name in it.
type Place = ((u64, u64), OsString);

/// What an archive has made so far.
#[derive(Debug)]
pub(super) struct Layer {
    /// Whether names can be whiteouts.
    whiteouts: bool,
    made: HashSet<Place>,
}

impl Layer {
    /// An archive that is not a layer.
    pub fn plain() -> Self {
        Self { whiteouts: false, made: HashSet::new() }
    }

    /// A layer of an image.
    pub fn of_image() -> Self {
        Self { whiteouts: true, made: HashSet::new() }
    }

    /// What the entry `name` asks for, if it is a whiteout.
    pub fn whiteout<'a>(&self, name: &'a OsStr) -> Result<Option<Whiteout<'a>>> {
        if !self.whiteouts {
            return Ok(None);
        }
        match name.as_bytes().strip_prefix(PREFIX) {
            None => Ok(None),
            Some(b".wh..opq") => Ok(Some(Whiteout::Opaque)),
            Some(rest) if rest.starts_with(PREFIX) => Ok(Some(Whiteout::Reserved)),
            Some(b"" | b"." | b"..") => {
                Err(Error::new("refusing a whiteout of a directory's own name"))
            }
            Some(name) => Ok(Some(Whiteout::Entry(OsStr::from_bytes(name)))),
        }
    }

    /// Notes that `name` in `dir` is of this layer.
    pub fn made(&mut self, dir: BorrowedFd<'_>, name: &OsStr) -> Result<()> {
        if self.whiteouts {
            self.made.insert((inode(dir)?, name.to_owned()));
        }
        Ok(())
    }

    /// Removes `name` in `dir`, but what is of this layer.
    pub fn remove(&self, dir: BorrowedFd<'_>, name: &OsStr) -> Result<()> {
        remove(dir, name, &self.made).map(drop)
    }

    /// Removes what is in `dir`, but what is of this layer.
    pub fn remove_content(&self, dir: BorrowedFd<'_>) -> Result<()> {
        remove_content(dir, OsStr::new("."), &self.made).map(drop)
    }
}

/// Removes `name` in `dir` with all that is in it.
pub(super) fn remove_whole(dir: BorrowedFd<'_>, name: &OsStr) -> Result<()> {
    remove(dir, name, &HashSet::new()).map(drop)
}

/// Removes `name` in `dir` but what is in `kept`; whether nothing was kept.
fn remove(dir: BorrowedFd<'_>, name: &OsStr, kept: &HashSet<Place>) -> Result<bool> {
    let Some(stat) = lstat(dir, name)? else { return Ok(true) };
    let is_dir = kind_of(&stat) == SFlag::S_IFDIR;
    let keep = !kept.is_empty() && kept.contains(&(inode(dir)?, name.to_owned()));
    if is_dir && !remove_content(dir, name, kept)? || keep {
        return Ok(false);
    }
    let flag = if is_dir { UnlinkatFlags::RemoveDir } else { UnlinkatFlags::NoRemoveDir };
    unlinkat(dir, name, flag).context(|| "cannot remove what is in its place")?;
    Ok(true)
}

fn remove_content(parent: BorrowedFd<'_>, name: &OsStr, kept: &HashSet<Place>) -> Result<bool> {
    let failed = || "cannot list what is to be removed";
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    let fd = beneath::open(parent, Path::new(name), flags).context(failed)?;
    let mut dir = Dir::from_fd(fd).context(failed)?;
    let mut names = Vec::new();
    for entry in dir.iter() {
        let name = OsStr::from_bytes(entry.context(failed)?.file_name().to_bytes()).to_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    let mut empty = true;
    for name in names {
        empty &= remove(dir.as_fd(), &name, kept)?;
    }
    Ok(empty)
}
