//! Writing tar archives: ustar, with a pax header before an entry where that has no place for something
//! (pax(1)), and sparse files as GNU tar writes them in its form 1.0.

use std::io::{self, Read, Write};

use tar::{EntryType, Header};

use super::{BLOCK, Entry, Extent, Kind};

/// The largest number of eleven octal digits.
const LARGEST: u64 = 0o777_7777_7777;
/// The largest of seven.
const LARGEST_ID: u64 = 0o777_7777;
/// Most bytes of a name in a header.
const NAME: usize = 100;

/// Writes an archive.
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
    buffer: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// One that writes to `output`.
    pub fn new(output: W) -> Self {
        Self { output, buffer: vec![0; 256 << 10] }
    }

    /// Adds `entry`; `data` gives its content, without the holes.
    pub fn entry(&mut self, entry: &Entry, data: &mut impl Read) -> io::Result<()> {
        let sparse = entry.extents.as_deref().filter(|_| entry.kind == Kind::File);
        let map = sparse.map(|extents| map_of(extents, entry.size));
        let stored = match (&map, sparse) {
            (Some(map), Some(extents)) => {
                map.len() as u64 + extents.iter().map(|extent| extent.length).sum::<u64>()
            }
            _ if entry.kind == Kind::File => entry.size,
            _ => 0,
        };
        let records = records(entry, stored, map.is_some());
        if !records.is_empty() {
            let mut header = Header::new_ustar();
            header.set_entry_type(EntryType::XHeader);
            header.set_mode(0o644);
            name(&mut header.as_ustar_mut_or_else()?.name, b"pax");
            self.whole(header, &records)?;
        }
        self.header(header(entry, stored)?)?;
        if let Some(map) = &map {
            self.output.write_all(map)?;
        }
        let mut left = stored - map.map_or(0, |map| map.len() as u64);
        let padding = left.wrapping_neg() % BLOCK as u64;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let count = data.read(&mut self.buffer[..most])?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.output.write_all(&self.buffer[..count])?;
            left -= count as u64;
        }
        self.zeros(padding)
    }

    /// Adds the file `path` of root's with this content.
    pub fn text(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        let entry = Entry {
            path: path.into(),
            kind: Kind::File,
            mode: 0o644,
            uid: 0,
            gid: 0,
            modified: (0, 0),
            attributes: Vec::new(),
            size: content.len() as u64,
            extents: None,
        };
        self.entry(&entry, &mut &*content)
    }

    /// Ends the archive; what it was written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.zeros(2 * BLOCK as u64)?;
        self.output.flush()?;
        Ok(self.output)
    }

    fn whole(&mut self, mut of: Header, data: &[u8]) -> io::Result<()> {
        of.set_size(data.len() as u64);
        self.header(of)?;
        self.output.write_all(data)?;
        self.zeros((data.len() as u64).wrapping_neg() % BLOCK as u64)
    }

    fn header(&mut self, mut header: Header) -> io::Result<()> {
        header.set_cksum();
        self.output.write_all(header.as_bytes())
    }

    fn zeros(&mut self, count: u64) -> io::Result<()> {
        io::copy(&mut io::repeat(0).take(count), &mut self.output).map(drop)
    }
}

/// The header itself; what it has no place for is in the records before it.
fn header(entry: &Entry, stored: u64) -> io::Result<Header> {
    let mut header = Header::new_ustar();
    header.set_mode(entry.mode);
    header.set_uid(if entry.uid > LARGEST_ID { 0 } else { entry.uid });
    header.set_gid(if entry.gid > LARGEST_ID { 0 } else { entry.gid });
    header.set_size(if stored > LARGEST { 0 } else { stored });
    header.set_mtime(u64::try_from(entry.modified.0).unwrap_or(0).min(LARGEST));
    let (kind, link): (_, &[u8]) = match &entry.kind {
        Kind::File => (EntryType::Regular, b""),
        Kind::Dir => (EntryType::Directory, b""),
        Kind::Symlink(target) => (EntryType::Symlink, target),
        Kind::Hardlink(target) => (EntryType::Link, target),
        Kind::Char(..) => (EntryType::Char, b""),
        Kind::Block(..) => (EntryType::Block, b""),
        Kind::Fifo => (EntryType::Fifo, b""),
    };
    header.set_entry_type(kind);
    if let Kind::Char(major, minor) | Kind::Block(major, minor) = entry.kind {
        header.set_device_major(major)?;
        header.set_device_minor(minor)?;
    }
    let ustar = header.as_ustar_mut_or_else()?;
    name(&mut ustar.name, &path_of(entry));
    name(&mut ustar.linkname, link);
    Ok(header)
}

/// A directory's name ends in a slash, as everywhere.
fn path_of(entry: &Entry) -> Vec<u8> {
    let mut path = entry.path.clone();
    if entry.kind == Kind::Dir && !path.ends_with(b"/") {
        path.push(b'/');
    }
    path
}

/// Puts as much of `text` into `field` as it takes.
fn name(field: &mut [u8; NAME], text: &[u8]) {
    let length = text.len().min(NAME);
    field[..length].copy_from_slice(&text[..length]);
}

trait Ustar {
    fn as_ustar_mut_or_else(&mut self) -> io::Result<&mut tar::UstarHeader>;
}

impl Ustar for Header {
    fn as_ustar_mut_or_else(&mut self) -> io::Result<&mut tar::UstarHeader> {
        self.as_ustar_mut().ok_or_else(|| io::Error::other("not a ustar header"))
    }
}

/// The records of the pax header before `entry`; empty if there is to be none.
fn records(entry: &Entry, stored: u64, sparse: bool) -> Vec<u8> {
    let mut records = Vec::new();
    let mut add = |key: &[u8], value: &[u8]| record(&mut records, key, value);
    let path = path_of(entry);
    if path.len() > NAME {
        add(b"path", &path);
    }
    if let Kind::Symlink(target) | Kind::Hardlink(target) = &entry.kind
        && target.len() > NAME
    {
        add(b"linkpath", target);
    }
    for (key, id) in [("uid", entry.uid), ("gid", entry.gid)] {
        if id > LARGEST_ID {
            add(key.as_bytes(), id.to_string().as_bytes());
        }
    }
    if stored > LARGEST {
        add(b"size", stored.to_string().as_bytes());
    }
    let (seconds, nanoseconds) = entry.modified;
    if nanoseconds != 0 || u64::try_from(seconds).map_or(true, |seconds| seconds > LARGEST) {
        add(b"mtime", time(seconds, nanoseconds).as_bytes());
    }
    for (name, value) in &entry.attributes {
        add(&[super::pax::ATTRIBUTE, name].concat(), value);
    }
    if sparse {
        add(b"GNU.sparse.major", b"1");
        add(b"GNU.sparse.minor", b"0");
        add(b"GNU.sparse.name", &path);
        add(b"GNU.sparse.realsize", entry.size.to_string().as_bytes());
    }
    records
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(format!("{length} ").as_bytes());
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

/// Seconds with a fraction.
fn time(seconds: i64, nanoseconds: u32) -> String {
    let fraction = |nanoseconds: u32| {
        let text = format!("{nanoseconds:09}");
        let text = text.trim_end_matches('0');
        if text.is_empty() { String::new() } else { format!(".{text}") }
    };
    if seconds < 0 && nanoseconds > 0 {
        // -1 s and 0.25 s is -0.75.
        return format!("-{}{}", -(seconds + 1), fraction(1_000_000_000 - nanoseconds));
    }
    format!("{seconds}{}", fraction(nanoseconds))
}

/// The map that is before the data of a sparse file: lines of decimal numbers that fill whole blocks. An
/// empty piece tells GNU tar how long a hole at the end is.
fn map_of(extents: &[Extent], size: u64) -> Vec<u8> {
    let end = extents.last().map_or(0, |extent| extent.offset + extent.length);
    let last = (end < size).then_some(Extent { offset: size, length: 0 });
    let mut text = format!("{}\n", extents.len() + usize::from(last.is_some()));
    for extent in extents.iter().chain(&last) {
        text += &format!("{}\n{}\n", extent.offset, extent.length);
    }
    let mut map = text.into_bytes();
    map.resize(map.len().next_multiple_of(BLOCK), 0);
    map
}

#[cfg(test)]
mod tests {
    use super::super::Reader;
    use super::*;

    fn back(entry: &Entry, data: &[u8]) -> (Entry, Vec<u8>) {
        let mut writer = Writer::new(Vec::new());
        writer.entry(entry, &mut &*data).unwrap();
        let archive = writer.finish().unwrap();
        assert_eq!(archive.len() % BLOCK, 0);
        let mut reader = Reader::new(&*archive);
        let found = reader.next_entry().unwrap().unwrap();
        let mut content = Vec::new();
        reader.read_to_end(&mut content).unwrap();
        assert_eq!(reader.next_entry().unwrap(), None);
        assert!(reader.has_ended());
        (found, content)
    }

    fn entry(path: &str, kind: Kind, size: u64) -> Entry {
        Entry {
            path: path.into(),
            kind,
            mode: 0o4755,
            uid: 33,
            gid: 0,
            modified: (1_000_000_000, 0),
            attributes: Vec::new(),
            size,
            extents: None,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let long = "d/".repeat(300) + "name";
        let mut cases = vec![
            (entry("a", Kind::File, 3), &b"abc"[..]),
            (entry("a/", Kind::Dir, 0), b""),
            (entry(&long, Kind::File, 3), b"abc"),
            (entry("l", Kind::Symlink(long.clone().into()), 0), b""),
            (entry("h", Kind::Hardlink(b"a".to_vec()), 0), b""),
            (entry("c", Kind::Char(1, 3), 0), b""),
            (entry("b", Kind::Block(259, 1_000_000), 0), b""),
            (entry("p", Kind::Fifo, 0), b""),
        ];
        let mut odd = entry("odd", Kind::File, 0);
        odd.uid = 4_000_000_000;
        odd.gid = 3_000_000;
        odd.path = b"odd\xff\nname".to_vec();
        odd.attributes = vec![(b"user.x".to_vec(), b"a\nb\0=".to_vec())];
        for time in [(-5, 250_000_000), (-5, 0), (0, 1), (40_000_000_000, 999_999_999)] {
            odd.modified = time;
            cases.push((odd.clone(), b""));
        }
        let mut sparse = entry("sparse", Kind::File, 1 << 40);
        sparse.extents =
            Some(vec![Extent { offset: 4096, length: 3 }, Extent { offset: 1 << 39, length: 4 }]);
        cases.push((sparse.clone(), b"abcdefg"));
        sparse.extents = Some(Vec::new());
        cases.push((sparse, b""));
        for (entry, data) in cases {
            let (found, content) = back(&entry, data);
            assert_eq!(found, entry);
            assert_eq!(content, data);
        }
    }

    #[test]
    fn other_programs_read_it() {
        let scratch = crate::testing::Scratch::new("writer");
        let mut writer = Writer::new(Vec::new());
        let mut sparse = entry("sparse", Kind::File, 1 << 20);
        sparse.extents = Some(vec![Extent { offset: 8192, length: 3 }]);
        writer.entry(&sparse, &mut &b"abc"[..]).unwrap();
        writer.entry(&entry(&"x".repeat(150), Kind::File, 1), &mut &b"y"[..]).unwrap();
        let archive = scratch.path().join("a.tar");
        std::fs::write(&archive, writer.finish().unwrap()).unwrap();
        let run = |arguments: &[&str]| {
            let mut tar = std::process::Command::new("tar");
            tar.current_dir(scratch.path()).args(arguments).status().unwrap().success()
        };
        assert!(run(&["-xf", "a.tar", "--no-same-owner"]));
        assert_eq!(std::fs::read(scratch.path().join("x".repeat(150))).unwrap(), b"y");
        let content = std::fs::read(scratch.path().join("sparse")).unwrap();
        assert_eq!((content.len(), &content[8192..8195]), (1 << 20, &b"abc"[..]));
    }
}
