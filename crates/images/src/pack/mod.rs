//! The entries of a tree of files, which somebody else may be changing meanwhile.
//!
//! Each name is opened in its directory without following a link, looked at, and only then opened for
//! reading: a device in the place of a file is never opened, and a link that is swapped in leads nowhere.
//! What vanishes meanwhile is left out; a file that becomes shorter is filled up with zeros, and counted.

mod data;
mod overlay;

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use lxc_sys::beneath;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, major, minor};
use nix::sys::statfs::{FsType, fstatfs};
use rustix::fs::{getxattr, listxattr};

use crate::archive::{Entries, Entry, Extent, Kind};
use crate::unpack::attributes::is_allowed;
use crate::{Context, Error, Result};
use data::Data;

/// Most directories above an entry: each that is open costs a descriptor, and no archive may have more.
const DEPTH: usize = 256;
/// Most bytes of all names of an entry's attributes, and of a value (linux/limits.h).
const ATTRIBUTES: usize = 65536;

/// What was not as it should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Sockets, which no archive holds.
    pub sockets: u64,
    /// Files that became shorter while they were read.
    pub shortened: u64,
    /// Directories whose content is the kernel's, such as /proc, or on another mount.
    pub mounts: u64,
}

/// What is left out of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mounts {
    /// What the kernel shows in its own file systems, such as /proc.
    NotOfKernel,
    /// All that is mounted in it.
    None,
}

/// A walk through a tree.
#[derive(Debug)]
pub struct Walk {
    /// What comes first: it, and its name.
    first: Option<(OwnedFd, Vec<u8>)>,
    levels: Vec<Level>,
    data: Option<Data>,
    /// The first name of a file with several names, by device and inode.
    links: HashMap<(u64, u64), Vec<u8>>,
    mounts: Mounts,
    /// Whether it is the writable layer of an overlay.
    is_layer: bool,
    /// What follows the entry that came last.
    follows: Option<Entry>,
    report: Report,
}

/// Where an entry was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The walk begins with it.
    Top,
    /// In a directory of this device.
    In(u64),
    /// On a mount that is left out.
    Mounted,
}

/// A directory, and what is still to come of it.
#[derive(Debug)]
struct Level {
    dir: OwnedFd,
    device: u64,
    path: Vec<u8>,
    names: std::vec::IntoIter<CString>,
}

impl Walk {
    /// The walk through `path` as a process has it whose root is `root`: with `follow` through a link that
    /// it ends in. The entries are called `name` and what is below it; with the name `.` they have no
    /// common beginning.
    pub fn new(
        root: BorrowedFd<'_>,
        path: &Path,
        name: &[u8],
        follow: bool,
        mounts: Mounts,
    ) -> Result<Self> {
        let nofollow = if follow { OFlag::empty() } else { OFlag::O_NOFOLLOW };
        let top = beneath::open_in_root(root, path, OFlag::O_PATH | nofollow)
            .context(|| format!("cannot open {}", shown(path.as_os_str().as_bytes())))?;
        Ok(Self {
            first: Some((top, name.to_vec())),
            levels: Vec::new(),
            data: None,
            links: HashMap::new(),
            mounts,
            is_layer: false,
            follows: None,
            report: Report::default(),
        })
    }

    /// The tree is the writable layer of an overlay, and comes as a layer of an image.
    #[must_use]
    pub const fn of_layer(mut self) -> Self {
        self.is_layer = true;
        self
    }

    /// What was not as it should be so far.
    pub const fn report(&self) -> Report {
        self.report
    }

    /// The next name that is still there, opened for nothing.
    fn following(&mut self) -> Result<Option<(OwnedFd, Vec<u8>, Place)>> {
        if let Some((top, name)) = self.first.take() {
            return Ok(Some((top, name, Place::Top)));
        }
        while let Some(level) = self.levels.last_mut() {
            let Some(name) = level.names.next() else {
                self.levels.pop();
                continue;
            };
            let path = below(&level.path, &name);
            let mut place = Place::In(level.device);
            let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
            let plain = || openat(&level.dir, &*name, flags | OFlag::O_CLOEXEC, Mode::empty());
            let opened = match self.mounts {
                Mounts::NotOfKernel => plain(),
                Mounts::None => {
                    let name = Path::new(OsStr::from_bytes(name.to_bytes()));
                    match beneath::open_on_same_mount(level.dir.as_fd(), name, flags) {
                        Err(Errno::EXDEV) => {
                            place = Place::Mounted;
                            plain()
                        }
                        result => result,
                    }
                }
            };
            match opened {
                Ok(fd) => return Ok(Some((fd, path, place))),
                Err(Errno::ENOENT) => {}
                Err(errno) => return Err(failed(&path).errno(errno)),
            }
        }
        Ok(None)
    }

    /// The entry `path`, which is open as `fd`; `None` for what no archive holds.
    fn entry(&mut self, fd: &OwnedFd, path: Vec<u8>, place: Place) -> Result<Option<Entry>> {
        let stat = fstat(fd).map_err(|errno| failed(&path).errno(errno))?;
        let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
        let numbers = || Ok((number(major(stat.st_rdev))?, number(minor(stat.st_rdev))?));
        let kind = match kind {
            SFlag::S_IFREG => Kind::File,
            SFlag::S_IFDIR => Kind::Dir,
            SFlag::S_IFLNK => Kind::Symlink(link(fd, &path)?),
            SFlag::S_IFCHR => numbers().map(|(major, minor)| Kind::Char(major, minor))?,
            SFlag::S_IFBLK => numbers().map(|(major, minor)| Kind::Block(major, minor))?,
            SFlag::S_IFIFO => Kind::Fifo,
            _ => {
                self.report.sockets += 1;
                return Ok(None);
            }
        };
        let mut entry = of(&stat, kind, path);
        if place == Place::Mounted {
            self.report.mounts += 1;
            return Ok(Some(entry).filter(|entry| entry.kind == Kind::Dir));
        }
        // The kernel has one device for many whiteouts.
        let is_whiteout = self.is_layer && entry.kind == Kind::Char(0, 0);
        if stat.st_nlink > 1 && entry.kind != Kind::Dir && !is_whiteout {
            let place = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.links.get(&place) {
                entry.kind = Kind::Hardlink(first.clone());
                entry.size = 0;
                return Ok(Some(entry));
            }
            self.links.insert(place, entry.path.clone());
        }
        match entry.kind {
            Kind::File => self.file(fd, &stat, &mut entry)?,
            Kind::Dir => self.dir(fd, (&stat, place), &mut entry)?,
            _ => {}
        }
        Ok(Some(entry))
    }

    fn file(&mut self, fd: &OwnedFd, stat: &FileStat, entry: &mut Entry) -> Result<()> {
        let error = |errno| failed(&entry.path).errno(errno);
        // The same file, whatever has its name by now.
        let same = of_descriptor(fd.as_fd());
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let file = match open(&*same, flags | OFlag::O_NOATIME, Mode::empty()) {
            // Somebody else's file, and this is not root.
            Err(Errno::EPERM) => open(&*same, flags, Mode::empty()),
            result => result,
        };
        let file = File::from(file.map_err(error)?);
        let data = Data::of(file, stat).map_err(error)?;
        entry.size = data.size();
        entry.extents = data.extents();
        entry.attributes = attributes(&same).map_err(error)?;
        self.data = Some(data);
        Ok(())
    }

    fn dir(
        &mut self,
        fd: &OwnedFd,
        (stat, place): (&FileStat, Place),
        entry: &mut Entry,
    ) -> Result<()> {
        let error = |errno| failed(&entry.path).errno(errno);
        entry.attributes = attributes(&of_descriptor(fd.as_fd())).map_err(error)?;
        if self.levels.len() == DEPTH {
            return Err(
                failed(&entry.path).hint(format!("it is more than {DEPTH} directories deep"))
            );
        }
        let is_other = place != Place::Top && place != Place::In(stat.st_dev);
        if is_other && is_of_kernel(fd.as_fd()).map_err(error)? {
            self.report.mounts += 1;
            return Ok(());
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let dir = openat(fd, c".", flags, Mode::empty()).map_err(error)?;
        let names = names(&dir).map_err(error)?.into_iter();
        self.levels.push(Level { dir, device: stat.st_dev, path: entry.path.clone(), names });
        Ok(())
    }
}

impl Entries for Walk {
    fn next(&mut self) -> Result<Option<Entry>> {
        if let Some(data) = self.data.take() {
            self.report.shortened += u64::from(data.is_shortened());
        }
        if let Some(entry) = self.follows.take() {
            return Ok(Some(entry));
        }
        while let Some((fd, path, place)) = self.following()? {
            let Some(mut entry) = self.entry(&fd, path, place)? else { continue };
            if self.is_layer {
                let path = of_descriptor(fd.as_fd());
                (entry, self.follows) = overlay::translated(entry, &path)?;
            }
            return Ok(Some(entry));
        }
        Ok(None)
    }

    fn end(&mut self) -> Result<bool> {
        Ok(true)
    }

    fn file(&self) -> Option<BorrowedFd<'_>> {
        self.data.as_ref().and_then(Data::file)
    }
}

/// The data of the entry that came last.
impl Read for Walk {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.data.as_mut().map_or(Ok(0), |data| data.read(buffer))
    }
}

fn of(stat: &FileStat, kind: Kind, path: Vec<u8>) -> Entry {
    Entry {
        path,
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid.into(),
        gid: stat.st_gid.into(),
        modified: (stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        attributes: Vec::new(),
        size: 0,
        extents: None,
    }
}

fn number(part: u64) -> Result<u32> {
    u32::try_from(part).map_err(|_| Error::new("a device's number is too large"))
}

/// What the symbolic link `fd` leads to.
fn link(fd: &OwnedFd, path: &[u8]) -> Result<Vec<u8>> {
    let target = readlinkat(fd, c"").map_err(|errno| failed(path).errno(errno))?;
    Ok(target.into_vec())
}

/// A path of what `fd` is open for: the one way to what is open for nothing else.
fn of_descriptor(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// The extended attributes that go with a file, see `unpack/attributes.rs`.
fn attributes(path: &str) -> nix::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let errno = |error: rustix::io::Errno| Errno::from_raw(error.raw_os_error());
    let mut short = [0; 512];
    let mut long;
    let names = match listxattr(path, &mut short).map_err(errno) {
        Ok(0) | Err(Errno::EOPNOTSUPP) => return Ok(Vec::new()),
        Ok(length) => &short[..length],
        Err(Errno::ERANGE) => {
            long = vec![0; ATTRIBUTES];
            let length = listxattr(path, &mut long).map_err(errno)?;
            &long[..length]
        }
        Err(errno) => return Err(errno),
    };
    let mut found = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| is_allowed(name)) {
        let mut value = vec![0; ATTRIBUTES];
        match getxattr(path, name, &mut value).map_err(errno) {
            Ok(length) => {
                value.truncate(length);
                found.push((name.to_vec(), value));
            }
            // Gone since it was listed.
            Err(Errno::ENODATA) => {}
            Err(errno) => return Err(errno),
        }
    }
    found.sort();
    Ok(found)
}

/// The names in a directory, in order.
fn names(dir: &OwnedFd) -> nix::Result<Vec<CString>> {
    let mut listing = Dir::from_fd(dir.try_clone().map_err(|_| Errno::EMFILE)?)?;
    let mut names = Vec::new();
    for entry in listing.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn below(path: &[u8], name: &CStr) -> Vec<u8> {
    let mut path = if path == b"." { Vec::new() } else { [path, b"/"].concat() };
    path.extend_from_slice(name.to_bytes());
    path
}

/// Whether the directory `fd` is in a file system in which the kernel shows itself: it never ends, or has
/// files that do something when they are read (linux/magic.h).
fn is_of_kernel(fd: BorrowedFd<'_>) -> nix::Result<bool> {
    const KERNEL: [FsType; 14] = [
        FsType(0x9fa0),      // proc
        FsType(0x6265_6572), // sysfs
        FsType(0x0027_e0eb), // cgroup
        FsType(0x6367_7270), // cgroup2
        FsType(0x1cd1),      // devpts
        FsType(0x6462_6720), // debugfs
        FsType(0x7472_6163), // tracefs
        FsType(0x7363_6673), // securityfs
        FsType(0xcafe_4a11), // bpf
        FsType(0x1980_0202), // mqueue
        FsType(0x6165_676c), // pstore
        FsType(0x6265_6570), // configfs
        FsType(0xde5e_81e4), // efivarfs
        FsType(0x6573_5543), // fusectl
    ];
    Ok(KERNEL.contains(&fstatfs(fd)?.filesystem_type()))
}

fn failed(path: &[u8]) -> Error {
    Error::new(format!("cannot read {}", shown(path)))
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(&lxc_sys::visible::visible(path)).replace(['\n', '\t'], "?")
}

/// Extents of a file that has no holes are not worth a map.
fn is_whole(extents: &[Extent], size: u64) -> bool {
    matches!(extents, [Extent { offset: 0, length }] if *length == size) || size == 0
}

#[cfg(test)]
mod tests;
