//! Maps of sparse files: GNU tar's own and its three forms in pax headers.

use std::io::{self, Read};

use tar::{GnuExtSparseHeader, GnuSparseHeader, Header};

use super::pax::{Records, number};
use super::{BLOCK, malformed};

/// A piece of data in a sparse file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins, bytes.
    pub offset: u64,
    /// Its length, bytes.
    pub length: u64,
}

/// What an archive says of a sparse file; not checked.
pub(super) struct Map {
    /// Bytes with the holes.
    pub size: u64,
    pub extents: Vec<Extent>,
}

/// The map, if its pieces are in order, within the file, and as much as is `stored`.
pub(super) fn checked(mut map: Map, stored: u64) -> io::Result<Vec<Extent>> {
    let broken = || malformed("the map of a sparse file is broken");
    let (mut end, mut data) = (0_u64, 0_u64);
    for extent in &map.extents {
        if extent.offset < end {
            return Err(broken());
        }
        end = extent.offset.checked_add(extent.length).ok_or_else(broken)?;
        data = data.checked_add(extent.length).ok_or_else(broken)?;
    }
    if end > map.size || data != stored {
        return Err(broken());
    }
    // One at the end tells of a hole before it.
    map.extents.retain(|extent| extent.length > 0);
    Ok(map.extents)
}

/// GNU tar's own form: in the header, and in blocks between it and the data.
pub(super) fn of_header(header: &Header, input: &mut impl Read, budget: u64) -> io::Result<Map> {
    let gnu = header.as_gnu().ok_or_else(|| malformed("a sparse file has no GNU header"))?;
    let mut extents = Vec::new();
    let mut add = |pieces: &[GnuSparseHeader]| -> io::Result<()> {
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            extents.push(Extent { offset: piece.offset()?, length: piece.length()? });
        }
        Ok(())
    };
    add(&gnu.sparse)?;
    let mut more = gnu.is_extended();
    let mut blocks = budget / BLOCK as u64;
    while more {
        blocks =
            blocks.checked_sub(1).ok_or_else(|| malformed("a sparse file has too many pieces"))?;
        let mut block = GnuExtSparseHeader::new();
        input.read_exact(block.as_mut_bytes())?;
        add(&block.sparse)?;
        more = block.is_extended();
    }
    Ok(Map { size: gnu.real_size()?, extents })
}

/// The forms 0.0 and 0.1: all in the pax header.
pub(super) fn of_records(records: &Records) -> io::Result<Option<Map>> {
    let Some(size) = records.number("GNU.sparse.size")? else { return Ok(None) };
    let mut numbers = Vec::new();
    if let Some(map) = records.value("GNU.sparse.map") {
        for text in map.split(|byte| *byte == b',') {
            numbers.push(number(text, "a piece of a sparse file")?);
        }
    } else {
        let keys: [&[u8]; 2] = [b"GNU.sparse.offset", b"GNU.sparse.numbytes"];
        for (key, value) in records.iter().filter(|(key, _)| keys.contains(key)) {
            if key != keys[numbers.len() % 2] {
                return Err(malformed("the map of a sparse file is broken"));
            }
            numbers.push(number(value, "a piece of a sparse file")?);
        }
    }
    Ok(Some(Map { size, extents: pairs(&numbers)? }))
}

/// The form 1.0: the map is before the data, in lines of decimal numbers, and fills whole blocks.
pub(super) fn of_data(data: &mut impl Read, budget: u64) -> io::Result<Vec<Extent>> {
    let mut lines = Lines { data, block: Vec::new(), at: 0, blocks: budget / BLOCK as u64 };
    let count = lines.number()?;
    let mut numbers = Vec::new();
    for _ in 0..count {
        numbers.push(lines.number()?);
        numbers.push(lines.number()?);
    }
    pairs(&numbers)
}

fn pairs(numbers: &[u64]) -> io::Result<Vec<Extent>> {
    let (pairs, rest) = numbers.as_chunks();
    if !rest.is_empty() {
        return Err(malformed("the map of a sparse file is broken"));
    }
    Ok(pairs.iter().map(|[offset, length]| Extent { offset: *offset, length: *length }).collect())
}

struct Lines<'a, R> {
    data: &'a mut R,
    block: Vec<u8>,
    at: usize,
    /// How many blocks may follow.
    blocks: u64,
}

impl<R: Read> Lines<'_, R> {
    fn number(&mut self) -> io::Result<u64> {
        let mut text = Vec::new();
        loop {
            if self.at == self.block.len() {
                let left = self.blocks.checked_sub(1);
                self.blocks = left.ok_or_else(|| malformed("a sparse file has too many pieces"))?;
                self.block.resize(BLOCK, 0);
                self.data.read_exact(&mut self.block)?;
                self.at = 0;
            }
            let byte = self.block[self.at];
            self.at += 1;
            if byte == b'\n' {
                return number(&text, "a piece of a sparse file");
            }
            // The longest number has 20 digits.
            if text.len() == 20 {
                return Err(malformed("a piece of a sparse file is not a number"));
            }
            text.push(byte);
        }
    }
}
