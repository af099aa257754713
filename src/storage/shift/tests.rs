use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::process::Command;

use super::ids::tests::maps;
use super::*;

/// A tree of root's with all kinds of entries, in which a victim outside of it is linked.
struct Tree {
    base: PathBuf,
}

impl Tree {
    fn new(name: &str) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            return None;
        }
        let base = std::env::temp_dir().join(format!("lxc-rs-shift-{name}-{}", std::process::id()));
        let script = r#"
            mkdir -p "$0/tree/dir/below" && cd "$0/tree" && echo victim >"$0/victim"
            echo a >file; ln file dir/hard; ln -s "$0/victim" link; ln -s "$0" dir/away; mkfifo fifo
            mknod null c 1 3; echo suid >suid; chown 5:6 suid; chmod 6755 suid; ln suid dir/suid
            echo cap >cap; echo foreign >foreign; chown 70000:70000 foreign; chmod 2775 dir; chown 3:4 dir/below
            printf 'x' >"$(printf 'new\nline')"; chmod 4711 fifo"#;
        let made = Command::new("sh").args(["-ec", script]).arg(&base).status().unwrap();
        assert!(made.success());
        let tree = Self { base };
        let capability = [&0x0200_0001_u32.to_le_bytes()[..], &[0x20; 4], &[0; 12]].concat();
        rustix::fs::setxattr(
            tree.path("cap"),
            c"security.capability",
            &capability,
            rustix::fs::XattrFlags::empty(),
        )
        .unwrap();
        Some(tree)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.base.join("tree").join(name)
    }

    fn root(&self) -> OwnedFd {
        std::fs::File::open(self.path("")).unwrap().into()
    }

    /// Mode, owner, capabilities of each entry.
    fn picture(&self) -> Vec<String> {
        let found = Command::new("find").arg(self.path("")).output().unwrap().stdout;
        let mut all: Vec<String> = String::from_utf8(found)
            .unwrap()
            .split('\n')
            .filter_map(|path| Some((path, Path::new(path).symlink_metadata().ok()?)))
            .map(|(path, found)| {
                let capability = self.capability(path).unwrap_or_default();
                format!("{path} {:o} {}:{} {capability:?}", found.mode(), found.uid(), found.gid())
            })
            .collect();
        all.sort();
        all
    }

    fn capability(&self, name: impl AsRef<Path>) -> Option<Vec<u8>> {
        let mut value = vec![0; 100];
        let path = self.path("").join(name);
        let length = rustix::fs::lgetxattr(path, c"security.capability", &mut value[..]).ok()?;
        value.truncate(length);
        Some(value)
    }

    fn owner(&self, name: &str) -> (u32, u32, u32) {
        let found = self.path(name).symlink_metadata().unwrap();
        (found.uid(), found.gid(), found.mode() & 0o7777)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.base).unwrap();
    }
}

fn there() -> Shift {
    Shift::new(&maps(&[(0, 0, 65_536)]), &maps(&[(0, 100_000, 65_536)])).unwrap()
}

fn back() -> Shift {
    Shift::new(&maps(&[(0, 100_000, 65_536)]), &maps(&[(0, 0, 65_536)])).unwrap()
}

#[test]
fn everything_moves_and_comes_back_and_nothing_outside_is_touched() {
    let Some(tree) = Tree::new("whole") else { return };
    let before = tree.picture();
    let done =
        super::tree(tree.root().as_fd(), &there(), Watch::default(), &mut |_| Ok(())).unwrap();
    assert_eq!((done.foreign, done.first_foreign.as_deref()), (1, Some(Path::new("foreign"))));
    // Hard links are two entries and shifted once.
    assert_eq!((done.entries, done.shifted), (14, 12));
    assert_eq!(tree.owner("suid"), (100_005, 100_006, 0o6755));
    assert_eq!(tree.owner("fifo"), (100_000, 100_000, 0o4711));
    assert_eq!(tree.owner("dir"), (100_000, 100_000, 0o2775));
    assert_eq!(tree.owner("dir/below").0, 100_003);
    assert_eq!(tree.owner("link").0, 100_000);
    assert_eq!(tree.owner("foreign").0, 70_000);
    assert_eq!(tree.capability("cap").unwrap()[20..], 100_000_u32.to_le_bytes());
    assert!(tree.path("fifo").metadata().unwrap().file_type().is_fifo());
    let victim = tree.base.join("victim").metadata().unwrap();
    assert_eq!((victim.uid(), victim.permissions().mode() & 0o777), (0, 0o644));
    assert_eq!(tree.base.metadata().unwrap().uid(), 0);
    let again =
        super::tree(tree.root().as_fd(), &there(), Watch::default(), &mut |_| Ok(())).unwrap();
    assert_eq!(again.shifted, 0);
    super::tree(tree.root().as_fd(), &back(), Watch::default(), &mut |_| Ok(())).unwrap();
    assert_eq!(tree.picture(), before);
}

/// Killed at any moment: before the record, after it, after the owner was changed.
#[test]
fn what_was_killed_is_completed_from_the_record() {
    let Some(tree) = Tree::new("killed") else { return };
    let failed = |specials: &[Special], text: &mut String| {
        *text = special::record(specials);
        Err(Error::new("killed"))
    };
    let mut text = String::new();
    super::tree(tree.root().as_fd(), &there(), Watch::default(), &mut |specials| {
        failed(specials, &mut text)
    })
    .unwrap_err();
    assert_eq!(tree.owner("suid"), (5, 6, 0o6755));
    assert_eq!(tree.owner("file").0, 100_000);
    // The kernel takes the bits and the capabilities away.
    for name in ["suid", "cap", "fifo"] {
        std::os::unix::fs::lchown(tree.path(name), Some(100_000), Some(100_000)).unwrap();
    }
    assert_eq!((tree.owner("suid").2, tree.capability("cap")), (0o755, None));
    let specials = special::parse(&text);
    // One that somebody replaced gets nothing.
    std::fs::rename(tree.path("fifo"), tree.path("moved")).unwrap();
    std::fs::write(tree.path("fifo"), "mine").unwrap();
    std::fs::set_permissions(tree.path("fifo"), PermissionsExt::from_mode(0o600)).unwrap();
    finish(tree.root().as_fd(), &there(), &specials).unwrap();
    assert_eq!(tree.owner("suid"), (100_000, 100_000, 0o6755));
    assert_eq!(tree.owner("fifo").2, 0o600);
    assert_eq!(tree.capability("cap").unwrap()[20..], 100_000_u32.to_le_bytes());
    super::tree(tree.root().as_fd(), &there(), Watch::default(), &mut |_| Ok(())).unwrap();
    assert_eq!(tree.owner("suid"), (100_000, 100_000, 0o6755));
}
