//! What a tree of files is, as one digest, and how much room it takes.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use rustix::fs::{SeekFrom, fgetxattr, flistxattr, seek};

use crate::digest::{Digest, Hasher};
use crate::{Context, Error, Result};

/// Bytes that are looked at together; what is zero of them is the same whether it is a hole or not.
const BLOCK: usize = 64 << 10;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// The digest of names, kinds, owners, modes, times, extended attributes and content.
    pub digest: Digest,
    /// Bytes on the disk.
    pub size: u64,
    /// Entries, with the root.
    pub entries: u64,
}

/// Looks at all of the directory `root`, which nobody changes.
pub fn survey(root: &Path) -> Result<Survey> {
    let failed = || format!("cannot read {}", root.display());
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let dir = nix::fcntl::open(root, flags, Mode::empty()).context(failed)?;
    let mut walk = Walk {
        users: Above::read("/proc/self/uid_map")?,
        groups: Above::read("/proc/self/gid_map")?,
        hasher: Hasher::like(&Digest::of(b"")),
        size: 0,
        entries: 0,
        linked: HashSet::new(),
        buffer: vec![0; BLOCK],
        value: vec![0; BLOCK],
    };
    walk.directory(&dir).map_err(|error| error.note(failed()))?;
    Ok(Survey { digest: walk.hasher.finish(), size: walk.size, entries: walk.entries })
}

/// The ids of a user namespace as those of the one above it, in which others may look at the same files.
struct Above(Vec<[u32; 3]>);

impl Above {
    /// Those in `file`.
    fn read(file: &str) -> Result<Self> {
        let text = std::fs::read_to_string(file).context(|| format!("cannot read {file}"))?;
        let numbers = |line: &str| {
            let mut words = line.split_whitespace().map(|word| word.parse().ok());
            Some([words.next()??, words.next()??, words.next()??])
        };
        Ok(Self(text.lines().filter_map(numbers).collect()))
    }

    fn of(&self, id: u32) -> u32 {
        let has = |[inside, _, count]: &&[u32; 3]| id >= *inside && id - inside < *count;
        self.0.iter().find(has).map_or(id, |[inside, outside, _]| id - inside + outside)
    }
}

struct Walk {
    users: Above,
    groups: Above,
    hasher: Hasher,
    size: u64,
    entries: u64,
    /// Inodes with several names that were seen.
    linked: HashSet<(u64, u64)>,
    buffer: Vec<u8>,
    value: Vec<u8>,
}

impl Walk {
    /// A directory: what it is itself, then its entries by name.
    fn directory(&mut self, dir: &OwnedFd) -> Result<()> {
        let stat = fstat(dir).context(|| "cannot look at a directory")?;
        self.head(&stat, 0);
        self.attributes(dir.as_fd())?;
        for name in names(dir)? {
            self.entry(dir.as_fd(), &name).map_err(|error| {
                let name = String::from_utf8_lossy(name.to_bytes()).replace(char::is_control, "?");
                Error { what: format!("{name}: {}", error.what), ..error }
            })?;
        }
        self.hasher.update(b"end\0");
        Ok(())
    }

    fn entry(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> Result<()> {
        self.hasher.update(name.to_bytes_with_nul());
        let stat =
            fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW).context(|| "cannot look at it")?;
        let open = |flags| {
            openat(parent, name, flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
                .context(|| "cannot open it")
        };
        let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
        if kind == SFlag::S_IFDIR {
            return self.directory(&open(OFlag::O_RDONLY | OFlag::O_DIRECTORY)?);
        }
        let is_file = kind == SFlag::S_IFREG;
        self.head(&stat, if is_file { stat.st_size } else { 0 });
        if stat.st_nlink > 1 && !self.linked.insert((stat.st_dev, stat.st_ino)) {
            self.hasher.update(b"again\0");
            self.size -= on_disk(&stat);
            return Ok(());
        }
        if is_file {
            let file = File::from(
                open(OFlag::O_RDONLY | OFlag::O_NOATIME).or_else(|_| open(OFlag::O_RDONLY))?,
            );
            self.attributes(file.as_fd())?;
            self.content(file)?;
        } else if kind == SFlag::S_IFLNK {
            let target = readlinkat(parent, name).context(|| "cannot read it")?;
            self.hasher.update(target.as_bytes());
            self.hasher.update(b"\0");
        }
        Ok(())
    }

    fn head(&mut self, stat: &FileStat, size: i64) {
        self.entries += 1;
        self.size += on_disk(stat);
        let FileStat { st_mode, st_rdev, st_mtime, st_mtime_nsec, .. } = stat;
        let (uid, gid) = (self.users.of(stat.st_uid), self.groups.of(stat.st_gid));
        let text = format!("{st_mode:o} {uid} {gid} {st_rdev} {size} {st_mtime} {st_mtime_nsec}\0");
        self.hasher.update(text.as_bytes());
    }

    fn attributes(&mut self, open: BorrowedFd<'_>) -> Result<()> {
        let failed = || "cannot read its attributes";
        let length = match flistxattr(open, &mut self.buffer) {
            Err(rustix::io::Errno::OPNOTSUPP) => 0,
            result => result.map_err(errno).context(failed)?,
        };
        let mut names: Vec<&[u8]> = self.buffer[..length].split(|byte| *byte == 0).collect();
        names.retain(|name| !name.is_empty());
        names.sort_unstable();
        for name in names {
            let length = fgetxattr(open, name, &mut self.value).map_err(errno).context(failed)?;
            self.hasher.update(name);
            self.hasher.update(format!("\0{length}\0").as_bytes());
            self.hasher.update(&self.value[..length]);
        }
        Ok(())
    }

    /// The content of a file, in blocks; runs of zeros as their length.
    fn content(&mut self, mut file: File) -> Result<()> {
        let failed = || "cannot read it";
        let mut zeros = 0_u64;
        let mut at = 0_u64;
        loop {
            // What is a hole needs no reading.
            let data = match seek(&file, SeekFrom::Data(at)) {
                Err(rustix::io::Errno::NXIO) => break,
                // This file system knows of no holes.
                Err(rustix::io::Errno::INVAL) => at,
                result => result.map_err(errno).context(failed)?,
            };
            let begin = data - data % BLOCK as u64;
            zeros += begin - at;
            at = begin;
            seek(&file, SeekFrom::Start(begin)).map_err(errno).context(failed)?;
            let length = read_block(&mut file, &mut self.buffer).context(failed)?;
            if length == 0 {
                break;
            }
            let block = &self.buffer[..length];
            if block.iter().all(|byte| *byte == 0) {
                zeros += length as u64;
            } else {
                if zeros > 0 {
                    self.hasher.update(format!("zeros {zeros}\0").as_bytes());
                    zeros = 0;
                }
                self.hasher.update(block);
            }
            at += length as u64;
            if length < BLOCK {
                break;
            }
        }
        // Zeros at the end are told by the size.
        Ok(())
    }
}

fn on_disk(stat: &FileStat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or_default() * 512
}

fn read_block(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..])? {
            0 => break,
            count => length += count,
        }
    }
    Ok(length)
}

/// The names in `dir`, in their order.
fn names(dir: &OwnedFd) -> Result<Vec<CString>> {
    let failed = || "cannot list a directory";
    let own = Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string());
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut listed = Dir::open(&own, flags, Mode::empty()).context(failed)?;
    let mut names = Vec::new();
    for entry in listed.iter() {
        let name = entry.context(failed)?.file_name().to_owned();
        if name.to_bytes() != b"." && name.to_bytes() != b".." {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn errno(errno: rustix::io::Errno) -> std::io::Error {
    errno.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt, symlink};

    use super::*;
    use crate::testing::Scratch;

    #[test]
    fn any_change_shows_and_holes_do_not() {
        let scratch = Scratch::new("survey");
        let root = scratch.path();
        std::fs::create_dir(root.join("dir")).unwrap();
        std::fs::write(root.join("dir/file"), "text").unwrap();
        std::fs::hard_link(root.join("dir/file"), root.join("hard")).unwrap();
        symlink("dir/file", root.join("link")).unwrap();
        let sparse = File::create(root.join("sparse")).unwrap();
        sparse.write_at(b"x", 300_000).unwrap();
        sparse.set_len(1 << 40).unwrap();
        let times = std::fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
        sparse.set_times(times).unwrap();
        let first = survey(root).unwrap();
        assert_eq!(survey(root).unwrap(), first);
        assert_eq!(first.entries, 6);
        assert!(first.size < 1 << 20);
        // A hole that is filled with zeros.
        sparse.write_at(&vec![0; 200_000], 0).unwrap();
        sparse.set_times(times).unwrap();
        assert_eq!(survey(root).unwrap().digest, first.digest);
        sparse.write_at(b"y", 70_000).unwrap();
        sparse.set_times(times).unwrap();
        let second = survey(root).unwrap();
        assert_ne!(second.digest, first.digest);
        std::fs::set_permissions(
            root.join("hard"),
            std::os::unix::fs::PermissionsExt::from_mode(0o600),
        )
        .unwrap();
        let third = survey(root).unwrap();
        assert_ne!(third.digest, second.digest);
        std::fs::rename(root.join("link"), root.join("renamed")).unwrap();
        assert_ne!(survey(root).unwrap().digest, third.digest);
    }
}
