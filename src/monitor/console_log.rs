//! What is kept of a console's output: a ring buffer in memory, a log file on disk.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::protocol::ConsoleLog;
use crate::error::{Context, Result};
use crate::logging::open_appending;

/// The last bytes of a console's output.
#[derive(Debug)]
pub struct Ring {
    bytes: VecDeque<u8>,
    size: usize,
}

impl Ring {
    /// A ring of `size` bytes.
    pub fn new(size: u64) -> Self {
        Self { bytes: VecDeque::new(), size: usize::try_from(size).unwrap_or(usize::MAX) }
    }

    /// Adds output; the oldest makes room for it.
    pub fn push(&mut self, printed: &[u8]) {
        let printed = &printed[printed.len().saturating_sub(self.size)..];
        let excess = (self.bytes.len() + printed.len()).saturating_sub(self.size);
        self.bytes.drain(..excess);
        self.bytes.extend(printed);
    }

    /// What a request gets: what is read is taken out. `None` if there is nothing.
    pub fn answer(&mut self, request: &ConsoleLog) -> Option<Vec<u8>> {
        let mut answer = Vec::new();
        if request.read {
            if self.bytes.is_empty() {
                return None;
            }
            let max = usize::try_from(request.read_max).unwrap_or(usize::MAX);
            let len = if max == 0 { self.bytes.len() } else { max.min(self.bytes.len()) };
            answer = self.bytes.drain(..len).collect();
        }
        if request.clear {
            self.bytes.clear();
        }
        Some(answer)
    }
}

/// A log file with an optional bound.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
    /// Bound in bytes; 0 for none.
    bound: u64,
    written: u64,
    rotate: bool,
}

impl LogFile {
    /// Opens `path` for appending.
    pub fn open(path: &Path, bound: u64, rotate: bool) -> Result<Self> {
        let shown = || format!("cannot open the console's log {}", path.display());
        let file = open_appending(path).context(shown)?;
        let mut written = file.metadata().context(shown)?.len();
        if bound > 0 {
            // One that an earlier life, or a larger bound, left fuller is full.
            written = written.min(bound);
        }
        Ok(Self { path: path.to_owned(), file, bound, written, rotate })
    }

    /// Appends output; a file that is full begins anew. A full disk loses output, not the container.
    pub fn append(&mut self, mut printed: &[u8]) {
        while !printed.is_empty() {
            let room = if self.bound == 0 { u64::MAX } else { self.bound - self.written };
            let len = printed.len().min(usize::try_from(room).unwrap_or(usize::MAX));
            if len == 0 {
                self.start_over();
                continue;
            }
            let (now, later) = printed.split_at(len);
            if self.file.write_all(now).is_ok() {
                self.written += u64::try_from(len).unwrap_or(u64::MAX);
            }
            printed = later;
        }
    }

    fn start_over(&mut self) {
        self.written = 0;
        if self.rotate {
            let mut old = self.path.clone().into_os_string();
            old.push(".1");
            if let Ok(file) =
                std::fs::rename(&self.path, &old).and_then(|()| open_appending(&self.path))
            {
                self.file = file;
                return;
            }
        }
        // Without a second file the log begins anew.
        let _ = self.file.set_len(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(max: u64) -> ConsoleLog {
        ConsoleLog { clear: false, read: true, read_max: max, write_logfile: false }
    }

    #[test]
    fn ring_keeps_the_last_bytes_and_reading_takes_them() {
        let mut ring = Ring::new(4);
        assert_eq!(ring.answer(&read(0)), None);
        ring.push(b"abc");
        ring.push(b"de");
        assert_eq!(ring.answer(&read(2)).unwrap(), b"bc");
        ring.push(b"0123456789");
        assert_eq!(ring.answer(&read(0)).unwrap(), b"6789");
        assert_eq!(ring.answer(&read(0)), None);
    }

    #[test]
    fn log_file_stays_within_its_bound() {
        let path = std::env::temp_dir().join(format!("lxc-rs-console-log-{}", std::process::id()));
        let old = path.with_extension("1");
        let mut log = LogFile::open(&path, 10, true).unwrap();
        log.append(b"12345678");
        log.append(b"abcdef");
        assert_eq!(std::fs::read(&path).unwrap(), b"cdef");
        let rotated = format!("{}.1", path.display());
        assert_eq!(std::fs::read(&rotated).unwrap(), b"12345678ab");
        log.append(&[b'x'; 25]);
        assert_eq!(std::fs::read(&path).unwrap(), [b'x'; 9]);
        for file in [path, old, rotated.into()] {
            let _ = std::fs::remove_file(file);
        }
    }
}
