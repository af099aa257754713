//! A layer is read by threads: one decompresses it, one computes its digest, and whoever wants its entries gets
//! the same bytes from the first.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::digest::{Digest, Hasher};

/// Bytes that are passed on at once.
const PIECE: usize = 128 << 10;
/// Pieces that may wait for whoever is slower: they stay in the processor's cache.
const WAITING: usize = 8;

/// Some bytes, in memory that is used again once nobody looks at them.
struct Piece {
    memory: Vec<u8>,
    length: usize,
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        &self.memory[..self.length]
    }

    /// Fills it from `input`; whether there is more.
    fn fill(&mut self, input: &mut impl Read) -> io::Result<bool> {
        self.length = 0;
        while self.length < self.memory.len() {
            match input.read(&mut self.memory[self.length..]) {
                Ok(0) => return Ok(false),
                Ok(count) => self.length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// All pieces that there are: as many as may wait, and those that are being looked at.
#[derive(Default)]
struct Pieces(Vec<Arc<Piece>>);

impl Pieces {
    /// One at which nobody looks, after `fill` has filled it.
    fn next<T>(&mut self, fill: impl FnOnce(&mut Piece) -> T) -> (Arc<Piece>, T) {
        let free = self.0.iter_mut().position(|piece| Arc::get_mut(piece).is_some());
        let mut piece = match free {
            Some(free) => self.0.swap_remove(free),
            None => Arc::new(Piece { memory: vec![0; PIECE], length: 0 }),
        };
        let Some(free) = Arc::get_mut(&mut piece) else {
            unreachable!("it is free, and only who has it could give it to others")
        };
        let filled = fill(free);
        self.0.push(Arc::clone(&piece));
        (piece, filled)
    }
}

/// What one thread reads, for two others.
pub(super) struct Passed {
    /// Who wants the bytes.
    reader: SyncSender<io::Result<Arc<Piece>>>,
    /// Who computes their digest.
    hasher: SyncSender<Arc<Piece>>,
}

/// The bytes, as they come.
pub(super) struct Ahead {
    pieces: Receiver<io::Result<Arc<Piece>>>,
    piece: Option<Arc<Piece>>,
    /// Where in it.
    at: usize,
}

/// What is to be hashed.
pub(super) struct ToHash(Receiver<Arc<Piece>>);

/// The three ends.
pub(super) fn channel() -> (Passed, Ahead, ToHash) {
    let (reader, pieces) = sync_channel(WAITING);
    let (hasher, to_hash) = sync_channel(WAITING);
    let ahead = Ahead { pieces, piece: None, at: 0 };
    (Passed { reader, hasher }, ahead, ToHash(to_hash))
}

impl Passed {
    /// Passes on all of `input`, or until nobody wants it any more.
    pub fn all_of(self, mut input: impl Read) {
        let mut pieces = Pieces::default();
        loop {
            let (piece, result) = pieces.next(|piece| piece.fill(&mut input));
            // What was read before an error counts as well.
            if piece.length > 0 {
                let gone = self.hasher.send(Arc::clone(&piece)).is_err();
                if gone || self.reader.send(Ok(piece)).is_err() {
                    return;
                }
            }
            match result {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return self.fail(error),
            }
        }
    }

    /// Ends the stream with `error`.
    pub fn fail(self, error: io::Error) {
        // A reader that is gone has failed with an error of its own.
        let _ = self.reader.send(Err(error));
    }
}

impl ToHash {
    /// The digest of all, of the kind of `wanted`.
    pub fn digest(self, wanted: &Digest) -> Digest {
        let mut hasher = Hasher::like(wanted);
        for piece in self.0 {
            hasher.update(piece.bytes());
        }
        hasher.finish()
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.as_ref().is_none_or(|piece| self.at == piece.length) {
            // Given back before the next one is waited for.
            (self.piece, self.at) = (None, 0);
            match self.pieces.recv() {
                Ok(piece) => self.piece = Some(piece?),
                Err(_) => return Ok(0),
            }
        }
        let rest = self.piece.as_ref().map_or(&[][..], |piece| &piece.bytes()[self.at..]);
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives `left` bytes and then an error.
    struct Failing {
        left: usize,
    }

    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.left == 0 {
                return Err(io::Error::other("damaged"));
            }
            let count = buffer.len().min(self.left).min(1000);
            buffer[..count].fill(7);
            self.left -= count;
            Ok(count)
        }
    }

    #[test]
    fn all_is_passed_on_and_hashed() {
        let data: Vec<u8> = (0..3 * PIECE + 5).map(|at| at.to_le_bytes()[0]).collect();
        let (passed, mut ahead, to_hash) = channel();
        std::thread::scope(|scope| {
            scope.spawn(|| passed.all_of(&*data));
            let digest = scope.spawn(|| to_hash.digest(&Digest::of(b"")));
            let mut found = Vec::new();
            ahead.read_to_end(&mut found).unwrap();
            assert!(found == data);
            assert_eq!(digest.join().unwrap(), Digest::of(&data));
        });
    }

    #[test]
    fn an_error_comes_after_what_was_read() {
        let (passed, mut ahead, _to_hash) = channel();
        std::thread::scope(|scope| {
            scope.spawn(|| passed.all_of(Failing { left: PIECE + 10 }));
            let mut found = Vec::new();
            let error = ahead.read_to_end(&mut found).unwrap_err();
            assert_eq!((found.len(), error.to_string()), (PIECE + 10, "damaged".to_owned()));
        });
    }

    #[test]
    fn nobody_is_waited_for_who_is_gone() {
        let (passed, mut ahead, to_hash) = channel();
        std::thread::scope(|scope| {
            scope.spawn(|| passed.all_of(io::repeat(1)));
            scope.spawn(|| to_hash.digest(&Digest::of(b"")));
            assert_eq!(ahead.read(&mut [0; 10]).unwrap(), 10);
            drop(ahead);
        });
    }
}
