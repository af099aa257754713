//! Compressed archives, known by their first bytes: gzip, zstd, xz, or none; and how they are written.

mod pack;

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;

pub use pack::{Compression, Packer};

/// Most memory for the window of a decoder, bytes: as much as `zstd -19` and `xz -9` need, and twice
/// that. An archive names its window, up to terabytes.
const WINDOW: u64 = 128 << 20;

/// The plain bytes of `input`, whatever it is compressed with.
pub fn plain<'a>(input: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut input = BufReader::with_capacity(256 << 10, input);
    let magic = first_bytes(&mut input)?;
    Ok(match magic {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(input)),
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
            Box::new(Zstd { input: Some(input), frame: None })
        }
        [0xfd, b'7', b'z', b'X'] => {
            let kibibytes = u32::try_from(WINDOW >> 10).unwrap_or(u32::MAX);
            Box::new(XzReader::new_mem_limit(input, true, kibibytes))
        }
        _ => Box::new(input),
    })
}

/// The first four bytes, zeros where there are fewer.
fn first_bytes(input: &mut impl BufRead) -> io::Result<[u8; 4]> {
    let mut magic = [0; 4];
    // A buffer is filled by one read, which may give less than there is only where the input is a pipe;
    // what is compressed here are files.
    for (byte, slot) in input.fill_buf()?.iter().zip(&mut magic) {
        *slot = *byte;
    }
    Ok(magic)
}

/// Frames of zstd, one after another, as parallel compressors write them.
struct Zstd<R: Read> {
    /// Between two frames.
    input: Option<R>,
    frame: Option<StreamingDecoder<R, ruzstd::decoding::FrameDecoder>>,
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let count = frame.read(buffer)?;
                if count > 0 || buffer.is_empty() {
                    return Ok(count);
                }
                self.input = self.frame.take().map(StreamingDecoder::into_inner);
            }
            let Some(mut input) = self.input.take() else { return Ok(0) };
            let magic = first_bytes(&mut input)?;
            if input.fill_buf()?.is_empty() {
                return Ok(0);
            }
            if matches!(magic, [0x50..=0x5f, 0x2a, 0x4d, 0x18]) {
                skip_frame(&mut input)?;
                self.input = Some(input);
                continue;
            }
            let frame = StreamingDecoder::new_with_max_window_size(input, WINDOW);
            self.frame = Some(frame.map_err(io::Error::other)?);
        }
    }
}

/// Passes over a frame that holds no data (RFC 8878, section 3.1.2).
fn skip_frame(input: &mut impl Read) -> io::Result<()> {
    let mut header = [0; 8];
    input.read_exact(&mut header)?;
    let size = u64::from(u32::from_le_bytes([header[4], header[5], header[6], header[7]]));
    match io::copy(&mut input.take(size), &mut io::sink())? {
        skipped if skipped == size => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn all(input: &[u8]) -> io::Result<Vec<u8>> {
        let mut output = Vec::new();
        plain(input)?.read_to_end(&mut output)?;
        Ok(output)
    }

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(data: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest)
    }

    #[test]
    fn every_compression_gives_the_same() {
        let data: Vec<u8> =
            (0..300_000_u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        let (one, two) = data.split_at(100_000);
        let skippable = [&[0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        for packed in [
            data.clone(),
            gzip(&data),
            [gzip(one), gzip(two)].concat(),
            zstd(&data),
            [zstd(one), skippable.clone(), zstd(two)].concat(),
            [skippable, zstd(&data)].concat(),
        ] {
            assert!(all(&packed).unwrap() == data);
        }
        assert_eq!(all(b"").unwrap(), b"");
        assert_eq!(all(b"ab").unwrap(), b"ab");
    }

    #[test]
    fn what_was_cut_off_is_an_error() {
        let data = b"some data ".repeat(5000);
        for packed in [gzip(&data), zstd(&data)] {
            for end in [packed.len() - 1, packed.len() / 2, 9] {
                assert!(all(&packed[..end]).is_err(), "{end} of {}", packed.len());
            }
        }
    }

    #[test]
    fn a_window_of_any_size_is_refused() {
        // A frame with a window of 1 TiB (exponent 30), and one whose dictionary of xz has 4 GiB.
        assert!(all(&[0x28, 0xb5, 0x2f, 0xfd, 0, 30 << 3, 0, 0, 0, 0]).is_err());
    }
}
