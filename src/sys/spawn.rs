//! Commands that need something done between fork and exec.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What the new process does before exec.
#[derive(Debug, Default)]
pub struct BeforeExec<'fd> {
    /// It leads a new session.
    pub setsid: bool,
    /// It joins the namespace of this descriptor.
    pub join: Option<BorrowedFd<'fd>>,
    /// Descriptors it keeps open, under these numbers (each at least 3).
    pub keep: Vec<(OwnedFd, i32)>,
}

/// Lets `command` do what `before` says between fork and exec.
pub fn before_exec(command: &mut Command, before: BeforeExec<'_>) -> io::Result<()> {
    let join = before.join.map(|fd| fd.as_raw_fd());
    let BeforeExec { setsid, keep, .. } = before;
    // Out of the way of the numbers they are to get, so that none overwrites another.
    let above = keep.iter().map(|(_, number)| number + 1).max().unwrap_or(3);
    let keep = keep
        .into_iter()
        .map(|(fd, number)| {
            let raw = nix::fcntl::fcntl(&fd, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(above))?;
            // SAFETY: fcntl just returned this new descriptor.
            Ok((unsafe { OwnedFd::from_raw_fd(raw) }, number))
        })
        .collect::<io::Result<Vec<_>>>()?;
    // SAFETY: the closure only makes system calls that are safe between fork and exec
    // (signal-safety(7)) and allocates nothing; the descriptors in `keep` are moved into it and so
    // stay open, and the caller keeps `join` open until it has spawned.
    unsafe {
        command.pre_exec(move || {
            if setsid && libc::setsid() < 0 {
                return Err(io::Error::last_os_error());
            }
            if let Some(fd) = join
                && libc::setns(fd, 0) < 0
            {
                return Err(io::Error::last_os_error());
            }
            for (fd, number) in &keep {
                if libc::dup2(fd.as_raw_fd(), *number) < 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
    Ok(())
}

/// Takes over the descriptors that this program was executed with under `numbers`, close-on-exec
/// from now on. May be called once, before anything else opened a descriptor.
pub fn take_inherited<const N: usize>(numbers: [i32; N]) -> io::Result<[OwnedFd; N]> {
    for number in numbers {
        // SAFETY: F_SETFD only changes a flag, and fails on a number that is not open.
        if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    // SAFETY: they are open, as just seen, and the program's convention makes them ours.
    Ok(numbers.map(|number| unsafe { OwnedFd::from_raw_fd(number) }))
}
