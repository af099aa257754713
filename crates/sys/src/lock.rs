//! Locks of files: record locks of whole ones (fcntl(2), "Advisory record locking"), and those of open
//! files (flock(2)).

use std::fs::{File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// An exclusive lock of a whole file, for `F_SETLK` and its like.
pub fn whole_file() -> libc::flock {
    libc::flock {
        l_type: i16::try_from(libc::F_WRLCK).unwrap_or_default(),
        l_whence: i16::try_from(libc::SEEK_SET).unwrap_or_default(),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// Whether `F_GETLK` or its like found that `lock` could be had.
pub fn is_free(lock: &libc::flock) -> bool {
    i32::from(lock.l_type) == libc::F_UNLCK
}

/// A lock of an open file or directory (flock(2)), which goes with this value.
#[derive(Debug)]
pub struct FileLock(File);

impl FileLock {
    /// A shared lock; `None` while somebody else has an exclusive one.
    pub fn try_shared(file: File) -> io::Result<Option<Self>> {
        let tried = file.try_lock_shared();
        Self::of(file, tried)
    }

    /// The only lock; `None` while somebody else has one.
    pub fn try_exclusive(file: File) -> io::Result<Option<Self>> {
        let tried = file.try_lock();
        Self::of(file, tried)
    }

    /// The only lock, waiting for whoever has one, of the file `path`, which is made. It is the owner's alone: a lock is
    /// everybody's who may open the file, even for reading.
    pub fn own(path: &Path) -> io::Result<Self> {
        let mut options = File::options();
        options.create(true).append(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let file = options.open(path)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        Self::exclusive(file)
    }

    /// A shared lock, waiting for whoever has the only one.
    pub fn shared(file: File) -> io::Result<Self> {
        file.lock_shared().map(|()| Self(file))
    }

    /// The only lock, waiting for whoever has one.
    pub fn exclusive(file: File) -> io::Result<Self> {
        file.lock().map(|()| Self(file))
    }

    fn of(file: File, tried: Result<(), TryLockError>) -> io::Result<Option<Self>> {
        match tried {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // A child may have the descriptor as well. Where this fails, closing it is what remains.
        let _ = self.0.unlock();
    }
}
