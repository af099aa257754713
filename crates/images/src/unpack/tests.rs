use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use tar::EntryType;

use super::{Limits, Report, Unpacker};
use crate::Result;
use crate::testing::{Archive, Scratch};

/// A directory to unpack in, beside one that nothing may touch.
struct World {
    scratch: Scratch,
}

impl World {
    fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        std::fs::create_dir(scratch.path().join("root")).unwrap();
        std::fs::create_dir(scratch.path().join("outside")).unwrap();
        std::fs::write(scratch.path().join("outside/file"), "untouched").unwrap();
        Self { scratch }
    }

    fn root(&self) -> std::path::PathBuf {
        self.scratch.path().join("root")
    }

    fn outside(&self) -> String {
        self.scratch.path().join("outside").to_str().unwrap().to_owned()
    }

    fn unpacker(&self) -> Unpacker<'static> {
        Unpacker::new(&self.root(), Limits::default()).unwrap()
    }

    fn archive(&self, archive: &[u8]) -> Result<Report> {
        let mut unpacker = self.unpacker();
        unpacker.archive(archive, || archive.len() as u64)?;
        Ok(unpacker.report())
    }

    fn layers(&self, layers: &[Archive]) -> Result<Report> {
        let mut unpacker = self.unpacker();
        for layer in layers {
            let layer = layer.clone().end();
            unpacker.layer(layer.as_slice(), || layer.len() as u64)?;
        }
        Ok(unpacker.report())
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root().join(path)).unwrap()
    }

    fn has(&self, path: &str) -> bool {
        self.root().join(path).symlink_metadata().is_ok()
    }

    /// Nothing outside was changed, made or removed.
    fn outside_is_untouched(&self) {
        let names: Vec<_> = std::fs::read_dir(self.outside())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["file"]);
        let file = Path::new(&self.outside()).join("file");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "untouched");
        assert_eq!(file.metadata().unwrap().nlink(), 1);
        let beside = std::fs::read_dir(self.scratch.path()).unwrap().count();
        assert_eq!(beside, 2, "something was made beside the root");
    }
}

/// The error of an archive that must be refused.
fn refused(name: &str, archive: impl Fn(&World) -> Archive) -> String {
    let world = World::new(name);
    let error = world.archive(&archive(&world).end()).unwrap_err().to_string();
    world.outside_is_untouched();
    error
}

#[test]
fn names_that_lead_out_are_refused() {
    for (number, name) in
        ["../outside/file", "a/../../outside/file", "..", "/../outside/new", "a/.."]
            .iter()
            .enumerate()
    {
        let error = refused(&format!("dots{number}"), |_| Archive::new().file(name, "evil"));
        assert!(error.contains("'..'"), "{error}");
    }
    let error = refused("hard-dots", |_| Archive::new().hardlink("link", "../outside/file"));
    assert!(error.contains("'..'"), "{error}");
}

#[test]
fn absolute_names_are_below_the_root() {
    let world = World::new("absolute");
    let name = world.outside() + "/file";
    world.archive(&Archive::new().file(&name, "inside").end()).unwrap();
    assert_eq!(world.read(name.trim_start_matches('/')), "inside");
    world.outside_is_untouched();
}

#[test]
fn links_lead_nowhere_outside() {
    let world = World::new("links");
    let outside = world.outside();
    // Absolute, relative, through a chain, and to the root's own parent.
    let archive = Archive::new()
        .symlink("absolute", &outside)
        .symlink("relative", "../outside")
        .symlink("chain", "absolute")
        .dir("up")
        .symlink("up/up", "../../../../../../../../..");
    let inside = outside.trim_start_matches('/');
    let archive = archive
        .dir(inside)
        .dir("outside")
        .file("absolute/one", "1")
        .file("relative/two", "2")
        .file("chain/three", "3")
        .file("up/up/four", "4");
    world.archive(&archive.end()).unwrap();
    assert_eq!(world.read(&format!("{inside}/one")), "1");
    assert_eq!(world.read("outside/two"), "2");
    assert_eq!(world.read(&format!("{inside}/three")), "3");
    assert_eq!(world.read("four"), "4");
    world.outside_is_untouched();
}

#[test]
fn a_file_replaces_a_link_and_is_not_written_through_it() {
    let world = World::new("through");
    let target = world.outside() + "/file";
    let archive = Archive::new()
        .symlink("link", &target)
        .file("link", "mine")
        .symlink("dir", &world.outside())
        .dir("dir")
        .file("dir/file", "mine");
    world.archive(&archive.end()).unwrap();
    assert_eq!(world.read("link"), "mine");
    assert_eq!(world.read("dir/file"), "mine");
    assert!(!world.root().join("link").is_symlink() && !world.root().join("dir").is_symlink());
    world.outside_is_untouched();
}

#[test]
fn hard_links_lead_nowhere_outside() {
    let error = refused("hard-absolute", |world| {
        Archive::new().hardlink("link", &(world.outside() + "/file"))
    });
    assert!(error.contains("ENOENT"), "{error}");
    let error = refused("hard-through", |world| {
        Archive::new()
            .symlink("out", &world.outside())
            .hardlink("link", "out/file")
            .file("link", "evil")
    });
    assert!(error.contains("out"), "{error}");
    // One to a link is a second name of the link itself.
    let world = World::new("hard-link-link");
    let archive = Archive::new()
        .symlink("out", &(world.outside() + "/file"))
        .hardlink("link", "out")
        .file("link", "mine");
    world.archive(&archive.end()).unwrap();
    assert_eq!(world.read("link"), "mine");
    world.outside_is_untouched();
}

#[test]
fn missing_directories_are_not_made_through_a_link_to_nothing() {
    let error = refused("dangling", |world| {
        Archive::new().symlink("gone", &(world.outside() + "/new")).file("gone/file", "evil")
    });
    assert!(error.contains("link to nothing"), "{error}");
}

#[test]
fn the_last_of_several_entries_of_one_name_counts() {
    let world = World::new("twice");
    let archive = Archive::new()
        .file("a", "first")
        .file("a", "second")
        .dir("d")
        .file("d/x", "x")
        .file("d", "file")
        .file("e", "file")
        .hardlink("e", "e")
        .dir("f")
        .file("f/kept", "kept")
        .dir("f");
    world.archive(&archive.end()).unwrap();
    assert_eq!(
        ["a", "d", "e", "f/kept"].map(|name| world.read(name)),
        ["second", "file", "file", "kept"]
    );
}

#[test]
fn attributes_are_those_of_the_archive() {
    let world = World::new("attributes");
    let mut suid = Archive::header(EntryType::Regular, "d/suid", 1);
    suid.set_mode(0o4751);
    let mut sticky = Archive::header(EntryType::Directory, "d", 0);
    sticky.set_mode(0o1777);
    let archive = Archive::new()
        .raw(sticky, b"")
        .pax(&[
            ("SCHILY.xattr.user.note", b"a\nb"),
            ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
            ("SCHILY.xattr.user.overlay.opaque", b"y"),
            ("SCHILY.xattr.security.selinux", b"label"),
            ("mtime", b"12345.678"),
        ])
        .raw(suid, b"x")
        .link(EntryType::Fifo, "d/pipe", "")
        .symlink("d/link", "nowhere");
    let report = world.archive(&archive.end()).unwrap();
    let stat = world.root().join("d/suid").metadata().unwrap();
    assert_eq!(stat.permissions().mode(), 0o104_751);
    assert_eq!((stat.mtime(), stat.mtime_nsec()), (12345, 678_000_000));
    let names = xattrs(&world.root().join("d/suid"));
    assert!(!names.iter().any(|name| name.contains("overlay") || name == "security.selinux"));
    // Not every file system has attributes of users.
    let has_users = names.iter().any(|name| name == "user.note");
    assert_eq!(report.attributes, if has_users { 3 } else { 4 });
    let dir = world.root().join("d").metadata().unwrap();
    assert_eq!((dir.permissions().mode(), dir.mtime()), (0o041_777, 1_000_000_000));
    assert!(world.root().join("d/pipe").metadata().unwrap().file_type().is_fifo());
    assert_eq!(world.root().join("d/link").symlink_metadata().unwrap().mtime(), 1_000_000_000);
}

fn xattrs(path: &Path) -> Vec<String> {
    let mut names = vec![0; 4096];
    let length = rustix::fs::llistxattr(path, &mut names).unwrap();
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8(name.to_vec()).unwrap()).collect()
}

#[test]
fn devices_are_made_or_counted_and_none_hides_files() {
    let world = World::new("devices");
    let archive = Archive::new()
        .device("null", EntryType::Char, 1, 3)
        .device("disk", EntryType::Block, 8, 0)
        .device("whiteout", EntryType::Char, 0, 0);
    let report = world.archive(&archive.end()).unwrap();
    assert!(!world.has("whiteout"));
    let made = ["null", "disk"].iter().filter(|name| world.has(name)).count() as u64;
    assert_eq!((made, report.entries, report.devices), (made, made, 3 - made));
    if let Ok(stat) = world.root().join("null").metadata() {
        assert!(stat.file_type().is_char_device());
        assert_eq!(stat.rdev(), nix::sys::stat::makedev(1, 3));
    }
}

#[test]
fn an_owner_that_is_no_id_is_refused() {
    for uid in [u64::from(u32::MAX), 1 << 32] {
        let mut header = Archive::header(EntryType::Regular, "file", 0);
        header.set_uid(uid);
        let error = refused("owner", |_| Archive::new().raw(header.clone(), b""));
        assert!(error.contains("is not a user or group"), "{error}");
    }
}

#[test]
fn whiteouts_hide_what_layers_below_have() {
    let world = World::new("whiteouts");
    let lower = Archive::new()
        .file("a/gone", "")
        .file("a/kept", "")
        .file("b/x/y", "")
        .file("b/z", "")
        .file("c/old", "")
        .symlink("lib", "usr/lib")
        .dir("usr/lib")
        .file("usr/lib/gone", "");
    let upper = Archive::new()
        .file("a/.wh.gone", "")
        .file(".wh.b", "")
        .file("c/new", "")
        .file("c/.wh..wh..opq", "")
        .file("c/later", "")
        .file("lib/.wh.gone", "")
        .file("a/.wh..wh.plnk", "");
    world.layers(&[lower, upper]).unwrap();
    assert!(
        world.has("a/kept") && world.has("c/new") && world.has("c/later") && world.has("usr/lib")
    );
    for name in
        ["a/gone", "a/.wh.gone", "b", "c/old", "c/.wh..wh..opq", "usr/lib/gone", "a/.wh..wh.plnk"]
    {
        assert!(!world.has(name), "{name} is there");
    }
}

#[test]
fn whiteouts_leave_what_their_own_layer_has() {
    let world = World::new("own");
    let lower = Archive::new().file("d/old", "").file("f", "old").file("e/x/old", "");
    // In either order.
    let upper = Archive::new()
        .file("d/new", "")
        .file(".wh.d", "")
        .file(".wh.f", "")
        .file("f", "new")
        .file("e/x/new", "")
        .file("e/.wh..wh..opq", "");
    world.layers(&[lower, upper]).unwrap();
    assert!(world.has("d/new") && !world.has("d/old"));
    assert!(world.has("e/x/new") && !world.has("e/x/old"));
    assert_eq!(world.read("f"), "new");
}

#[test]
fn whiteouts_lead_nowhere_outside() {
    for name in [".wh...", ".wh..", ".wh.", "d/.wh..."] {
        let world = World::new("whiteout-out");
        let error = world.layers(&[Archive::new().dir("d").file(name, "")]).unwrap_err();
        assert!(error.to_string().contains("whiteout"), "{name}: {error}");
        world.outside_is_untouched();
    }
    let world = World::new("whiteout-link");
    let outside = world.outside();
    let lower = Archive::new().symlink("out", &outside).dir("d").symlink("d/out", &outside);
    let upper = Archive::new().file("d/.wh.out", "").dir("e").file("e/.wh..wh..opq", "");
    world.layers(&[lower.clone(), upper]).unwrap();
    assert!(!world.has("d/out"));
    // Of what a link leads to, nothing goes; there is no such directory below the root.
    let through = Archive::new().file("out/.wh.file", "").file("out/.wh..wh..opq", "");
    let error = world.layers(&[lower, through]).unwrap_err();
    assert!(error.to_string().contains("link to nothing"), "{error}");
    world.outside_is_untouched();
    // In an archive that is not a layer they are names like others.
    world.archive(&Archive::new().file(".wh.x", "file").end()).unwrap();
    assert_eq!(world.read(".wh.x"), "file");
}

#[test]
fn bombs_are_refused_before_they_fill_the_disk() {
    let with = |limits: Limits, archive: &[u8], packed: u64| {
        let world = World::new("bomb");
        let mut unpacker = Unpacker::new(&world.root(), limits).unwrap();
        unpacker.archive(archive, || packed).unwrap_err().to_string()
    };
    let small = Limits { bytes: 1000, entries: 3, depth: 4, ..Limits::default() };
    let bytes = Archive::new().file("a", &"x".repeat(600)).file("b", &"x".repeat(600)).end();
    assert!(with(small, &bytes, 9999).contains("more than 1000 bytes"));
    // Said to be as large, whatever follows.
    let said = Archive::new().raw(Archive::header(EntryType::Regular, "a", 1 << 60), b"").end();
    assert!(with(Limits::default(), &said, 9999).contains("bytes"));
    let entries = Archive::new().dir("a").dir("b").dir("c").dir("d").end();
    assert!(with(small, &entries, 9999).contains("more than 3 entries"));
    let few = Limits { names: 10, ..small };
    let names = Archive::new().dir("abcdef").dir("abcdef/gh").file("abcdef/i", "").end();
    assert!(with(few, &names, 9999).contains("names have more than 10 bytes"));
    let deep = Archive::new().dir("a/b/c/d/e").end();
    assert!(with(small, &deep, 9999).contains("more than 4 components"));
    let hole = |size: &[u8]| {
        let map: &[(&str, &[u8])] = &[("GNU.sparse.size", size), ("GNU.sparse.map", b"0,1")];
        Archive::new().pax(map).file("sparse", "x").end()
    };
    assert!(with(Limits::default(), &hole(b"9000000000000000000"), 9999).contains("bytes"));
    assert!(with(Limits::default(), &hole(b"20000000000"), 9999).contains("200 times"));
}

#[test]
fn each_layer_grows_by_itself() {
    let world = World::new("ratio");
    let limits = Limits { free: 1000, ratio: 2, ..Limits::default() };
    let mut unpacker = Unpacker::new(&world.root(), limits).unwrap();
    let layer = |name: &str| Archive::new().file(name, &"x".repeat(900)).end();
    for name in ["a", "b", "c"] {
        unpacker.layer(layer(name).as_slice(), || 10).unwrap();
    }
    let twice = Archive::new().file("d", &"x".repeat(900)).file("e", &"x".repeat(900)).end();
    unpacker.layer(twice.as_slice(), || 900).unwrap();
    let error = unpacker.layer(twice.as_slice(), || 10).unwrap_err();
    assert!(error.what.contains("2 times"), "{error}");
}

#[test]
fn links_lead_no_deeper_than_names_may() {
    let deep = "d/".repeat(20);
    let mut archive = Archive::new().dir(&deep);
    for number in 0..20 {
        let before = if number == 0 { String::new() } else { format!("l{}/", number - 1) };
        archive = archive
            .dir(&format!("{before}{deep}"))
            .symlink(&format!("l{number}"), &format!("{before}{deep}"));
    }
    let error = refused("deep", |_| archive.clone());
    assert!(error.contains("directories deep"), "{error}");
}

#[test]
fn an_archive_without_its_end_is_refused() {
    let world = World::new("cut");
    let error = world.archive(&Archive::new().file("a", "x").cut()).unwrap_err();
    assert!(error.to_string().contains("cut off"), "{error}");
}

#[test]
fn names_with_control_characters_are_made_and_shown_spelt_out() {
    let world = World::new("control");
    world.archive(&Archive::new().file("a\x1b[31m\nb", "x").end()).unwrap();
    assert_eq!(world.read("a\x1b[31m\nb"), "x");
    let error = refused("control-shown", |_| Archive::new().hardlink("\x1b]0;t\x07\nx", "gone"));
    assert!(!error.contains('\x1b') && error.contains("\\x1b]0;t\\x07?x"), "{error}");
}

#[test]
fn what_gnu_tar_packs_is_unpacked_the_same() {
    let world = World::new("gnu");
    let source = world.scratch.path().join("outside/source");
    std::fs::create_dir_all(source.join("d/e")).unwrap();
    std::fs::write(source.join("d/file"), "content").unwrap();
    std::fs::hard_link(source.join("d/file"), source.join("d/hard")).unwrap();
    std::os::unix::fs::symlink("../file", source.join("d/e/link")).unwrap();
    std::fs::write(source.join("n".repeat(200)), "long").unwrap();
    let sparse = std::fs::File::create(source.join("sparse")).unwrap();
    sparse.set_len(8 << 20).unwrap();
    for place in 0..100_u64 {
        std::os::unix::fs::FileExt::write_at(&sparse, b"data", place * 80_000).unwrap();
    }
    for format in ["gnu", "posix", "ustar", "oldgnu"] {
        let root = world.root().join(format);
        std::fs::create_dir(&root).unwrap();
        let archive = world.scratch.path().join("outside/archive.tar");
        let mut tar = Command::new("tar");
        tar.args(["--format", format, "-C"]).arg(&source).arg("-cf").arg(&archive);
        if format == "ustar" {
            tar.args(["--exclude", "nnn*"]);
        } else {
            tar.arg("-S");
        }
        assert!(tar.arg(".").status().unwrap().success());
        let input = std::fs::File::open(&archive).unwrap();
        let packed = input.metadata().unwrap().len();
        assert!(format == "ustar" || packed < 2 << 20, "{format} packed the holes");
        Unpacker::new(&root, Limits::default()).unwrap().archive(input, || packed).unwrap();
        let mut diff = Command::new("diff");
        diff.args(["-r", "--no-dereference"]).arg(&source).arg(&root);
        if format == "ustar" {
            diff.args(["-x", "nnn*"]);
        }
        assert!(diff.status().unwrap().success(), "{format}");
        let stat = |path: &Path| {
            let stat = path.symlink_metadata().unwrap();
            (stat.mode(), stat.uid(), stat.gid(), stat.mtime(), stat.nlink())
        };
        for name in ["", "d", "d/file", "d/e", "d/e/link"] {
            assert_eq!(stat(&source.join(name)), stat(&root.join(name)), "{format}: {name}");
        }
    }
}

#[test]
fn holes_stay_holes() {
    let world = World::new("holes");
    let map: &[(&str, &[u8])] = &[("GNU.sparse.size", b"67108864"), ("GNU.sparse.map", b"4096,1")];
    world.archive(&Archive::new().pax(map).file("sparse", "x").end()).unwrap();
    let stat = world.root().join("sparse").metadata().unwrap();
    assert_eq!(stat.len(), 64 << 20);
    assert!(stat.blocks() * 512 < 1 << 20, "{} blocks", stat.blocks());
}
