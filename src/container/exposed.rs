//! Whether the container itself can write its configuration, with hooks that run on the host.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::config::{Config, IdKind};
use crate::error::Error;
use crate::namespace::Ids;

/// A warning if an id of the container with `config` can write the configuration `file` or put another
/// one into its place.
pub(super) fn warning(config: &Config, file: &Path) -> Option<Error> {
    let ids = Ids::of(config);
    if ids.is_empty() {
        return None;
    }
    let file = &std::path::absolute(file).ok()?;
    let dir = file.parent()?;
    // The owner of the directory of containers has all that is in it anyway.
    let above = dir.parent()?.metadata().ok()?;
    let by = Exposure { ids, trusted: (above.uid(), above.gid()) };
    let (in_dir, in_file) = (dir.metadata().ok()?, file.metadata().ok()?);
    let dir_is = by.covers(&in_dir);
    if !dir_is && !by.covers(&in_file) {
        return None;
    }
    let ((uid, gid), (_, root)) = (by.trusted, ids.root());
    let mut fix = format!("chown {uid}:{gid} {0} && chmod 640 {0}", file.display());
    if dir_is {
        fix = format!("chown {uid}:{root} {0} && chmod 710 {0} && {fix}", dir.display());
    }
    let what = if dir_is { dir } else { file };
    Some(
        Error::new(format!(
            "ids of the container can write {}, and hooks in its configuration run on the host",
            what.display()
        ))
        .hint(format!("as root: {fix}")),
    )
}

struct Exposure<'a> {
    ids: Ids<'a>,
    /// The user and the group to whom the container may belong.
    trusted: (u32, u32),
}

impl Exposure<'_> {
    /// Whether ids of the container may write what has the attributes `of`, or change its mode so
    /// that they may.
    fn covers(&self, of: &Metadata) -> bool {
        self.lets(of.uid(), of.gid(), of.mode(), of.is_dir())
    }

    fn lets(&self, uid: u32, gid: u32, mode: u32, is_dir: bool) -> bool {
        let foreign =
            |kind, id, trusted| id != 0 && id != trusted && self.ids.has_outside(kind, id);
        // Others remove nothing from a directory with the sticky bit.
        let is_sticky = is_dir && mode & libc::S_ISVTX != 0;
        foreign(IdKind::User, uid, self.trusted.0)
            || !is_sticky && mode & 0o002 != 0
            || !is_sticky && mode & 0o020 != 0 && foreign(IdKind::Group, gid, self.trusted.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Document;

    #[test]
    fn only_foreign_ids_of_the_container_count() {
        let text =
            "lxc.idmap = u 0 100000 1000\nlxc.idmap = u 1000 1000 1\nlxc.idmap = g 0 200000 1000\n";
        let document = Document::parse(text, "f").unwrap();
        let by = Exposure { ids: Ids::of(&document.config), trusted: (1000, 1000) };
        for (uid, gid, mode, is_dir, expected) in [
            (100_000, 0, 0o400, false, true),
            (1000, 200_000, 0o710, true, false),
            (1000, 200_000, 0o770, true, true),
            (1000, 1000, 0o770, true, false),
            (0, 0, 0o1777, true, false),
            (0, 0, 0o777, true, true),
            (101_000, 201_000, 0o770, true, false),
        ] {
            assert_eq!(by.lets(uid, gid, mode, is_dir), expected, "{uid}:{gid} {mode:o}");
        }
    }
}
