use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::archive::Reader;
use crate::testing::{Archive, Scratch};

const PLAIN: Policy = Policy { owner: None, privileges: true };

fn put(dir: &Path, archive: &[u8], called: Called<'_>, policy: Policy) -> Result<Report> {
    let base = File::open(dir).unwrap().into();
    Placer::new(base, policy, called).all(&mut Reader::new(archive), None)
}

#[test]
fn what_is_there_is_replaced_at_once_or_stays() {
    let scratch = Scratch::new("place");
    let dir = scratch.path();
    fs::create_dir(dir.join("d")).unwrap();
    fs::set_permissions(dir.join("d"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(dir.join("d/old"), "old").unwrap();
    fs::hard_link(dir.join("d/old"), dir.join("d/other")).unwrap();
    symlink("old", dir.join("d/link")).unwrap();
    let archive =
        Archive::new().dir("d").file("d/old", "new").file("d/link", "linked").symlink("d/to", "x");
    put(dir, &archive.hardlink("d/hard", "d/old").end(), Called::Same, PLAIN).unwrap();
    let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    assert_eq!(
        (read("d/old"), read("d/other"), read("d/link")),
        ("new".into(), "old".into(), "linked".into())
    );
    assert_eq!(fs::metadata(dir.join("d")).unwrap().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(dir.join("d/hard")).unwrap().nlink(), 2);
    assert_eq!(fs::read_dir(dir.join("d")).unwrap().count(), 5, "nothing of ours is left");
    // Once more: the same names of the same files.
    let again = Archive::new().file("d/old", "newer").hardlink("d/hard", "d/old").end();
    put(dir, &again, Called::Same, PLAIN).unwrap();
    assert_eq!((read("d/old"), read("d/hard")), ("newer".into(), "newer".into()));
    assert_eq!(fs::read_dir(dir.join("d")).unwrap().count(), 5);
}

#[test]
fn no_link_is_followed_and_no_directory_replaced() {
    let scratch = Scratch::new("place-links");
    let dir = scratch.path().join("base");
    let outside = scratch.path().join("outside");
    fs::create_dir_all(dir.join("full/of")).unwrap();
    fs::create_dir(&outside).unwrap();
    symlink(&outside, dir.join("out")).unwrap();
    symlink("full", dir.join("in")).unwrap();
    for archive in [
        Archive::new().file("out/x", "evil"),
        Archive::new().file("in/x", "evil"),
        Archive::new().dir("out"),
        Archive::new().symlink("new", "/").file("new/x", "evil"),
        Archive::new().file("../outside/x", "evil"),
        Archive::new().file("full", "evil"),
        Archive::new().symlink("full", "/"),
        Archive::new().hardlink("x", "out/../../outside"),
        Archive::new().file("file", "x").dir("file"),
    ] {
        put(&dir, &archive.end(), Called::Same, PLAIN).unwrap_err();
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert!(dir.join("full/of").is_dir());
    // What was made until then is as it is to be.
    let partly = Archive::new().dir("made").file("made/x", "").file("../x", "").end();
    put(&dir, &partly, Called::Same, PLAIN).unwrap_err();
    assert_eq!(fs::metadata(dir.join("made")).unwrap().mode() & 0o777, 0o755);
    let cut = Archive::new().file("whole", "x").cut();
    assert!(put(&dir, &cut, Called::Same, PLAIN).unwrap_err().what.contains("cut off"));
}

#[test]
fn names_and_rights_are_those_that_were_asked_for() {
    let scratch = Scratch::new("place-names");
    let dir = scratch.path();
    let archive = |top: &str| {
        let mut header = Archive::header(tar::EntryType::Regular, "t/x", 1);
        header.set_mode(0o6755);
        let archive = Archive::new().dir("t").raw(header, b"x");
        archive.hardlink("t/y", "t/x").device("t/null", tar::EntryType::Char, 1, 3).dir(top).end()
    };
    let own = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    let policy = Policy { owner: Some(own), privileges: false };
    let report = put(dir, &archive("t"), Called::One(OsStr::new("new")), policy).unwrap();
    assert_eq!(report, Report { devices: 1, privileges: 1, attributes: 0 });
    assert_eq!(fs::metadata(dir.join("new/x")).unwrap().mode() & 0o7777, 0o755);
    assert_eq!(fs::metadata(dir.join("new/y")).unwrap().nlink(), 2);
    assert!(!dir.join("new/null").exists() && !dir.join("t").exists());
    put(dir, &archive("t"), Called::In(OsStr::new("above")), policy).unwrap();
    assert!(dir.join("above/t/x").exists());
}
