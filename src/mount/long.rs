//! New file systems with an option that fsconfig(2) does not take, such as an overlay's layers where they are
//! too long or have a comma: by mount(2), which takes a page of options in all.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, umount2};

use super::entries::Entry;
use super::root::{Missing, Root};
use crate::error::{Context, Error, Result};
use crate::sys::mount::{self as sys, FsOption};

/// Most bytes of options that mount(2) reads; the kernel drops the rest without a word.
const DATA_MAX: usize = 4095;

/// A detached mount of the new file system that `entry` asks for, with the options `data`. It is on the
/// target of the entry for a moment: mount(2) needs a place.
pub fn new_instance(root: &Root, entry: &Entry, data: &[FsOption<'_>]) -> Result<OwnedFd> {
    let failed = || entry.describe();
    let mut flags = MsFlags::empty();
    let mut words = Vec::new();
    for (key, value) in data {
        match (flag(key), value) {
            (Some(known), None) => flags |= known,
            (_, None) => words.push((*key).to_owned()),
            (_, Some(value)) => words.push(format!("{key}={value}")),
        }
    }
    let text = words.join(",");
    if text.len() > DATA_MAX {
        return Err(Error::new(format!(
            "{}: {} bytes of options, of which the kernel reads {DATA_MAX}",
            failed(),
            text.len()
        )));
    }
    let missing = entry.options.create.unwrap_or(Missing::Fail);
    let below = root.target(&entry.target, missing)?;
    nix::mount::mount(
        Some(entry.source.as_str()),
        &by_descriptor(&below),
        Some(entry.fstype.as_str()),
        flags,
        Some(text.as_str()),
    )
    .context(failed)?;
    let mounted = root.target(&entry.target, Missing::Fail)?;
    let tree =
        sys::open_tree(mounted.as_fd(), Path::new(""), sys::OPEN_TREE_CLONE).context(failed)?;
    umount2(&by_descriptor(&mounted), MntFlags::MNT_DETACH).context(failed)?;
    sys::mount_setattr(tree.as_fd(), false, &entry.options.attributes()).context(failed)?;
    Ok(tree)
}

fn by_descriptor(fd: &OwnedFd) -> PathBuf {
    use std::os::fd::AsRawFd;
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

/// The options of a super block that mount(2) takes as flags.
fn flag(word: &str) -> Option<MsFlags> {
    Some(match word {
        "ro" => MsFlags::MS_RDONLY,
        "sync" => MsFlags::MS_SYNCHRONOUS,
        "dirsync" => MsFlags::MS_DIRSYNC,
        "mand" => MsFlags::MS_MANDLOCK,
        "lazytime" => MsFlags::MS_LAZYTIME,
        "async" | "nomand" | "nolazytime" => MsFlags::empty(),
        _ => return None,
    })
}
