//! The content of a file: shared with the source where the file system can, else copied by the
//! kernel, else through a buffer. Holes stay holes.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::sys::stat::FileStat;
use nix::unistd::{Whence, ftruncate, lseek};
use rustix::fs::Advice;

/// Bytes that go through the buffer at once.
const BUFFER: usize = 256 << 10;
/// Bytes the kernel is asked to copy at once; between two an interruption is noticed.
const RANGE: usize = 16 << 20;

/// From so many bytes on the content of a file goes to the disk while the next files are copied: who copies waits at the
/// end until all is there.
const WRITTEN_EARLY: i64 = 256 << 10;

/// A worker's buffer.
pub(super) fn buffer() -> Vec<u8> {
    vec![0; BUFFER]
}

/// What has turned out to work between the two file systems.
#[derive(Debug)]
pub(super) struct Method {
    /// `FICLONE` (ioctl_ficlone(2)).
    shares: AtomicBool,
    /// copy_file_range(2).
    ranges: AtomicBool,
}

impl Default for Method {
    fn default() -> Self {
        Self { shares: AtomicBool::new(true), ranges: AtomicBool::new(true) }
    }
}

impl Method {
    /// Copies the content of `input` to the empty file `output`; `step` is told the bytes of each
    /// piece, and its error ends the copy.
    pub(super) fn copy(
        &self,
        input: &impl AsFd,
        output: &impl AsFd,
        stat: &FileStat,
        buffer: &mut [u8],
        step: impl Fn(u64) -> nix::Result<()>,
    ) -> nix::Result<()> {
        let (input, output) = (input.as_fd(), output.as_fd());
        if stat.st_size == 0 {
            return Ok(());
        }
        if self.shares.load(Ordering::Relaxed) {
            match rustix::fs::ioctl_ficlone(output, input) {
                Ok(()) => return step(stat.st_size.cast_unsigned()),
                Err(error) => self.note_unshared(Errno::from_raw(error.raw_os_error())),
            }
        }
        Files { method: self, input, output }.all(stat, buffer, step)?;
        if stat.st_size >= WRITTEN_EARLY {
            // Begins to write what is not written yet. Only for speed.
            let _ = rustix::fs::fadvise(output, 0, None, Advice::DontNeed);
        }
        Ok(())
    }

    fn note_unshared(&self, errno: Errno) {
        if matches!(errno, Errno::EOPNOTSUPP | Errno::ENOTTY | Errno::EXDEV | Errno::ENOSYS) {
            self.shares.store(false, Ordering::Relaxed);
        }
    }
}

/// A file and its copy.
struct Files<'a> {
    method: &'a Method,
    input: BorrowedFd<'a>,
    output: BorrowedFd<'a>,
}

impl Files<'_> {
    /// Copies the whole file, of which holes stay holes.
    fn all(
        &self,
        stat: &FileStat,
        buffer: &mut [u8],
        step: impl Fn(u64) -> nix::Result<()>,
    ) -> nix::Result<()> {
        // The file system counts in units of 512 bytes, whatever its blocks are (stat(2)).
        if stat.st_blocks.saturating_mul(512) >= stat.st_size {
            return self.copy(0, stat.st_size, buffer, &step);
        }
        let mut at = 0;
        while at < stat.st_size {
            let from = match lseek(self.input, at, Whence::SeekData) {
                // Nothing but a hole from here on.
                Err(Errno::ENXIO) => break,
                result => result?,
            };
            let end = lseek(self.input, from, Whence::SeekHole)?.min(stat.st_size);
            self.copy(from, end, buffer, &step)?;
            at = end;
        }
        ftruncate(self.output, stat.st_size)
    }

    /// Copies the bytes from `start` to `end`, or up to where the file ends by now.
    fn copy(
        &self,
        mut start: i64,
        end: i64,
        buffer: &mut [u8],
        step: &impl Fn(u64) -> nix::Result<()>,
    ) -> nix::Result<()> {
        while start < end {
            let left = usize::try_from(end - start).unwrap_or(RANGE);
            // A short piece is through the buffer before the kernel has set up a pipe for it.
            let done = if left > buffer.len() && self.method.ranges.load(Ordering::Relaxed) {
                match self.range(start, left.min(RANGE)) {
                    Err(Errno::EXDEV | Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL) => {
                        self.method.ranges.store(false, Ordering::Relaxed);
                        continue;
                    }
                    result => result?,
                }
            } else {
                let length = left.min(buffer.len());
                self.through(start, &mut buffer[..length])?
            };
            if done == 0 {
                return Ok(());
            }
            start += i64::try_from(done).unwrap_or(i64::MAX);
            step(done as u64)?;
        }
        Ok(())
    }

    fn range(&self, at: i64, length: usize) -> nix::Result<usize> {
        let at = at.cast_unsigned();
        let (mut from, mut to) = (at, at);
        let (input, output) = (self.input, self.output);
        rustix::fs::copy_file_range(input, Some(&mut from), output, Some(&mut to), length)
            .map_err(|error| Errno::from_raw(error.raw_os_error()))
    }

    fn through(&self, at: i64, buffer: &mut [u8]) -> nix::Result<usize> {
        let read = nix::sys::uio::pread(self.input, buffer, at)?;
        let mut written = 0;
        while written < read {
            let to = at + i64::try_from(written).unwrap_or(i64::MAX);
            written += nix::sys::uio::pwrite(self.output, &buffer[written..read], to)?;
        }
        Ok(read)
    }
}
