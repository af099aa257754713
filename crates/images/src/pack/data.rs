//! The data of a file that is read, without its holes.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::sys::stat::FileStat;
use nix::unistd::{Whence, lseek};

use super::is_whole;
use crate::archive::Extent;

/// Most bytes of a file whose size the kernel does not know before it is read, such as those in /proc.
const UNKNOWN: u64 = 16 << 20;

/// A file and where its data is.
#[derive(Debug)]
pub(super) struct Data {
    file: File,
    size: u64,
    extents: Vec<Extent>,
    /// The extent that is read, and how much of it was.
    extent: usize,
    at: u64,
    shortened: bool,
    /// What was read already, of a file that said it was empty.
    content: Option<Vec<u8>>,
}

impl Data {
    /// The data of `file`, which `stat` is of.
    pub fn of(file: File, stat: &FileStat) -> nix::Result<Self> {
        let mut size = u64::try_from(stat.st_size).unwrap_or(0);
        let mut content = None;
        if size == 0 {
            let mut text = Vec::new();
            let read = (&file).take(UNKNOWN).read_to_end(&mut text);
            read.map_err(|error| {
                Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32))
            })?;
            size = text.len() as u64;
            content = (size > 0).then_some(text);
        }
        let sparse = u64::try_from(stat.st_blocks).unwrap_or(0) * 512 < size && content.is_none();
        let whole = vec![Extent { offset: 0, length: size }];
        let extents = if sparse { extents(&file, size)? } else { whole };
        Ok(Self { file, size, extents, extent: 0, at: 0, shortened: false, content })
    }

    /// Bytes with the holes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Where the data is, of a file with holes.
    pub fn extents(&self) -> Option<Vec<Extent>> {
        (!is_whole(&self.extents, self.size)).then(|| self.extents.clone())
    }

    /// The file itself, if it says how much there is in it.
    pub fn file(&self) -> Option<BorrowedFd<'_>> {
        self.content.is_none().then(|| self.file.as_fd())
    }

    /// Whether there was less than the file had when it was opened.
    pub const fn is_shortened(&self) -> bool {
        self.shortened
    }
}

impl Read for Data {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(extent) = self.extents.get(self.extent) {
            let left = extent.length - self.at;
            if left == 0 {
                self.extent += 1;
                self.at = 0;
                continue;
            }
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let from = extent.offset + self.at;
            let mut count = match &self.content {
                Some(content) => {
                    let from = usize::try_from(from).unwrap_or(usize::MAX);
                    (&content[from..]).read(&mut buffer[..most])?
                }
                None => self.file.read_at(&mut buffer[..most], from)?,
            };
            if count == 0 && most > 0 {
                self.shortened = true;
                buffer[..most].fill(0);
                count = most;
            }
            self.at += count as u64;
            return Ok(count);
        }
        Ok(0)
    }
}

/// Where `file` of `size` bytes has data.
fn extents(file: &File, size: u64) -> nix::Result<Vec<Extent>> {
    let mut extents = Vec::new();
    let mut at = 0;
    let signed = |at: u64| i64::try_from(at).map_err(|_| Errno::EFBIG);
    while at < size {
        let from = match lseek(file, signed(at)?, Whence::SeekData) {
            // Nothing but a hole from here on.
            Err(Errno::ENXIO) => break,
            result => result?.cast_unsigned(),
        };
        let to = lseek(file, signed(from)?, Whence::SeekHole)?.cast_unsigned().min(size);
        if to <= from {
            break;
        }
        extents.push(Extent { offset: from, length: to - from });
        at = to;
    }
    Ok(extents)
}
