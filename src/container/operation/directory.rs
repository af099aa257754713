//! The lock of a container's directory: shared by those who read its files, exclusive for those who
//! change them.
//!
//! Whoever may read the directory can take the lock, even a user to whom the container does not belong.
//! So others wait for it without a limit only while its holders may run the container.

use std::fs::{File, Metadata};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::unistd::{Gid, Pid, Uid};

use crate::error::{Context, Error, Kind, Result};
use crate::identity::Identity;
use crate::monitor::client::Peer;
use crate::sys::lock::FileLock;
use crate::table;

/// How long somebody who may not run the container can keep others waiting.
const STRANGER_WITHIN: Duration = Duration::from_secs(5);

/// The time between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// Tries to lock an open directory.
type Try = fn(File) -> std::io::Result<Option<FileLock>>;

/// Locks the directory to read what is in it.
pub(super) fn shared(identity: &Identity) -> Result<FileLock> {
    lock(identity, FileLock::try_shared)
}

/// Locks the directory to change what is in it.
pub(super) fn exclusive(identity: &Identity) -> Result<FileLock> {
    lock(identity, FileLock::try_exclusive)
}

fn lock(identity: &Identity, try_lock: Try) -> Result<FileLock> {
    let path = identity.dir();
    let failed = || format!("cannot lock {}", path.display());
    let mut waiting: Option<Instant> = None;
    loop {
        let directory = open(&path)?;
        let locked = directory.metadata().context(failed)?;
        if let Some(lock) = try_lock(directory).context(failed)? {
            // The directory may have been removed or renamed meanwhile.
            if path.metadata().is_ok_and(|now| is_same(&now, &locked)) {
                return Ok(lock);
            }
            continue;
        }
        match held_by_stranger(identity, &locked) {
            None => waiting = None,
            Some(error) if waiting.get_or_insert_with(Instant::now).elapsed() > STRANGER_WITHIN => {
                return Err(error);
            }
            Some(_) => {}
        }
        std::thread::sleep(PAUSE);
    }
}

fn open(dir: &Path) -> Result<File> {
    let mut options = std::fs::OpenOptions::new();
    match options.read(true).custom_flags(libc::O_DIRECTORY | libc::O_CLOEXEC).open(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::new("Container is not defined").kind(Kind::NotDefined))
        }
        opened => opened.context(|| format!("cannot open the directory {}", dir.display())),
    }
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// What to say if somebody who may not run the container, or nobody who is visible here, has a lock of its
/// directory.
fn held_by_stranger(identity: &Identity, directory: &Metadata) -> Option<Error> {
    let what = format!("the lock of {}", identity.dir().display());
    let holders = holders(directory);
    if holders.is_empty() {
        return Some(
            Error::new(format!("{what} is held by a process that cannot be seen here"))
                .hint("/proc/locks of another pid namespace tells its number"),
        );
    }
    let owners = [identity.lxcpath.clone(), identity.config_file()];
    let owners = owners.each_ref().map(std::path::PathBuf::as_path);
    holders.into_iter().find_map(|holder| holder.require_owner(&owners, &what).err())
}

/// The processes that have a lock of `directory` (`/proc/locks` in proc(5)).
fn holders(directory: &Metadata) -> Vec<Peer> {
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    locks.lines().filter_map(|line| holder(line, directory.ino())).filter_map(process).collect()
}

/// The process that has the lock in `line`, if it is one that flock(2) took of the file `inode`.
fn holder(line: &str, inode: u64) -> Option<i32> {
    let mut words = line.split_whitespace().skip(1);
    // A process that waits has an arrow in this place.
    words.next().filter(|kind| *kind == "FLOCK")?;
    let pid = words.nth(2)?.parse().ok()?;
    // The device is not always the one that stat(2) tells.
    let of: u64 = words.next()?.rsplit(':').next()?.parse().ok()?;
    (of == inode).then_some(pid)
}

/// The process `pid` with its real ids: it may be executing a program that sets the effective ones.
fn process(pid: i32) -> Option<Peer> {
    let status = table::read(format!("/proc/{pid}/status")).ok()?;
    let id = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let (uid, gid) = (Uid::from_raw(id("Uid:")?), Gid::from_raw(id("Gid:")?));
    Some(Peer { pid: Pid::from_raw(pid), uid, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_lock_is_told_from_those_of_others() {
        let line = "3: FLOCK  ADVISORY  READ  4711 08:01:524300 0 EOF";
        assert_eq!(holder(line, 524_300), Some(4711));
        assert_eq!(holder(line, 52_430), None);
        assert_eq!(holder("3: -> FLOCK  ADVISORY  WRITE 4712 08:01:524300 0 EOF", 524_300), None);
        assert_eq!(holder("4: POSIX  ADVISORY  WRITE 4712 08:01:524300 0 EOF", 524_300), None);
        let directory = open(&std::env::temp_dir()).unwrap();
        let found = directory.metadata().unwrap();
        let lock = FileLock::try_shared(directory).unwrap().unwrap();
        let own = Pid::this();
        assert!(holders(&found).iter().any(|holder| holder.pid == own && holder.is_our_equal()));
        drop(lock);
        assert!(!holders(&found).iter().any(|holder| holder.pid == own));
    }
}
