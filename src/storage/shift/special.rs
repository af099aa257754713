//! Entries that lose something when their owner changes: set-ID bits and file capabilities, which the
//! kernel takes away then (chown(2)).
//!
//! What they have is written down first, so that a walk that is killed in between can give it back.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::fstat;

use super::entry::{self, Entry};
use super::failed;
use super::ids::Shift;
use crate::error::{Context, Result};

/// What such an entry is to have in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Special {
    /// Below the root of the tree.
    pub(super) path: PathBuf,
    pub(super) inode: u64,
    /// The mode, without the type.
    pub(super) mode: u32,
    pub(super) capability: Option<Vec<u8>>,
}

impl Special {
    /// A line for the record.
    fn line(&self) -> String {
        let Self { path, inode, mode, capability } = self;
        let path = hexadecimal(path.as_os_str().as_bytes());
        let capability = capability.as_deref().map_or_else(|| "-".to_owned(), hexadecimal);
        format!("{inode} {mode:o} {capability} {path}\n")
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let special = Self {
            inode: words.next()?.parse().ok()?,
            mode: u32::from_str_radix(words.next()?, 8).ok().filter(|mode| *mode <= 0o7777)?,
            capability: match words.next()? {
                "-" => None,
                digits => Some(bytes(digits)?),
            },
            path: OsStr::from_bytes(&bytes(words.next()?)?).into(),
        };
        words.next().is_none().then_some(special)
    }

    /// Gives the entry its new owner, and back what it lost, if it is still there.
    pub(super) fn finish(&self, root: BorrowedFd<'_>, shift: &Shift) -> Result<()> {
        let what = || failed(&self.path);
        let how =
            OpenHow::new().flags(OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).resolve(
                ResolveFlag::RESOLVE_BENEATH
                    | ResolveFlag::RESOLVE_NO_SYMLINKS
                    | ResolveFlag::RESOLVE_NO_XDEV,
            );
        let opened = match openat2(root, &self.path, how) {
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EXDEV) => return Ok(()),
            opened => opened.context(what)?,
        };
        let stat = fstat(&opened).context(what)?;
        if stat.st_ino != self.inode || !entry::can_be_special(&stat) {
            return Ok(());
        }
        Entry::new(&opened, stat).restore(self, shift).context(what)
    }
}

/// The text that records `specials`.
pub fn record(specials: &[Special]) -> String {
    specials.iter().map(Special::line).collect()
}

/// What the text of a record says. A last line that was not written whole does not count: then none of
/// its batch has been changed.
pub fn parse(text: &str) -> Vec<Special> {
    text.split_inclusive('\n').filter_map(|line| Special::parse(line.strip_suffix('\n')?)).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_record_is_read_as_it_was_written(
            names in prop::collection::vec((prop::collection::vec(1..=255_u8, 1..30), any::<u64>(), 0..0o10000_u32,
                prop::option::of(prop::collection::vec(any::<u8>(), 1..30))), 0..5),
        ) {
            let specials: Vec<Special> = names.into_iter().map(|(path, inode, mode, capability)| {
                Special { path: OsStr::from_bytes(&path).into(), inode, mode, capability }
            }).collect();
            let text = record(&specials);
            prop_assert_eq!(parse(&text), specials.clone());
            let cut = &text[..text.len().saturating_sub(1)];
            prop_assert_eq!(parse(cut).len(), specials.len().saturating_sub(1));
        }

        #[test]
        fn any_text_is_taken(text in any::<String>()) {
            parse(&text);
        }
    }
}
