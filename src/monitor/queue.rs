//! Bytes on their way to a terminal whose reader may be slow, or not read at all.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};

use crate::sys::deadline::poll_timeout;

/// Most bytes that wait. Reading from the other side pauses then, so that a slow reader gets all.
const MAX: usize = 64 << 10;
/// A reader that has taken nothing for this long, with the queue full, is not reading: what comes
/// then is dropped until it reads again.
const STALLED: Duration = Duration::from_secs(1);

/// The bytes.
#[derive(Debug)]
pub struct Queue {
    bytes: VecDeque<u8>,
    /// When the reader took something last, or the queue was empty.
    moved: Instant,
    /// Whether the reader was given up, until it reads again.
    dropping: bool,
    dropped: u64,
    broken: bool,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            bytes: VecDeque::new(),
            moved: Instant::now(),
            dropping: false,
            dropped: 0,
            broken: false,
        }
    }
}

impl Queue {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether more may come: there is room, or it would be dropped.
    pub fn takes_more(&self) -> bool {
        self.dropping || self.bytes.len() < MAX
    }

    /// Whether the last write failed other than for want of room: the reader is gone.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// When the reader is given up, unless it reads.
    pub fn deadline(&self) -> Option<Instant> {
        (!self.takes_more()).then(|| self.moved + STALLED)
    }

    /// Gives the reader up if it is time.
    pub fn drop_stalled(&mut self, now: Instant) {
        self.dropping = self.dropping || self.deadline().is_some_and(|deadline| deadline <= now);
    }

    /// Passes `bytes` on to `reader`, as much as it takes now, and keeps the rest.
    pub fn pass(&mut self, bytes: &[u8], reader: &mut File) {
        if self.dropping {
            self.dropped += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            return;
        }
        if self.bytes.is_empty() {
            self.moved = Instant::now();
        }
        self.bytes.extend(bytes);
        self.write_to(reader);
    }

    /// Writes what `reader` takes now.
    pub fn write_to(&mut self, reader: &mut File) {
        while !self.bytes.is_empty() {
            match reader.write(self.bytes.as_slices().0) {
                Ok(len) if len > 0 => {
                    self.bytes.drain(..len);
                    self.moved = Instant::now();
                    self.end_dropping();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => {
                    self.bytes.clear();
                    self.broken = true;
                }
            }
        }
    }

    /// Writes everything, as long as `reader` takes something every now and then.
    pub fn finish(&mut self, reader: &mut File) {
        while !self.bytes.is_empty() && !self.dropping {
            let deadline = self.moved + STALLED;
            let mut fds = [PollFd::new(reader.as_fd(), PollFlags::POLLOUT)];
            // Whatever it is that ended the wait, the write finds out.
            let _ = poll(&mut fds, poll_timeout(deadline));
            self.write_to(reader);
            self.dropping = self.dropping || deadline <= Instant::now();
        }
    }

    /// Forgets what is left.
    pub fn forget(&mut self) {
        self.dropped += u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        self.bytes.clear();
        self.end_dropping();
    }

    fn end_dropping(&mut self) {
        if self.dropped > 0 {
            log::warn!("{} bytes for a terminal were dropped: nobody read them", self.dropped);
        }
        self.dropped = 0;
        self.dropping = false;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::OwnedFd;

    use nix::fcntl::OFlag;

    use super::*;

    fn pipe() -> (File, File) {
        let (read, write) = nix::unistd::pipe2(OFlag::O_NONBLOCK).unwrap();
        let file = |fd: OwnedFd| File::from(fd);
        (file(read), file(write))
    }

    #[test]
    fn a_slow_reader_gets_all_and_one_that_does_not_read_holds_nobody_up() {
        let (mut read, mut write) = pipe();
        let mut queue = Queue::default();
        let mut sent = 0_u64;
        while queue.takes_more() {
            queue.pass(&[b'x'; 4096], &mut write);
            sent += 4096;
        }
        assert!(queue.deadline().unwrap() > Instant::now());
        queue.drop_stalled(Instant::now());
        assert!(!queue.takes_more());
        queue.drop_stalled(Instant::now() + STALLED);
        assert!(queue.takes_more());
        queue.pass(&[b'y'; 4096], &mut write);
        assert_eq!(queue.dropped, 4096);
        let mut buffer = vec![0; 1 << 20];
        let mut got = 0;
        while let Ok(len) = read.read(&mut buffer) {
            assert!(buffer[..len].iter().all(|byte| *byte == b'x'));
            got += len as u64;
            queue.write_to(&mut write);
        }
        assert_eq!(got, sent);
        assert!(!queue.dropping && queue.is_empty());
    }

    #[test]
    fn a_reader_that_is_gone_is_seen() {
        let (read, mut write) = pipe();
        drop(read);
        let mut queue = Queue::default();
        queue.pass(b"x", &mut write);
        assert!(queue.is_broken() && queue.is_empty());
    }
}
