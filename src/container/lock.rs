//! Locks on a container's definition, shared with C LXC, and on the choice of ids.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use crate::error::{Context, Result};
use crate::identity::Identity;
use crate::paths;
use crate::sys::lock;

/// The lock of a container's definition, or of the choice of ids, held until this is dropped.
#[derive(Debug)]
pub struct DefinitionLock {
    file: File,
}

impl DefinitionLock {
    /// Says in the lock's file who has it, for those who are refused meanwhile.
    pub fn sign(&self, tool: &str) -> Result<()> {
        let text = format!("{} {tool}\n", std::process::id());
        self.file
            .set_len(0)
            .and_then(|()| self.file.write_all_at(text.as_bytes(), 0))
            .context(|| "cannot write the lock's file")
    }
}

/// The holder of a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pid: u32,
    tool: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.tool, self.pid)
    }
}

/// The process that signed the lock of `identity` and still holds it.
pub fn holder(identity: &Identity) -> Option<Holder> {
    let path = paths::lock_file(identity);
    let file = File::open(&path).ok()?;
    let mut held = lock::whole_file();
    fcntl(&file, FcntlArg::F_OFD_GETLK(&mut held)).ok()?;
    let text = std::fs::read_to_string(&path).ok().filter(|_| !lock::is_free(&held))?;
    let (pid, tool) = text.trim_end().split_once(' ')?;
    let holder = Holder { pid: pid.parse().ok()?, tool: tool.to_owned() };
    // Else the signature is an old one and the lock's present holder did not sign, or it is this
    // process's own.
    let is_another = holder.pid != std::process::id();
    let lives = PathBuf::from(format!("/proc/{}", holder.pid)).exists();
    (is_another && lives).then_some(holder)
}

/// Takes the lock of `identity`, waiting for whoever has it.
pub fn definition(identity: &Identity) -> Result<DefinitionLock> {
    take(&paths::lock_file(identity))
}

/// Takes the lock under which ids are given to containers, waiting for whoever has it.
pub fn ids() -> Result<DefinitionLock> {
    take(&paths::ids_lock())
}

fn take(path: &Path) -> Result<DefinitionLock> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).context(|| format!("cannot create {}", dir.display()))?;
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)
        .context(|| format!("cannot open the lock {}", path.display()))?;
    loop {
        match fcntl(&file, FcntlArg::F_OFD_SETLKW(&lock::whole_file())) {
            Err(Errno::EINTR) => {}
            result => {
                result.context(|| format!("cannot lock {}", path.display()))?;
                return Ok(DefinitionLock { file });
            }
        }
    }
}
