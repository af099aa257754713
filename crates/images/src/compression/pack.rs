//! Compressing what is written.

use std::io::{self, Write};
use std::path::Path;

use flate2::write::GzEncoder;
use lzma_rust2::{XzOptions, XzWriter};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::{Error, Result};

/// Bytes of a frame of zstd: one that is broken takes no more with it, and this much is held in memory.
const FRAME: usize = 8 << 20;

/// What is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Nothing.
    None,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
    /// xz.
    Xz,
}

impl Compression {
    /// That of a file of this name: `.gz`, `.tgz`, `.zst`, `.xz`, else none.
    pub fn of_name(path: &Path) -> Self {
        match path.extension().and_then(|end| end.to_str()) {
            Some("gz" | "tgz") => Self::Gzip,
            Some("zst" | "tzst") => Self::Zstd,
            Some("xz" | "txz") => Self::Xz,
            _ => Self::None,
        }
    }

    /// The one called `name`.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "none" => Ok(Self::None),
            "gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            "xz" => Ok(Self::Xz),
            _ => Err(Error::new(format!("{name:?} is not a compression"))
                .hint("there are none, gzip, zstd and xz")),
        }
    }

    /// What the type of a layer ends in (OCI image specification, "Layer Media Types"); `None` for what no
    /// layer is compressed with.
    pub const fn of_layer(self) -> Option<&'static str> {
        match self {
            Self::None => Some(""),
            Self::Gzip => Some("+gzip"),
            Self::Zstd => Some("+zstd"),
            Self::Xz => None,
        }
    }
}

/// Compresses what is written to it.
pub enum Packer<W: Write> {
    /// Nothing is compressed.
    None(W),
    /// With gzip.
    Gzip(Box<GzEncoder<W>>),
    /// With zstd, frame by frame.
    Zstd(W, Vec<u8>),
    /// With xz.
    Xz(Box<XzWriter<W>>),
}

impl<W: Write> Packer<W> {
    /// One that writes to `output`.
    pub fn new(compression: Compression, output: W) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::None(output),
            Compression::Gzip => {
                Self::Gzip(Box::new(GzEncoder::new(output, flate2::Compression::fast())))
            }
            Compression::Zstd => Self::Zstd(output, Vec::with_capacity(FRAME)),
            Compression::Xz => {
                Self::Xz(Box::new(XzWriter::new(output, XzOptions::with_preset(1))?))
            }
        })
    }

    /// Writes what is left; what it was written to.
    pub fn finish(self) -> io::Result<W> {
        let mut output = match self {
            Self::None(output) => output,
            Self::Gzip(encoder) => encoder.finish()?,
            Self::Zstd(mut output, frame) => {
                write_frame(&mut output, &frame)?;
                output
            }
            Self::Xz(writer) => writer.finish()?,
        };
        output.flush()?;
        Ok(output)
    }
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(output) => output.write(data),
            Self::Gzip(encoder) => encoder.write(data),
            Self::Zstd(output, frame) => {
                if frame.len() == FRAME {
                    write_frame(output, frame)?;
                    frame.clear();
                }
                let count = data.len().min(FRAME - frame.len());
                frame.extend_from_slice(&data[..count]);
                Ok(count)
            }
            Self::Xz(writer) => writer.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        // What is held back is written at the end.
        Ok(())
    }
}

fn write_frame(output: &mut impl Write, data: &[u8]) -> io::Result<()> {
    output.write_all(&compress_to_vec(data, CompressionLevel::Fastest))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_is_packed_is_unpacked() {
        let data: Vec<u8> = (0..5_000_000_u32).flat_map(|n| (n / 9).to_le_bytes()).collect();
        for compression in
            [Compression::None, Compression::Gzip, Compression::Zstd, Compression::Xz]
        {
            for data in [&data[..], &b"short"[..], &b""[..]] {
                let mut packer = Packer::new(compression, Vec::new()).unwrap();
                packer.write_all(data).unwrap();
                let output = packer.finish().unwrap();
                let mut back = Vec::new();
                crate::compression::plain(&*output).unwrap().read_to_end(&mut back).unwrap();
                assert!(back == data, "{compression:?}");
            }
        }
    }

    #[test]
    fn names_tell_the_compression() {
        let of = |name: &str| Compression::of_name(Path::new(name));
        assert_eq!(of("a.tar"), Compression::None);
        assert_eq!(of("a.tar.gz"), Compression::Gzip);
        assert_eq!(of("a.tar.zst"), Compression::Zstd);
        assert_eq!(of("a.tar.xz"), Compression::Xz);
        assert!(Compression::parse("bzip2").is_err());
    }
}
