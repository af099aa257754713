//! The mark of an unfinished operation: the file `partial` in the container's directory. C LXC makes
//! it for a container that is being created, and starts none that has it.
//!
//! It is the first thing that an operation writes and the last that it removes, and it is locked as
//! long as the process that made it lives. Its text says what is to be done about it once that
//! process was killed.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use super::shifting::Shifting;
use crate::config::temporary_name;
use crate::error::{Context, Error, Result};
use crate::identity::{ContainerName, Identity};
use crate::storage;
use crate::sys::{lock, rename};

/// Its name in the container's directory.
pub(super) const NAME: &str = "partial";

const COPY: &str = "lxc-copy";
const RESTORE: &str = "lxc-snapshot -r";
const RENAME: &str = "lxc-copy -R";
const SHIFT: &str = "lxc-rs shift";

/// What was not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// The container is being created or destroyed: it can only be destroyed. This is also what a mark
    /// of C LXC means, which is empty.
    Whole,
    /// As [`Whole`](Self::Whole), and the next copy in the same directory of containers removes it.
    Copy,
    /// The container is becoming one of its snapshots; everything for that is there.
    Restore,
    /// The container is being renamed; everything for that is there.
    Rename {
        /// The old name.
        from: ContainerName,
        /// The new one.
        to: ContainerName,
    },
    /// The files of the container are being given to other ids.
    Shift(Box<Shifting>),
}

impl Unfinished {
    fn text(&self) -> String {
        match self {
            Self::Whole => String::new(),
            Self::Copy => format!("{COPY}\n"),
            Self::Restore => format!("{RESTORE}\n"),
            Self::Rename { from, to } => format!("{RENAME}\n{from}\n{to}\n"),
            Self::Shift(shifting) => format!("{SHIFT}\n{}", shifting.text()),
        }
    }

    fn parse(text: &str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        match lines[..] {
            [COPY] => Self::Copy,
            [RESTORE] => Self::Restore,
            [RENAME, from, to] => match (ContainerName::new(from), ContainerName::new(to)) {
                (Ok(from), Ok(to)) => Self::Rename { from, to },
                _ => Self::Whole,
            },
            [SHIFT, ref lines @ ..] => Shifting::parse(lines)
                .map_or(Self::Whole, |shifting| Self::Shift(Box::new(shifting))),
            _ => Self::Whole,
        }
    }

    /// Whether the mark is that of a container that can be completed, not only removed.
    pub fn can_be_completed(&self) -> bool {
        matches!(self, Self::Restore | Self::Rename { .. } | Self::Shift(_))
    }
}

/// The mark of this process's operation.
#[derive(Debug)]
pub struct Mark {
    _file: File,
    path: PathBuf,
}

impl Mark {
    /// Marks the container. The mark appears locked and with its text, or not at all.
    pub fn make(identity: &Identity, unfinished: &Unfinished) -> Result<Self> {
        let path = path_of(identity);
        let failed = || format!("cannot create {}", path.display());
        let new = temporary_name(&path);
        let made = write(&new, unfinished).and_then(|file| {
            rename::without_replacing(&new, &path)?;
            Ok(file)
        });
        let file = made.context(failed).inspect_err(|_| {
            let _ = std::fs::remove_file(&new);
        })?;
        // Before any other file is made: on btrfs such a file may reach the disk without the mark.
        storage::sync_dir(&identity.dir()).inspect_err(|_| {
            let _ = std::fs::remove_file(&path);
        })?;
        Ok(Self { _file: file, path })
    }

    /// Takes over the mark of a process that was killed, if the container has one.
    pub fn take(identity: &Identity) -> Result<Option<Self>> {
        let path = path_of(identity);
        let Some(file) = open(&path)? else { return Ok(None) };
        match fcntl(&file, FcntlArg::F_OFD_SETLK(&lock::whole_file())) {
            Ok(_) => Ok(Some(Self { _file: file, path })),
            Err(Errno::EAGAIN | Errno::EACCES) => {
                Err(Error::new("Ongoing container creation detected"))
            }
            Err(errno) => Err(Error::new(format!("cannot lock {}", path.display())).errno(errno)),
        }
    }

    /// Marks a container that is about to be removed, or takes over the mark that it has. `None` where
    /// there is no such directory.
    pub fn for_removal(identity: &Identity) -> Result<Option<Self>> {
        if let Some(mark) = Self::take(identity)? {
            return Ok(Some(mark));
        }
        let path = path_of(identity);
        match Self::make(identity, &Unfinished::Whole) {
            Err(error) if error.is(Errno::ENOENT) => Ok(None),
            // The container to be removed may be what fills the disk.
            Err(error) if error.is(Errno::ENOSPC) || error.is(Errno::EDQUOT) => {
                let config = identity.config_file();
                std::fs::hard_link(&config, &path)
                    .or_else(|_| std::fs::rename(&config, &path))
                    .map_err(|_| error)?;
                Self::for_removal(identity)
            }
            made => made.map(Some),
        }
    }

    /// The same mark once the container's directory has moved.
    #[must_use]
    pub fn moved_to(self, identity: &Identity) -> Self {
        Self { path: path_of(identity), ..self }
    }

    /// The container is complete: removes the mark after everything in its directory and in `outside`
    /// is on the disk.
    pub fn complete(self, outside: &[&Path]) -> Result<()> {
        let home = self.path.parent().unwrap_or(Path::new("/")).to_owned();
        let mut written = vec![home.as_path()];
        written.extend(outside);
        storage::sync(&written)?;
        self.remove_for_good()
    }

    /// Removes the mark so that it does not come back after a power cut: what belongs to the container
    /// has reached the disk already.
    pub fn remove_for_good(self) -> Result<()> {
        let home = self.path.parent().unwrap_or(Path::new("/")).to_owned();
        self.remove()?;
        storage::sync_dir(&home)
    }

    /// Removes the mark.
    pub fn remove(self) -> Result<()> {
        std::fs::remove_file(&self.path)
            .context(|| format!("cannot remove {}", self.path.display()))
    }
}

/// What the mark of the container says; `None` if it has none.
pub fn read(identity: &Identity) -> Result<Option<Unfinished>> {
    let path = path_of(identity);
    let Some(mut file) = open(&path)? else { return Ok(None) };
    let mut text = Vec::new();
    file.read_to_end(&mut text).context(|| format!("cannot read {}", path.display()))?;
    Ok(Some(Unfinished::parse(&String::from_utf8_lossy(&text))))
}

/// Whether the process that made the container's mark lives.
pub fn is_held(identity: &Identity) -> Result<bool> {
    let path = path_of(identity);
    let Some(file) = open(&path)? else { return Ok(false) };
    // The lock is only queried: taking it to find out could get in the way of whoever else tries to.
    let mut held = lock::whole_file();
    fcntl(&file, FcntlArg::F_OFD_GETLK(&mut held))
        .context(|| format!("cannot look at the lock of {}", path.display()))?;
    Ok(!lock::is_free(&held))
}

/// Whether the container has a mark.
pub fn exists(identity: &Identity) -> bool {
    path_of(identity).symlink_metadata().is_ok()
}

/// Whether `name` in a container's directory is its mark.
pub(super) fn is_mark(name: &OsStr) -> bool {
    name == NAME
}

fn path_of(identity: &Identity) -> PathBuf {
    identity.dir().join(NAME)
}

fn write(path: &Path, unfinished: &Unfinished) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_CLOEXEC)
        .open(path)?;
    fcntl(&file, FcntlArg::F_OFD_SETLK(&lock::whole_file()))?;
    file.write_all(unfinished.text().as_bytes())?;
    if unfinished.can_be_completed() {
        // A mark without its text would say that the container is to be removed.
        file.sync_all()?;
    }
    Ok(file)
}

fn open(path: &Path) -> Result<Option<File>> {
    let open = || {
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC).open(path)
    };
    let opened = match open() {
        // C LXC makes it with mode 0000, which its owner must change to open it.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            if path.symlink_metadata().is_err() {
                // A user who may not look into the directory has no use for it.
                return Ok(None);
            }
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).and_then(|()| open())
        }
        opened => opened,
    };
    match opened {
        Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {
            Ok(None)
        }
        opened => opened.map(Some).context(|| format!("cannot open {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_idmap;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_what_is_unknown_can_only_be_removed() {
        let name = |name| ContainerName::new(name).unwrap();
        let rename = Unfinished::Rename { from: name("a"), to: name("b") };
        let maps = vec![parse_idmap("u 0 100000 65536").unwrap()];
        let shifting = Shifting { from: maps.clone(), to: maps, ..Shifting::default() };
        let shift = Unfinished::Shift(Box::new(shifting));
        for unfinished in [Unfinished::Whole, Unfinished::Copy, Unfinished::Restore, rename, shift]
        {
            assert_eq!(Unfinished::parse(&unfinished.text()), unfinished);
        }
        for text in [
            "lxc.uts.name = a\n",
            "lxc-copy -R\na\n",
            "lxc-copy -R\na/b\nc\n",
            "lxc-rs shift\n",
            "lxc-rs shift\nfrom u 0 0 1\nto u 0 9 1\nnew x\n",
        ] {
            assert_eq!(Unfinished::parse(text), Unfinished::Whole);
        }
    }

    #[test]
    fn a_mark_is_held_until_its_maker_is_gone() {
        let lxcpath = std::env::temp_dir().join(format!("lxc-rs-mark-{}", std::process::id()));
        let identity = Identity::new(&lxcpath, ContainerName::new("c").unwrap());
        std::fs::create_dir_all(identity.dir()).unwrap();
        assert_eq!(read(&identity).unwrap(), None);
        let mark = Mark::make(&identity, &Unfinished::Copy).unwrap();
        assert!(is_held(&identity).unwrap() && exists(&identity));
        assert!(Mark::for_removal(&identity).is_err());
        drop(mark);
        assert!(!is_held(&identity).unwrap());
        assert_eq!(read(&identity).unwrap(), Some(Unfinished::Copy));
        let mark = Mark::for_removal(&identity).unwrap().unwrap();
        assert!(is_held(&identity).unwrap());
        mark.remove().unwrap();
        std::fs::remove_dir(identity.dir()).unwrap();
        assert!(Mark::for_removal(&identity).unwrap().is_none());
        std::fs::remove_dir(lxcpath).unwrap();
    }
}
