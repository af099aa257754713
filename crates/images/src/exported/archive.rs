//! Such an archive, read.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;

use lxc_sys::identity::ContainerName;

use super::{ABOUT, About, LARGEST, TEXTS, below, not_exported, place_of};
use crate::archive::{Entries, Entry, Kind, Reader};
use crate::{Context, Error, Result};

/// An archive that is read, part for part: what it says of the container or of a snapshot, and then the entries
/// of that root filesystem, whose root is `.`.
#[derive(Debug)]
pub struct Archive<R> {
    reader: Reader<R>,
    /// What it is.
    pub about: About,
    /// Those of the snapshots that have not come yet, the next one last.
    left: Vec<ContainerName>,
    /// Where the part that is read lies, with a slash at its end; empty for the container.
    place: String,
    texts: BTreeMap<String, String>,
    /// An entry that was read and belongs to what comes next.
    next: Option<Entry>,
}

impl<R: Read> Archive<R> {
    /// Reads what comes before the root filesystem.
    pub fn open(input: R) -> Result<Self> {
        let mut reader = Reader::new(input);
        let first = reader.next()?.filter(|entry| entry.path == ABOUT.as_bytes());
        let first = first.ok_or_else(not_exported)?;
        let about = About::parse(&text(&mut reader, &first)?)?;
        let left = about.snapshots.iter().rev().cloned().collect();
        let (place, texts) = (String::new(), BTreeMap::new());
        let mut archive = Self { reader, about, left, place, texts, next: None };
        archive.read_texts()?;
        Ok(archive)
    }

    /// Goes on to the next snapshot, after the root filesystem that comes before it; its name, `None` after
    /// the last one.
    pub fn next_snapshot(&mut self) -> Result<Option<ContainerName>> {
        while self.next()?.is_some() {}
        let Some(name) = self.left.pop() else { return Ok(None) };
        self.place = place_of(&name);
        if !self.next.as_ref().is_some_and(|entry| entry.path.starts_with(self.place.as_bytes())) {
            return Err(Error::new(format!("the archive does not have its snapshot {name}"))
                .hint("it was cut off, or made by something else"));
        }
        self.read_texts()?;
        Ok(Some(name))
    }

    /// The text called `name` of what is read; empty if there is none.
    pub fn text(&self, name: &str) -> &str {
        self.texts.get(name).map(String::as_str).unwrap_or_default()
    }

    fn read_texts(&mut self) -> Result<()> {
        self.texts.clear();
        while let Some(entry) = self.entry()? {
            let path = entry.path.strip_prefix(self.place.as_bytes());
            let path = path.ok_or_else(|| odd(&entry))?;
            if below(path).is_some() {
                self.next = Some(entry);
                break;
            }
            let name = String::from_utf8_lossy(path).into_owned();
            if name.contains('/') {
                return Err(odd(&entry));
            }
            // A newer program may have more to say; what it is the reader passes over.
            if TEXTS.contains(&name.as_str()) {
                let text = text(&mut self.reader, &entry)?;
                self.texts.insert(name, text);
            }
        }
        Ok(())
    }

    fn entry(&mut self) -> Result<Option<Entry>> {
        match self.next.take() {
            Some(entry) => Ok(Some(entry)),
            None => self.reader.next(),
        }
    }

    /// The name below the root filesystem that is read.
    fn below(&self, path: &[u8]) -> Option<Vec<u8>> {
        below(path.strip_prefix(self.place.as_bytes())?)
    }
}

/// What the file `entry` holds.
fn text(reader: &mut Reader<impl Read>, entry: &Entry) -> Result<String> {
    if entry.kind != Kind::File || entry.size > LARGEST {
        return Err(odd(entry));
    }
    let mut text = String::new();
    reader
        .read_to_string(&mut text)
        .context(|| format!("cannot read {}", String::from_utf8_lossy(&entry.path)))?;
    Ok(text)
}

fn odd(entry: &Entry) -> Error {
    let name = String::from_utf8_lossy(&entry.path);
    Error::new(format!("the archive has something odd: {name:?}"))
}

impl<R: Read> Entries for Archive<R> {
    fn next(&mut self) -> Result<Option<Entry>> {
        let Some(mut entry) = self.entry()? else { return Ok(None) };
        let outside = || Error::new("the archive has something after its root filesystem");
        let Some(path) = self.below(&entry.path) else {
            let next = self.left.last().map(place_of).ok_or_else(outside)?;
            if !entry.path.starts_with(next.as_bytes()) {
                return Err(outside());
            }
            self.next = Some(entry);
            return Ok(None);
        };
        entry.path = path;
        if let Kind::Hardlink(target) = &entry.kind {
            entry.kind = Kind::Hardlink(self.below(target).ok_or_else(outside)?);
        }
        Ok(Some(entry))
    }

    fn end(&mut self) -> Result<bool> {
        if self.next.is_some() { Ok(true) } else { self.reader.end() }
    }

    fn file(&self) -> Option<BorrowedFd<'_>> {
        self.reader.file()
    }
}

impl<R: Read> Read for Archive<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}
