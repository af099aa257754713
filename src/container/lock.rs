//! Locks on a container's definition, shared with C LXC.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::paths;
use crate::sys::lock;

/// The lock of a container's definition, held until this is dropped.
#[derive(Debug)]
pub struct DefinitionLock {
    _file: File,
}

/// Takes the lock of `identity`, waiting for whoever has it.
pub fn definition(identity: &Identity) -> Result<DefinitionLock> {
    let path = paths::lock_file(identity);
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).what(|| format!("cannot create {}", dir.display()))?;
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(&path)
        .what(|| format!("cannot open the lock {}", path.display()))?;
    loop {
        match fcntl(&file, FcntlArg::F_OFD_SETLKW(&lock::whole_file())) {
            Err(Errno::EINTR) => {}
            result => {
                result.what(|| format!("cannot lock {}", path.display()))?;
                return Ok(DefinitionLock { _file: file });
            }
        }
    }
}

/// The mark of a container that is being created: a file that is locked as long as its creator
/// lives.
#[derive(Debug)]
pub struct Partial {
    file: File,
    path: PathBuf,
}

impl Partial {
    /// Marks the container.
    pub fn mark(identity: &Identity) -> Result<Self> {
        let path = path_of(identity);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o000)
            .custom_flags(libc::O_CLOEXEC)
            .open(&path)
            .what(|| format!("cannot create {}", path.display()))?;
        fcntl(&file, FcntlArg::F_OFD_SETLK(&lock::whole_file()))
            .what(|| format!("cannot lock {}", path.display()))?;
        Ok(Self { file, path })
    }

    /// Writes into the mark who made it.
    pub fn sign(&self, maker: &str) -> Result<()> {
        (&self.file)
            .write_all(maker.as_bytes())
            .what(|| format!("cannot write {}", self.path.display()))
    }

    /// Takes the mark away: the container is complete.
    pub fn remove(self) -> Result<()> {
        std::fs::remove_file(&self.path).what(|| format!("cannot remove {}", self.path.display()))
    }
}

/// Whether the container is being created right now; with a mark nobody holds, its creator died.
pub fn is_being_created(identity: &Identity) -> Result<bool> {
    let path = path_of(identity);
    let file = match OpenOptions::new().write(true).custom_flags(libc::O_CLOEXEC).open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        result => result.what(|| format!("cannot open {}", path.display()))?,
    };
    match fcntl(&file, FcntlArg::F_OFD_SETLK(&lock::whole_file())) {
        Ok(_) => Ok(false),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(true),
        Err(errno) => Err(Error::new(format!("cannot lock {}", path.display())).errno(errno)),
    }
}

fn path_of(identity: &Identity) -> PathBuf {
    identity.dir().join("partial")
}
