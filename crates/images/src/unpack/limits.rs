//! How much an archive may become.

use crate::archive::{Entry, Kind};
use crate::{Error, Result};

/// What an archive, or all layers of an image, may have at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all files, with their holes.
    pub bytes: u64,
    /// Entries.
    pub entries: u64,
    /// Bytes of what is held in memory until an archive ends: paths of directories, names of others.
    pub names: u64,
    /// Directories above an entry, and itself.
    pub depth: usize,
    /// How many bytes one byte of an archive may become, once there are more than `free`.
    pub ratio: u64,
    /// Bytes of an archive up to which the ratio is not looked at: small ones of empty files are not an attack.
    pub free: u64,
}

impl Default for Limits {
    /// The largest images in use have some ten gigabytes and some million entries.
    fn default() -> Self {
        Self {
            bytes: 256 << 30,
            entries: 10_000_000,
            names: 1 << 30,
            depth: 256,
            ratio: 200,
            free: 1 << 30,
        }
    }
}

impl Limits {
    /// With `bytes` in all, which somebody asked for: then the ratio does not matter.
    #[must_use]
    pub fn of_size(bytes: u64) -> Self {
        Self { bytes, ratio: u64::MAX, ..Self::default() }
    }
}

/// What was used of it.
#[derive(Debug)]
pub(super) struct Budget {
    limits: Limits,
    entries: u64,
    names: u64,
    bytes: u64,
    /// What archives before this one have used of `bytes`.
    before: u64,
}

impl Budget {
    pub const fn new(limits: Limits) -> Self {
        Self { limits, entries: 0, names: 0, bytes: 0, before: 0 }
    }

    /// Begins another archive, whose packed bytes are counted from its own beginning.
    pub const fn begin(&mut self) {
        self.before = self.bytes;
        self.names = 0;
    }

    pub const fn depth(&self) -> usize {
        self.limits.depth
    }

    /// Whether `entry` fits before any of it is made; `packed` bytes of the archive were read.
    pub fn entry(&mut self, entry: &Entry, packed: u64) -> Result<()> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            let most = self.limits.entries;
            return Err(Error::new(format!("refusing an archive of more than {most} entries")));
        }
        self.names += match entry.kind {
            Kind::Dir => entry.path.len(),
            _ => entry.path.rsplit(|byte| *byte == b'/').next().map_or(0, <[u8]>::len),
        } as u64;
        if self.names > self.limits.names {
            let most = self.limits.names;
            return Err(Error::new(format!(
                "refusing an archive whose names have more than {most} bytes"
            )));
        }
        let total = self.bytes.saturating_add(entry.size);
        if total > self.limits.bytes {
            return Err(Error::new(format!(
                "refusing an archive that becomes more than {} bytes",
                self.limits.bytes
            ))
            .hint("if you trust it, allow more with --max-size"));
        }
        // Holes cost nothing to pack, but are read by whoever copies the file.
        let holes = entry.size
            - entry
                .extents
                .as_ref()
                .map_or(entry.size, |extents| extents.iter().map(|extent| extent.length).sum());
        self.ratio(self.bytes.saturating_add(holes), packed)
    }

    /// Whether `bytes` of a file that is being made fit.
    pub fn bytes(&self, bytes: u64, packed: u64) -> Result<()> {
        self.ratio(self.bytes.saturating_add(bytes), packed)
    }

    pub const fn count(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    fn ratio(&self, total: u64, packed: u64) -> Result<()> {
        let own = total - self.before;
        if own > self.limits.free && own / self.limits.ratio > packed {
            return Err(Error::new(format!(
                "refusing an archive that grows to more than {} times its size",
                self.limits.ratio
            ))
            .hint("if you trust it, allow a size with --max-size"));
        }
        Ok(())
    }
}
