use std::io::Read;

use tar::EntryType;

use super::{Entry, Extent, Kind, Reader};
use crate::testing::Archive;

fn entries(archive: &[u8]) -> std::io::Result<Vec<(Entry, Vec<u8>)>> {
    let mut reader = Reader::new(archive);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let mut data = Vec::new();
        reader.read_to_end(&mut data)?;
        entries.push((entry, data));
    }
    Ok(entries)
}

fn one(archive: &[u8]) -> (Entry, Vec<u8>) {
    let mut entries = entries(archive).unwrap();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.remove(0)
}

fn why(archive: &[u8]) -> String {
    entries(archive).unwrap_err().to_string()
}

#[test]
fn pax_values_may_hold_line_feeds_and_override_the_header() {
    let long = "d/".repeat(150) + "name";
    let capability = b"\x01\n\x00=\n\n\x02";
    let archive = Archive::new()
        .pax(&[
            ("SCHILY.xattr.security.capability", capability),
            ("path", long.as_bytes()),
            ("size", b"3"),
            ("uid", b"4000000000"),
            ("mtime", b"-1.25"),
        ])
        .raw(Archive::header(EntryType::Regular, "short", 0), b"abc")
        .file("next", "x")
        .end();
    let entries = entries(&archive).unwrap();
    let (entry, data) = &entries[0];
    assert_eq!(entry.path, long.as_bytes());
    assert_eq!(data, b"abc");
    assert_eq!(entry.uid, 4_000_000_000);
    assert_eq!(entry.modified, (-2, 750_000_000));
    assert_eq!(entry.attributes, [(b"security.capability".to_vec(), capability.to_vec())]);
    assert_eq!(entries[1].0.path, b"next");
}

#[test]
fn gnu_names_of_any_length() {
    let name = "n/".repeat(500);
    let archive = Archive::new()
        .raw(Archive::header(EntryType::GNULongLink, "long", 1000), name.as_bytes())
        .raw(
            Archive::header(EntryType::GNULongName, "long", 1001),
            (name.clone() + "\0").as_bytes(),
        )
        .symlink("short", "short")
        .end();
    let (entry, _) = one(&archive);
    assert_eq!(entry.path, name.as_bytes());
    assert_eq!(entry.kind, Kind::Symlink(name.into_bytes()));
}

#[test]
fn sparse_files_of_each_form_are_the_same() {
    let wanted = [Extent { offset: 4096, length: 3 }, Extent { offset: 10_000, length: 2 }];
    let check = |archive: &[u8]| {
        let (entry, data) = one(archive);
        assert_eq!(entry.path, b"real");
        assert_eq!((entry.size, entry.extents.as_deref()), (20_000, Some(&wanted[..])));
        assert_eq!(data, b"abcde");
    };
    let mut header = Archive::header(EntryType::GNUSparse, "real", 5);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.set_real_size(20_000);
    for (piece, (offset, length)) in gnu.sparse.iter_mut().zip([("10000", "3"), ("23420", "2")]) {
        piece.offset[..offset.len()].copy_from_slice(offset.as_bytes());
        piece.numbytes[..length.len()].copy_from_slice(length.as_bytes());
    }
    check(&Archive::new().raw(header, b"abcde").end());
    let file = || Archive::header(EntryType::Regular, "real", 5);
    let map: &[(&str, &[u8])] =
        &[("GNU.sparse.size", b"20000"), ("GNU.sparse.map", b"4096,3,10000,2")];
    check(&Archive::new().pax(map).raw(file(), b"abcde").end());
    check(
        &Archive::new()
            .pax(&[
                ("GNU.sparse.size", b"20000"),
                ("GNU.sparse.offset", b"4096"),
                ("GNU.sparse.numbytes", b"3"),
                ("GNU.sparse.offset", b"10000"),
                ("GNU.sparse.numbytes", b"2"),
            ])
            .raw(file(), b"abcde")
            .end(),
    );
    let mut data = b"2\n4096\n3\n10000\n2\n".to_vec();
    data.resize(512, 0);
    data.extend_from_slice(b"abcde");
    check(
        &Archive::new()
            .pax(&[
                ("GNU.sparse.major", b"1"),
                ("GNU.sparse.minor", b"0"),
                ("GNU.sparse.name", b"real"),
                ("GNU.sparse.realsize", b"20000"),
            ])
            .raw(Archive::header(EntryType::Regular, "GNUSparseFile.1/real", 517), &data)
            .end(),
    );
}

#[test]
fn broken_maps_of_sparse_files_are_refused() {
    for map in
        ["4096,4,10000,2", "10000,2,4096,3", "0,3,2,2", "19999,5", "18446744073709551615,5", "1"]
    {
        let archive = Archive::new()
            .pax(&[("GNU.sparse.size", b"20000"), ("GNU.sparse.map", map.as_bytes())])
            .file("file", "abcde")
            .end();
        assert!(why(&archive).contains("sparse"), "{map}");
    }
    let pieces = b"18446744073709551615\n".to_vec();
    let archive = Archive::new()
        .pax(&[("GNU.sparse.major", b"1"), ("GNU.sparse.realsize", b"9")])
        .raw(Archive::header(EntryType::Regular, "f", 1 << 40), &pieces)
        .cut();
    assert!(why(&archive).contains("no sound archive") || why(&archive).contains("cut off"));
}

#[test]
fn what_is_no_archive_is_refused() {
    let file = Archive::new().file("file", "data");
    let mut sum = file.clone().end();
    sum[0] ^= 1;
    assert!(why(&sum).contains("checksum"));
    let whole = file.end();
    assert!(why(&whole[..700]).contains("cut off"));
    assert!(why(&whole[..514]).contains("cut off"));
    assert!(why(&whole[..100]).contains("cut off"));
    let kind = Archive::new().raw(Archive::header(EntryType::new(b'M'), "part", 0), b"").end();
    assert!(why(&kind).contains("0x4d"));
    let alone = Archive::new().pax(&[("path", b"x")]).end();
    assert!(why(&alone).contains("ends between"));
    for records in ["9 a=b\n", "x a=b\n", "7 ab", "999999999999999999999 a=b\n", "5 ab\n"] {
        let header = Archive::header(EntryType::XHeader, "pax", records.len() as u64);
        let archive = Archive::new().raw(header, records.as_bytes()).file("f", "").end();
        assert!(why(&archive).contains("pax record"), "{records}");
    }
}

#[test]
fn headers_have_a_limit() {
    let header = Archive::header(EntryType::XHeader, "pax", 1 << 40);
    assert!(why(&Archive::new().raw(header, b"").end()).contains("bytes of headers"));
    let mut many = Archive::new();
    let name = "n".repeat(1 << 20);
    for _ in 0..5 {
        let header = Archive::header(EntryType::GNULongName, "long", 1 << 20);
        many = many.raw(header, name.as_bytes());
    }
    assert!(why(&many.file("f", "").end()).contains("bytes of headers"));
}

#[test]
fn the_end_of_an_archive_is_seen() {
    for (archive, ended) in [
        (Archive::new().file("f", "x").end(), true),
        (Archive::new().file("f", "x").cut(), false),
        (Vec::new(), false),
    ] {
        let mut reader = Reader::new(archive.as_slice());
        while reader.next_entry().unwrap().is_some() {}
        assert_eq!(reader.has_ended(), ended);
    }
}

#[test]
fn a_link_has_no_data_whatever_its_size() {
    let mut header = Archive::header(EntryType::Link, "link", 5000);
    header.set_link_name("file").unwrap();
    let archive = Archive::new().raw(header, b"").file("after", "x").end();
    let names: Vec<_> =
        entries(&archive).unwrap().into_iter().map(|(entry, _)| entry.path).collect();
    assert_eq!(names, [b"link".to_vec(), b"after".to_vec()]);
}
