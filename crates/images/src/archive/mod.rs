//! Tar archives of strangers, entry by entry: ustar, GNU and pax (tar(5)).
//!
//! The blocks are decoded by the crate `tar`. Its iterator is not used: it splits pax records at line
//! feeds, which values such as file capabilities may contain, has no limit on the headers it holds in
//! memory, and gives holes as zeros.

mod pax;
mod sparse;
mod write;

use std::io::{self, ErrorKind, Read};
use std::os::fd::BorrowedFd;

use tar::{EntryType, Header};

use pax::Records;
pub use sparse::Extent;
pub use write::Writer;

use crate::{Context, Result};

/// Bytes of a block.
const BLOCK: usize = 512;

/// Most bytes of the headers of one entry: names, extended attributes, the map of a sparse file. The
/// kernel's own limits are 4 KiB for a name and 64 KiB for all values of an entry's attributes.
const HEADERS: u64 = 4 << 20;

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file; its data follows.
    File,
    /// A directory.
    Dir,
    /// A symbolic link to this target.
    Symlink(Vec<u8>),
    /// A further name of an entry before it.
    Hardlink(Vec<u8>),
    /// A character device: major and minor number.
    Char(u32, u32),
    /// A block device: major and minor number.
    Block(u32, u32),
    /// A named pipe.
    Fifo,
}

/// An entry, as the archive says: nothing in it is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Its permissions and set-ID bits.
    pub mode: u32,
    /// Its owner.
    pub uid: u64,
    /// Its group.
    pub gid: u64,
    /// When it was modified: seconds since 1970 and nanoseconds.
    pub modified: (i64, u32),
    /// Extended attributes: names and values.
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
    /// Bytes of the file, with its holes.
    pub size: u64,
    /// Where the data that follows belongs in a sparse file; in order, without overlaps.
    pub extents: Option<Vec<Extent>>,
}

/// Gives entries one after another, and by [`Read`] the data of the last one, without its holes.
pub trait Entries: Read {
    /// The next entry; `None` after the last one.
    fn next(&mut self) -> Result<Option<Entry>>;

    /// Reads what comes after the entries; whether these are all that there were.
    fn end(&mut self) -> Result<bool>;

    /// The file whose data comes next, if it is one of this host's.
    fn file(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl<R: Read> Entries for Reader<R> {
    fn next(&mut self) -> Result<Option<Entry>> {
        self.next_entry().context(|| "cannot unpack")
    }

    fn end(&mut self) -> Result<bool> {
        self.drain().context(|| "cannot unpack")?;
        Ok(self.has_ended())
    }
}

/// Reads an archive.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    /// Data of this entry that was not read yet.
    left: u64,
    /// Bytes up to the next block after it.
    padding: u64,
    /// Whether the block that ends an archive was there.
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// An archive that `input` gives.
    pub const fn new(input: R) -> Self {
        Self { input, left: 0, padding: 0, ended: false }
    }

    /// The next entry; what was not read of the one before it is passed over. `None` at the end.
    pub fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        let mut extension = Extension::default();
        let mut budget = HEADERS;
        loop {
            self.pass_over()?;
            let Some(header) = self.header()? else {
                return if extension == Extension::default() {
                    Ok(None)
                } else {
                    Err(malformed("it ends between a header and its entry"))
                };
            };
            let kind = header.entry_type();
            match kind {
                EntryType::GNULongName => extension.path = Some(self.name(&header, &mut budget)?),
                EntryType::GNULongLink => extension.link = Some(self.name(&header, &mut budget)?),
                EntryType::XHeader => {
                    extension.records = Records::parse(&self.whole(&header, &mut budget)?)?;
                }
                // Comments, such as the commit that git archived; and a label, which is not a file.
                EntryType::XGlobalHeader => self.expect(header.entry_size()?),
                other if other.as_byte() == b'V' => self.expect(header.entry_size()?),
                _ => return self.entry(&header, extension, budget).map(Some),
            }
        }
    }

    /// Whether the archive has its end: if not, it was cut off.
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Reads up to the end of the input, so that whoever counts its bytes has all of them.
    pub fn drain(&mut self) -> io::Result<()> {
        io::copy(&mut self.input, &mut io::sink()).map(drop)
    }

    fn entry(&mut self, header: &Header, extension: Extension, budget: u64) -> io::Result<Entry> {
        let Extension { path, link, records } = extension;
        let path = path.or_else(|| records.value("path").map(<[u8]>::to_vec));
        let mut path = path.unwrap_or_else(|| header.path_bytes().into_owned());
        let link = || {
            link.or_else(|| records.value("linkpath").map(<[u8]>::to_vec))
                .or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned))
                .ok_or_else(|| malformed("a link has no target"))
        };
        let device = || {
            let part = |number: io::Result<Option<u32>>| {
                number?.ok_or_else(|| malformed("a device has no number"))
            };
            Ok::<_, io::Error>((part(header.device_major())?, part(header.device_minor())?))
        };
        let kind = match header.entry_type() {
            // Archives of before 1988 have no type of directories.
            EntryType::Regular if path.ends_with(b"/") => Kind::Dir,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Kind::File,
            EntryType::Directory => Kind::Dir,
            EntryType::Symlink => Kind::Symlink(link()?),
            EntryType::Link => Kind::Hardlink(link()?),
            EntryType::Char => device().map(|(major, minor)| Kind::Char(major, minor))?,
            EntryType::Block => device().map(|(major, minor)| Kind::Block(major, minor))?,
            EntryType::Fifo => Kind::Fifo,
            other => {
                return Err(malformed(&format!("an entry has the type {:#04x}", other.as_byte())));
            }
        };
        let stored = records.number("size")?.map_or_else(|| header.entry_size(), Ok)?;
        // Nothing follows what is not a file, whatever size it is said to have.
        self.expect(if kind == Kind::File { stored } else { 0 });
        let mut size = self.left;
        let mut extents = None;
        if kind == Kind::File
            && let Some(map) = self.sparse(header, &records, budget)?
        {
            size = map.size;
            extents = Some(sparse::checked(map, self.left)?);
            if let Some(real) = records.value("GNU.sparse.name") {
                path = real.to_vec();
            }
        }
        Ok(Entry {
            path,
            kind,
            mode: header.mode()? & 0o7777,
            uid: records.number("uid")?.map_or_else(|| header.uid(), Ok)?,
            gid: records.number("gid")?.map_or_else(|| header.gid(), Ok)?,
            modified: match records.value("mtime") {
                Some(text) => pax::time(text)?,
                // Before 1970 it is negative: in two's complement, the way GNU tar writes it.
                None => (header.mtime()?.cast_signed(), 0),
            },
            attributes: records.attributes(),
            size,
            extents,
        })
    }

    /// Where the data of a sparse file belongs, of whichever form.
    fn sparse(
        &mut self,
        header: &Header,
        records: &Records,
        budget: u64,
    ) -> io::Result<Option<sparse::Map>> {
        if header.entry_type() == EntryType::GNUSparse {
            return sparse::of_header(header, &mut self.input, budget).map(Some);
        }
        if records.value("GNU.sparse.major").is_some_and(|major| major != b"0") {
            let size = records.number("GNU.sparse.realsize")?;
            let size = size.ok_or_else(|| malformed("a sparse file has no size"))?;
            let extents = sparse::of_data(&mut Data(self), budget)?;
            return Ok(Some(sparse::Map { size, extents }));
        }
        sparse::of_records(records)
    }

    /// The next header; `None` at the end.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut header = Header::new_old();
        if self.ended || !self.block(header.as_mut_bytes())? {
            return Ok(None);
        }
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            self.ended = true;
            return Ok(None);
        }
        let bytes = header.as_bytes();
        // The sum is that of a header with blanks in the place of the sum.
        let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>()
            - bytes[148..156].iter().map(|byte| u32::from(*byte)).sum::<u32>()
            + 8 * u32::from(b' ');
        if header.cksum()? != sum {
            return Err(malformed("the checksum of a header is wrong"));
        }
        Ok(Some(header))
    }

    /// Fills `block`; `false` if the input ends before it.
    fn block(&mut self, block: &mut [u8]) -> io::Result<bool> {
        let mut filled = 0;
        while filled < block.len() {
            match self.input.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(cut_off()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    const fn expect(&mut self, size: u64) {
        self.left = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    fn pass_over(&mut self) -> io::Result<()> {
        let rest = u128::from(self.left) + u128::from(self.padding);
        let mut left = rest;
        while left > 0 {
            let piece = u64::try_from(left).unwrap_or(u64::MAX);
            let passed = io::copy(&mut self.input.by_ref().take(piece), &mut io::sink())?;
            if passed < piece {
                return Err(cut_off());
            }
            left -= u128::from(passed);
        }
        (self.left, self.padding) = (0, 0);
        Ok(())
    }

    /// The data of a header, out of what is left of `budget`.
    fn whole(&mut self, header: &Header, budget: &mut u64) -> io::Result<Vec<u8>> {
        let size = header.entry_size()?;
        *budget = budget.checked_sub(size).ok_or_else(|| {
            malformed(&format!("an entry has more than {HEADERS} bytes of headers"))
        })?;
        self.expect(size);
        let mut data = Vec::new();
        Data(self).read_to_end(&mut data)?;
        Ok(data)
    }

    fn name(&mut self, header: &Header, budget: &mut u64) -> io::Result<Vec<u8>> {
        let mut name = self.whole(header, budget)?;
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        name.truncate(end);
        Ok(name)
    }
}

/// The data of the entry that was read last.
impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Data(self).read(buffer)
    }
}

struct Data<'a, R>(&'a mut Reader<R>);

impl<R: Read> Read for Data<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.0.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self.0.input.read(&mut buffer[..most])?;
        if count == 0 {
            return Err(cut_off());
        }
        self.0.left -= count as u64;
        Ok(count)
    }
}

/// What headers before an entry say about it.
#[derive(Default, PartialEq, Eq)]
struct Extension {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    records: Records,
}

fn malformed(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("no sound archive: {why}"))
}

fn cut_off() -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, "the archive was cut off")
}

#[cfg(test)]
mod tests;
