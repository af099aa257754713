//! What new storage on a device or in an image is like: a copy as its source, where that is on one.

use std::path::Path;

use super::{Opened, SIZE, filesystem, growth, require_root};
use crate::error::Result;
use crate::storage::{RootfsMount, Target};

/// The size and the type of a file system that is to be made.
#[derive(Debug)]
pub(in crate::storage) struct Like<'a> {
    /// Its bytes.
    pub(in crate::storage) size: u64,
    /// The name of its type.
    pub(in crate::storage) filesystem: &'a str,
}

impl<'a> Like<'a> {
    /// For a new one that is to be as `target` says; fails unless that can be made here.
    pub(in crate::storage) fn asked(target: Target<'a>) -> Result<Self> {
        require_root()?;
        let specification = target.specification;
        let size = specification.bytes()?.or(target.limit).unwrap_or(SIZE);
        filesystem::check(specification.filesystem())?;
        Ok(Self { size, filesystem: specification.filesystem() })
    }

    /// For a copy of `source` that is to be as `target` says.
    pub(in crate::storage) fn of(source: &RootfsMount, target: Target<'a>) -> Result<Self> {
        let asked = target.specification.bytes()?;
        let (size, filesystem) = match source {
            RootfsMount::Block(path) => {
                let like = on(path)?.unwrap_or(target.specification.filesystem());
                let size = growth::size_of(path)?;
                (target.limit.map_or(size, |limit| limit.max(size)), like)
            }
            _ => (target.limit.unwrap_or(SIZE), target.specification.filesystem()),
        };
        Ok(Self { size: asked.unwrap_or(size), filesystem })
    }
}

/// The type on `path`, if it is one that can be made empty and filled.
fn on(path: &Path) -> Result<Option<&'static str>> {
    let filesystem = filesystem::probe(&Opened::of(path)?.file, path)?;
    Ok((!filesystem.is_read_only).then_some(filesystem.name))
}
