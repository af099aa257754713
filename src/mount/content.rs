//! Small files of a root filesystem, read and replaced by the host.
//!
//! Whoever fills the tree may have put anything in the place of a file: a link, a FIFO that nobody
//! writes to, a device, a file without end. Only a regular file of a reasonable size is read.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, unlinkat};

use super::Root;
use crate::error::{Context, Result};

/// The longest file that is read.
const LONGEST: u64 = 1 << 20;

/// What lies at a path below a root filesystem.
#[derive(Debug)]
pub enum Content {
    /// A regular file with this content.
    File(Vec<u8>),
    /// Nothing.
    Missing,
    /// Something that the host does not touch, and why.
    Refused(&'static str),
}

impl Root {
    /// The content of the file `path`. No link is followed.
    pub fn content(&self, path: &Path) -> Result<Content> {
        let shown = || format!("cannot read {}", self.path().join(path).display());
        // Looked at before it is opened: to open a device may already do something.
        let found = match self.lookup(path, OFlag::O_PATH | OFlag::O_NOFOLLOW) {
            Ok(found) => found,
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(Content::Missing),
            Err(Errno::ELOOP) => return Ok(Content::Refused("lies behind a link")),
            Err(errno) => return Err(errno).context(shown),
        };
        match kind(&fstat(&found).context(shown)?) {
            SFlag::S_IFREG => {}
            SFlag::S_IFLNK => return Ok(Content::Refused("is a symbolic link")),
            _ => return Ok(Content::Refused("is not a regular file")),
        }
        let file = self.lookup(path, READ).context(shown)?;
        Ok(match read(file).context(shown)? {
            Some(bytes) => Content::File(bytes),
            None => Content::Refused("is not a regular file of at most 1 MiB"),
        })
    }

    /// Puts a file with the content `bytes` in the place of the regular file `path`, whose owner and
    /// mode it gets. The old file itself is not written: it may have other names.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let failed = || format!("cannot write {}", self.path().join(path).display());
        let old = self.lookup(path, OFlag::O_PATH | OFlag::O_NOFOLLOW).context(failed)?;
        let old = fstat(&old).context(failed)?;
        let parent = path.parent().unwrap_or(Path::new(""));
        let dir = self.lookup(parent, OFlag::O_PATH | OFlag::O_DIRECTORY).context(failed)?;
        let name = path.file_name().unwrap_or_default();
        let mut new = OsString::from(".");
        new.push(name);
        new.push(format!(".lxc-{}", std::process::id()));
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
        let how = OpenHow::new()
            .flags(flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
            .mode(Mode::S_IRUSR | Mode::S_IWUSR)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
        let file = openat2(&dir, new.as_os_str(), how).map(File::from).context(failed)?;
        let write = |mut file: File| -> std::io::Result<()> {
            fchown(&file, Some(Uid::from_raw(old.st_uid)), Some(Gid::from_raw(old.st_gid)))?;
            fchmod(&file, Mode::from_bits_truncate(old.st_mode))?;
            file.write_all(bytes)?;
            Ok(renameat(&dir, new.as_os_str(), &dir, name)?)
        };
        write(file).context(failed).inspect_err(|_| {
            // The first cause is what is told.
            let _ = unlinkat(&dir, new.as_os_str(), UnlinkatFlags::NoRemoveDir);
        })
    }

    /// The content of the file `path`, with links followed as a process whose root this is would do;
    /// `None` unless it leads to a regular file of at most 1 MiB that can be read. For processes in the
    /// container.
    pub fn content_inside(&self, path: &Path) -> Option<Vec<u8>> {
        let how = OpenHow::new()
            .flags(READ | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        openat2(self.fd(), path, how).ok().and_then(|file| read(file).ok()?)
    }
}

/// How a file is opened to be read: without waiting, whatever it is.
const READ: OFlag = OFlag::O_RDONLY.union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY);

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

/// All of `file`; `None` if it is not a regular file, or longer than [`LONGEST`].
fn read(file: OwnedFd) -> std::io::Result<Option<Vec<u8>>> {
    if kind(&fstat(file.as_fd())?) != SFlag::S_IFREG {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    File::from(file).take(LONGEST + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= LONGEST).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::mknod;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn only_regular_files_are_read_and_replaced_beside_their_links() {
        let base = std::env::temp_dir().join(format!("lxc-rs-content-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&base);
        std::fs::create_dir_all(base.join("root/etc")).unwrap();
        let (host, etc) = (base.join("host"), base.join("root/etc"));
        std::fs::write(&host, "host").unwrap();
        std::fs::write(etc.join("file"), "old").unwrap();
        std::fs::set_permissions(etc.join("file"), PermissionsExt::from_mode(0o604)).unwrap();
        std::fs::hard_link(etc.join("file"), etc.join("other")).unwrap();
        symlink(&host, etc.join("link")).unwrap();
        symlink("etc", base.join("root/dir")).unwrap();
        symlink("/dev/zero", etc.join("zero")).unwrap();
        symlink("file", etc.join("near")).unwrap();
        mknod(&etc.join("fifo"), SFlag::S_IFIFO, Mode::S_IRWXU, 0).unwrap();
        File::create(etc.join("huge")).unwrap().set_len(1 << 40).unwrap();
        let root = Root::open(&base.join("root")).unwrap();
        let content = |path: &str| root.content(Path::new(path)).unwrap();
        for refused in ["etc/link", "etc/zero", "etc/fifo", "etc/huge", "etc", "dir/file"] {
            assert!(matches!(content(refused), Content::Refused(_)), "{refused}");
        }
        assert!(matches!(content("etc/none"), Content::Missing));
        assert!(matches!(content("etc/file/x"), Content::Missing));
        assert!(matches!(content("etc/file"), Content::File(bytes) if bytes == b"old"));
        root.replace(Path::new("etc/file"), b"new").unwrap();
        assert_eq!(std::fs::read(etc.join("file")).unwrap(), b"new");
        assert_eq!(std::fs::read(etc.join("other")).unwrap(), b"old");
        assert_eq!(etc.join("file").metadata().unwrap().permissions().mode() & 0o777, 0o604);
        assert!(root.replace(Path::new("dir/file"), b"x").is_err());
        let inside = |path: &str| root.content_inside(Path::new(path));
        assert_eq!(inside("/dir/file").unwrap(), b"new");
        assert_eq!(inside("etc/none"), None);
        for refused in ["etc/link", "etc/zero", "etc/fifo", "etc/huge", "etc"] {
            assert_eq!(inside(refused), None, "{refused}");
        }
        assert_eq!(std::fs::read(&host).unwrap(), b"host");
        std::fs::remove_dir_all(base).unwrap();
    }
}
