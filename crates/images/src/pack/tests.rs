use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};

use super::*;
use crate::testing::Scratch;

fn walk(root: &Path, path: &str, name: &str) -> Walk {
    let root = File::open(root).unwrap();
    Walk::new(root.as_fd(), Path::new(path), name.as_bytes(), false, Mounts::None).unwrap()
}

fn paths(mut walk: Walk) -> Vec<(String, Kind, u64)> {
    let mut found = Vec::new();
    while let Some(entry) = walk.next().unwrap() {
        found.push((String::from_utf8(entry.path).unwrap(), entry.kind, entry.size));
    }
    found
}

#[test]
fn entries_come_in_order_and_links_once() {
    let scratch = Scratch::new("walk");
    let dir = scratch.path();
    std::fs::create_dir_all(dir.join("a/b")).unwrap();
    std::fs::write(dir.join("a/b/file"), "text").unwrap();
    std::fs::hard_link(dir.join("a/b/file"), dir.join("a/hard")).unwrap();
    symlink("b/file", dir.join("a/link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.join("a/socket")).unwrap();
    let file = |path: &str| (path.to_owned(), Kind::File, 4);
    let node = |path: &str, kind| (path.to_owned(), kind, 0);
    assert_eq!(
        paths(walk(dir, "/a", "new")),
        [
            node("new", Kind::Dir),
            node("new/b", Kind::Dir),
            file("new/b/file"),
            node("new/hard", Kind::Hardlink(b"new/b/file".to_vec())),
            node("new/link", Kind::Symlink(b"b/file".to_vec())),
        ]
    );
    let inner = paths(walk(dir, "a/b", "."));
    assert_eq!(inner, [node(".", Kind::Dir), file("file")]);
    // A path is one inside of the root, wherever its links lead.
    symlink("/a/../../../a/b", dir.join("up")).unwrap();
    assert_eq!(paths(walk(dir, "up/file", "x")), [file("x")]);
    let mut whole = walk(dir, "/", ".");
    while whole.next().unwrap().is_some() {}
    assert_eq!(whole.report(), Report { sockets: 1, ..Report::default() });
}

#[test]
fn data_comes_without_holes_and_in_full() {
    let scratch = Scratch::new("walk-data");
    let path = scratch.path().join("file");
    let file = File::create(&path).unwrap();
    file.set_len(8 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"data", 4 << 20).unwrap();
    let mut found = walk(scratch.path(), "file", "file");
    let entry = found.next().unwrap().unwrap();
    let mut data = Vec::new();
    found.read_to_end(&mut data).unwrap();
    let extents = entry.extents.unwrap();
    assert_eq!(entry.size, 8 << 20);
    assert_eq!(extents.iter().map(|extent| extent.length).sum::<u64>(), data.len() as u64);
    assert!(data.len() < 1 << 20 && data.windows(4).any(|four| four == b"data"));
    // It becomes shorter while it is read: what was announced comes.
    std::fs::write(&path, "0123456789").unwrap();
    let mut found = walk(scratch.path(), "file", "file");
    assert_eq!(found.next().unwrap().unwrap().size, 10);
    File::options().write(true).open(&path).unwrap().set_len(3).unwrap();
    let mut data = Vec::new();
    found.read_to_end(&mut data).unwrap();
    assert_eq!(data, b"012\0\0\0\0\0\0\0");
    assert!(found.next().unwrap().is_none());
    assert_eq!(found.report().shortened, 1);
}

#[test]
fn what_the_kernel_shows_is_left_out_of_a_walk_and_read_if_it_is_named() {
    let root = File::open("/").unwrap();
    let mut own =
        Walk::new(root.as_fd(), Path::new("/proc/self/comm"), b"c", false, Mounts::NotOfKernel)
            .unwrap();
    let entry = own.next().unwrap().unwrap();
    let mut text = String::new();
    own.read_to_string(&mut text).unwrap();
    assert_eq!(text, std::fs::read_to_string("/proc/self/comm").unwrap());
    assert_eq!(entry.size, text.len() as u64);
    assert!(std::fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    let null = std::fs::metadata("/dev/null").unwrap().rdev();
    let mut device =
        Walk::new(root.as_fd(), Path::new("/dev/null"), b"n", false, Mounts::None).unwrap();
    let kind = Kind::Char(u32::try_from(major(null)).unwrap(), u32::try_from(minor(null)).unwrap());
    assert_eq!(device.next().unwrap().unwrap().kind, kind);
}

#[test]
fn whiteouts_of_one_inode_are_whiteouts_each() {
    let scratch = Scratch::new("walk-layer");
    let dir = scratch.path();
    let device = nix::sys::stat::mknod(
        &dir.join("one"),
        SFlag::S_IFCHR,
        Mode::S_IRUSR,
        nix::sys::stat::makedev(0, 0),
    );
    if device == Err(Errno::EPERM) {
        // Only root and newer kernels make them.
        return;
    }
    device.unwrap();
    std::fs::hard_link(dir.join("one"), dir.join("two")).unwrap();
    std::fs::write(dir.join("file"), "x").unwrap();
    let root = File::open(dir).unwrap();
    let walk = Walk::new(root.as_fd(), Path::new("."), b".", false, Mounts::None).unwrap();
    let mut names = Vec::new();
    let mut walk = walk.of_layer();
    while let Some(entry) = walk.next().unwrap() {
        names.push((String::from_utf8(entry.path).unwrap(), entry.kind));
    }
    let file = |name: &str| (name.to_owned(), Kind::File);
    assert_eq!(
        names,
        [(".".to_owned(), Kind::Dir), file("file"), file(".wh.one"), file(".wh.two")]
    );
    std::fs::write(dir.join(".wh.x"), "").unwrap();
    let mut odd =
        Walk::new(root.as_fd(), Path::new("."), b".", false, Mounts::None).unwrap().of_layer();
    let error = std::iter::from_fn(|| odd.next().transpose()).find_map(Result::err).unwrap();
    assert!(error.what.contains("begins with .wh."));
}
