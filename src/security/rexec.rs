//! This program's own file, out of the reach of containers.
//!
//! A process that enters a container can be made to execute its own file there (`#!/proc/self/exe`);
//! who holds that file open, and opens it for writing when nobody runs it any more, replaces a
//! program of the host (CVE-2019-5736). So whatever enters a container runs from a read-only mount
//! of the file that belongs to no mount namespace: nobody can make that writable again. Where that
//! cannot be made, by an ordinary user, a file that only root may write is out of reach as it is; else
//! the program runs from a sealed copy in memory.
//!
//! Tools that do so always are links to a launcher (`crates/sys/bare/launcher.rs`), which executes this program from
//! such a mount at once.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::statvfs::{FsFlags, statvfs};

use super::sealed;
use crate::error::{Context, Error, Result};
use crate::paths;
use crate::sys::exec;
use crate::sys::handed::{PATH_VARIABLE, ROOM_VARIABLE};
use crate::sys::mount::{self, MountAttr, attr};
use crate::sys::process;
use crate::sys::signals;

/// The running program's file.
const RUNNING: &str = "/proc/self/exe";

static ROOM: OnceLock<usize> = OnceLock::new();

/// How many bytes of room this process was given by [`ROOM_VARIABLE`].
pub fn room() -> usize {
    ROOM.get().copied().unwrap_or(0)
}

/// The file of the program `path` on a mount of its own. Fails where this process may not mount, and with an
/// older kernel.
pub fn mounted(path: &Path) -> io::Result<OwnedFd> {
    let read_only = MountAttr { set: attr::RDONLY, ..MountAttr::default() };
    let tree = mount::open_tree(mount::at_cwd(), path, mount::OPEN_TREE_CLONE)?;
    mount::mount_setattr(tree.as_fd(), false, &read_only)?;
    Ok(tree)
}

/// This program's file, such that who executes it cannot be used to write it.
pub fn open_program() -> Result<OwnedFd> {
    mounted(Path::new(RUNNING)).or_else(|_| {
        let file = File::open(RUNNING).context(|| "cannot read this program's own file")?;
        if is_roots(&file) {
            return Ok(file.into());
        }
        // As safe, and slower.
        sealed::program(c"lxc-rs", file)
    })
}

/// Executes this program again from such a file, with the same arguments, unless it runs from one.
///
/// For programs, at their very beginning: whatever the process holds is lost.
pub fn rexec() -> Result<()> {
    if is_protected() {
        return Ok(());
    }
    let path = paths::program()?;
    let image = open_program()?;
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let mut variables = exec::own_environment();
    variables.push(exec::variable(PATH_VARIABLE, path.as_os_str()));
    let failed = || "cannot execute this program from a protected file";
    let arguments = exec::c_strings(&arguments).context(failed)?;
    let variables = exec::c_strings(&variables).context(failed)?;
    // It is to see what this one found.
    signals::ignore_as_caller();
    let Err(errno) = nix::unistd::fexecve(&image, &arguments, &variables);
    process::ignore_signal(libc::SIGPIPE);
    Err(Error::new(failed()).errno(errno))
}

/// Whether the running file cannot be written by way of this process: it lies on a read-only mount,
/// or is sealed.
pub fn is_protected() -> bool {
    if statvfs(RUNNING).is_ok_and(|found| found.flags().contains(FsFlags::ST_RDONLY)) {
        return true;
    }
    let Ok(file) = File::open(RUNNING) else { return false };
    if is_roots(&file) {
        return true;
    }
    let seals = fcntl(&file, FcntlArg::F_GET_SEALS).ok();
    seals.is_some_and(|seals| SealFlag::from_bits_retain(seals).contains(SealFlag::F_SEAL_WRITE))
}

/// Whether only root may write `file`, and the caller is not root: then no container of theirs has a
/// user who may.
fn is_roots(file: &File) -> bool {
    let others_write = 0o022;
    !nix::unistd::geteuid().is_root()
        && file.metadata().is_ok_and(|found| found.uid() == 0 && found.mode() & others_write == 0)
}

/// Takes note of where this program lies, and gives a process that was executed from a protected file
/// `name` instead of the descriptor's number. To be called first, with one thread.
pub fn recall(name: &std::ffi::OsStr) {
    if let Some(room) = process::take_variable(ROOM_VARIABLE) {
        // Said once.
        let _ = ROOM.set(room.len());
    }
    let said = process::take_variable(PATH_VARIABLE).filter(|_| is_protected());
    let Some(path) = said else {
        if let Ok(path) = std::env::current_exe() {
            paths::set_program(path);
        }
        return;
    };
    paths::set_program(PathBuf::from(path));
    if let Ok(name) = CString::new(name.as_bytes()) {
        // Only for lists of processes.
        let _ = nix::sys::prctl::set_name(&name);
    }
}
