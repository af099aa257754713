//! Record locks of whole files (fcntl(2), "Advisory record locking").

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
