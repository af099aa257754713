use super::*;
use crate::archive::{Entry, Reader};
use crate::testing;

fn part<'a>(
    texts: &[(&'static str, &str)],
    files: &'a mut Reader<&'a [u8]>,
) -> Part<'a, Reader<&'a [u8]>> {
    Part { texts: texts.iter().map(|(name, text)| (*name, (*text).to_owned())).collect(), files }
}

fn name(name: &str) -> ContainerName {
    ContainerName::new(name).unwrap()
}

fn entries(archive: &mut Archive<&[u8]>) -> Vec<(String, Kind)> {
    let mut found = Vec::new();
    while let Some(Entry { path, kind, .. }) = archive.next().unwrap() {
        found.push((String::from_utf8(path).unwrap(), kind));
    }
    found
}

fn entry(path: &str, kind: Kind) -> (String, Kind) {
    (path.to_owned(), kind)
}

#[test]
fn what_is_exported_comes_back() {
    let rootfs = testing::Archive::new().dir("rootfs").file("rootfs/a", "text");
    let rootfs = rootfs.hardlink("rootfs/b", "rootfs/a").end();
    let about = About::now("web", Vec::new());
    let texts = [(CONFIG, "lxc.arch = x86_64\n"), (HOST_CONFIG, "")];
    let mut files = Reader::new(&*rootfs);
    let archive = write(Vec::new(), &about, part(&texts, &mut files), Vec::new()).unwrap();
    let mut back = Archive::open(&*archive).unwrap();
    assert_eq!(back.about, about);
    assert_eq!(back.text(CONFIG), "lxc.arch = x86_64\n");
    assert_eq!(back.text(HOST_CONFIG), "");
    assert_eq!(
        entries(&mut back),
        [entry(".", Kind::Dir), entry("a", Kind::File), entry("b", Kind::Hardlink(b"a".to_vec()))]
    );
    assert!(back.end().unwrap());
    assert_eq!(back.next_snapshot().unwrap(), None);
}

/// An archive with the snapshots snap0 and snap10.
fn with_snapshots() -> Vec<u8> {
    let tree = |file: &str| testing::Archive::new().dir("rootfs").file(file, "text");
    let trees = [
        tree("rootfs/a").end(),
        tree("rootfs/b").hardlink("rootfs/c", "rootfs/b").end(),
        tree("rootfs/d").end(),
    ];
    let [mut a, mut b, mut d] = trees.each_ref().map(|tree| Reader::new(&**tree));
    let about = About::now("web", vec![name("snap0"), name("snap10")]);
    let snapshots = vec![part(&[(TIME, "then"), (COMMENT, "why")], &mut b), part(&[], &mut d)];
    write(Vec::new(), &about, part(&[(CONFIG, "lxc.arch = x86_64\n")], &mut a), snapshots).unwrap()
}

#[test]
fn snapshots_come_back_after_the_container() {
    let archive = with_snapshots();
    let mut back = Archive::open(&*archive).unwrap();
    assert_eq!(back.about.version, 2);
    assert_eq!(entries(&mut back), [entry(".", Kind::Dir), entry("a", Kind::File)]);
    assert!(back.end().unwrap());
    assert_eq!(back.next_snapshot().unwrap(), Some(name("snap0")));
    assert_eq!([CONFIG, TIME, COMMENT].map(|name| back.text(name)), ["", "then", "why"]);
    let linked = Kind::Hardlink(b"b".to_vec());
    assert_eq!(
        entries(&mut back),
        [entry(".", Kind::Dir), entry("b", Kind::File), entry("c", linked)]
    );
    assert!(back.end().unwrap());
    assert_eq!(back.next_snapshot().unwrap(), Some(name("snap10")));
    assert_eq!(back.text(TIME), "");
    assert_eq!(entries(&mut back), [entry(".", Kind::Dir), entry("d", Kind::File)]);
    assert_eq!(back.next_snapshot().unwrap(), None);
    // Who wants none of them passes over them.
    let mut back = Archive::open(&*archive).unwrap();
    let mut names = Vec::new();
    while let Some(name) = back.next_snapshot().unwrap() {
        names.push(name.to_string());
    }
    assert_eq!(names, ["snap0", "snap10"]);
}

#[test]
fn snapshots_that_are_cut_off_or_not_announced_are_refused() {
    let archive = with_snapshots();
    let read = |archive: &[u8]| -> Result<()> {
        let mut back = Archive::open(archive)?;
        while back.next_snapshot()?.is_some() {}
        require_whole(back.end()?)
    };
    read(&archive).unwrap();
    for length in (512..archive.len() - 1024).step_by(512) {
        read(&archive[..length]).unwrap_err();
    }
    let about = |names: &[&str]| {
        let names = names.iter().map(|text| name(text)).collect();
        serde_json::to_string(&About::now("web", names)).unwrap()
    };
    let new = |names: &[&str]| testing::Archive::new().file(ABOUT, &about(names)).dir("rootfs");
    for archive in [
        new(&["snap0"]).end(),
        new(&["snap0"]).dir("snapshots/snap1/rootfs").end(),
        new(&["snap0"]).dir("snapshots/snap0/rootfs").dir("snapshots/snap1/rootfs").end(),
        new(&["snap0"]).dir("snapshots/snap0").end(),
        new(&["snap0"]).file("snapshots/snap0/x/y", "").dir("snapshots/snap0/rootfs").end(),
        new(&["snap0"])
            .dir("snapshots/snap0/rootfs")
            .hardlink("snapshots/snap0/rootfs/x", "rootfs/x")
            .end(),
        new(&["snap0", "snap0"]).dir("snapshots/snap0/rootfs").end(),
        new(&[]).dir("snapshots/snap0/rootfs").end(),
    ] {
        read(&archive).unwrap_err();
    }
    let evil = about(&["snap0"]).replace("snap0", "../evil");
    About::parse(&evil).unwrap_err();
    let many: Vec<String> = (0..1001).map(|number| format!("snap{number}")).collect();
    About::parse(&about(&many.iter().map(String::as_str).collect::<Vec<_>>())).unwrap_err();
}

#[test]
fn what_is_something_else_is_refused() {
    let about = serde_json::to_string(&About::now("web", Vec::new())).unwrap();
    let newer = about.replace("\"version\":1", "\"version\":3");
    let open = |archive: Vec<u8>| Archive::open(&*archive).map(drop);
    let new = testing::Archive::new;
    for archive in [
        new().end(),
        new().dir("rootfs").end(),
        new().file("etc/passwd", "root").end(),
        new().file("config", "").file(ABOUT, &about).end(),
        new().file(ABOUT, &newer).end(),
        new().file(ABOUT, "{}").end(),
        new().file(ABOUT, &about).dir("config").end(),
    ] {
        open(archive).unwrap_err();
    }
    // What is not known is not held in memory, however much there is of it.
    let more = new().file(ABOUT, &about).file("more", "x").file(CONFIG, "y").dir("rootfs").end();
    let more = Archive::open(&*more).unwrap();
    assert_eq!([more.text("more"), more.text(CONFIG)], ["", "y"]);
    let after = new().file(ABOUT, &about).dir("rootfs").file("etc/x", "").end();
    let mut after = Archive::open(&*after).unwrap();
    assert!(after.next().unwrap().is_some() && after.next().is_err());
    let out = new().file(ABOUT, &about).hardlink("rootfs/x", "config").end();
    assert!(Archive::open(&*out).unwrap().next().is_err());
}
