//! Renaming that replaces nothing (renameat2(2)).

use std::path::Path;

use nix::errno::Errno;
use rustix::fs::{CWD, RenameFlags, renameat_with};

/// Renames `from` to `to`; `EEXIST` if there is something.
pub fn without_replacing(from: &Path, to: &Path) -> nix::Result<()> {
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)
        .map_err(|errno| Errno::from_raw(errno.raw_os_error()))
}
