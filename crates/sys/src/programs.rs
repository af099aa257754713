//! Programs of other packages: where they are looked up, and what they print.
//!
//! Root's are looked up in the system's directories only: the caller's `PATH` comes from a user's
//! session (sudo, su) or from a cron job, and may name a directory that others write. An ordinary user's are
//! looked up there as well: Debian's `PATH` for them has no directory called sbin.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{AccessFlags, access, geteuid};

use crate::error::{Error, Result};

/// The system's directories.
const SYSTEM_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin";

/// Where programs are looked up, as `PATH` has it: in the system's directories, for an ordinary user first in
/// those of their own `PATH`.
pub fn search_path() -> OsString {
    match std::env::var_os("PATH") {
        Some(own) if !geteuid().is_root() => before_the_system(&own),
        _ => SYSTEM_PATH.into(),
    }
}

/// The directories of `own`, and those of the system that it does not have.
fn before_the_system(own: &OsStr) -> OsString {
    let mut path = own.to_owned();
    for dir in SYSTEM_PATH.split(':') {
        if !std::env::split_paths(own).any(|its| its == Path::new(dir)) {
            path.push(if path.is_empty() { "" } else { ":" });
            path.push(dir);
        }
    }
    path
}

/// Finds the program `name`. Fails if no directory has a file of that name that may be executed.
pub fn find(name: &str) -> Result<PathBuf> {
    let path = search_path();
    let is_program = |path: &PathBuf| path.is_file() && access(path, AccessFlags::X_OK).is_ok();
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(is_program)
        .ok_or_else(|| Error::new(format!("cannot find {name} in {}", path.display())))
}

/// Whether the program `path` runs as root whoever calls it.
pub fn is_set_user_id(path: &Path) -> bool {
    const SET_USER_ID: u32 = 0o4000;
    path.metadata()
        .is_ok_and(|file| file.uid() == 0 && file.permissions().mode() & SET_USER_ID != 0)
}

/// Runs `command` to its end, as [`Command::output`] does; that ends this program where it cannot read what the other one
/// prints.
pub fn output(command: &mut Command) -> io::Result<Output> {
    output_of(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
}

/// What `child` prints on the standard descriptors that are pipes to this process, until they are closed, and how it ends.
/// If that cannot be read the child is killed.
pub fn output_of(mut child: Child) -> io::Result<Output> {
    // Closed, so that it has an end.
    drop(child.stdin.take());
    let mut pipes = [
        (child.stdout.take().map(OwnedFd::from), Vec::new()),
        (child.stderr.take().map(OwnedFd::from), Vec::new()),
    ];
    if let Err(error) = read_all(&mut pipes) {
        let _ = child.kill();
        let _ = child.wait();
        return Err(error);
    }
    let [(_, stdout), (_, stderr)] = pipes;
    Ok(Output { status: child.wait()?, stdout, stderr })
}

/// Reads from each pipe what comes, until none is open any more.
fn read_all(pipes: &mut [(Option<OwnedFd>, Vec<u8>)]) -> io::Result<()> {
    let mut buffer = [0; 8192];
    loop {
        let open = pipes.iter().filter_map(|(pipe, _)| pipe.as_ref());
        let mut wanted: Vec<_> =
            open.map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        match poll(&mut wanted, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            result => result?,
        };
        let ready: Vec<bool> = wanted.iter().map(|one| one.any().unwrap_or(false)).collect();
        let open = pipes.iter_mut().filter(|(pipe, _)| pipe.is_some());
        for ((pipe, text), _) in open.zip(ready).filter(|(_, is_ready)| *is_ready) {
            let Some(fd) = pipe else { continue };
            match nix::unistd::read(fd, &mut buffer) {
                Ok(0) => *pipe = None,
                Ok(length) => text.extend_from_slice(&buffer[..length]),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn output_is_read_from_both_pipes() {
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        // More than a pipe takes, of each by turns.
        let script = "for i in 1 2 3; do head -c 100000 /dev/zero; head -c 100000 /dev/zero >&2; done; exit 3";
        let found = output(&mut shell(script)).unwrap();
        assert_eq!((found.stdout.len(), found.stderr.len()), (300_000, 300_000));
        assert_eq!(found.status.code(), Some(3));
        // One pipe only, and what it reads.
        let mut child = shell("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(b"text").unwrap();
        let found = output_of(child).unwrap();
        assert_eq!((&*found.stdout, found.status.success()), (&b"text"[..], true));
    }

    #[test]
    fn an_ordinary_users_directories_come_first() {
        let path = before_the_system("/home/me/bin:/bin:/usr/bin".as_ref());
        let rest = "/usr/sbin:/sbin:/usr/local/sbin:/usr/local/bin";
        assert_eq!(path, OsString::from(format!("/home/me/bin:/bin:/usr/bin:{rest}")));
        assert_eq!(before_the_system("".as_ref()), SYSTEM_PATH);
    }
}
