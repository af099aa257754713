//! The small init of lxc-execute: a program of its own (`crates/sys/bare/pid1.rs`), which reaps every orphan, passes
//! signals on to the command, and ends with its status when nothing is left.
//!
//! The command blocks what the caller of this program blocked; it ignores nothing, as under LXC.
//!
//! The process that set the container up is a copy of the monitor, with its memory and environment and
//! more capabilities than the container has. So it executes that program, and the command, its child,
//! runs when that is done.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::wait::waitpid;
use nix::unistd::{fexecve, pipe2};

use crate::error::{Context, Error, Result};
use crate::security::sealed;
use crate::sys::{self, exec::c_strings, process, signals};

/// The exit code of a command that cannot be executed.
pub const CANNOT_EXECUTE: i32 = 255;

/// The program as a file that can be executed wherever there is no other.
pub fn image() -> Result<OwnedFd> {
    sealed::program(c"init", sys::PID1)
}

/// Becomes the program in `image`, called `name`, with `command` (which executes and does not return) as
/// its child. Returns only if that fails, and the command did not run.
pub fn run(image: &OwnedFd, name: &str, command: impl FnOnce() -> i32) -> Result<Infallible> {
    let failed = || "cannot execute the small init";
    process::reset_signal_handlers();
    process::block_signals();
    // Its writing end is closed by the exec.
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).context(failed)?;
    let Some(child) = process::fork().context(failed)? else {
        drop(writer);
        // With nobody left to write, it ends in any case.
        let _ = File::from(reader).read(&mut [0]);
        signals::block_as_caller();
        process::exit_now(command());
    };
    let become_init = || -> Result<Infallible> {
        process::close_on_exec_from(3).context(failed)?;
        let words = c_strings(&[name.into(), child.to_string().into()]).context(failed)?;
        let Err(errno) = fexecve(image, &words, &[] as &[CString]);
        Err(refused(errno))
    };
    let executed = become_init();
    // Before it sees the end of the pipe. It may not have a parent that waits.
    let _ = process::kill(child, libc::SIGKILL);
    let _ = waitpid(child, None);
    executed
}

fn refused(errno: Errno) -> Error {
    let error = Error::new("cannot execute the small init from memory").errno(errno);
    match errno {
        Errno::EACCES => error.hint(
            "see the sysctl vm.memfd_noexec, and the security module: to SELinux this is the \
                 file of a nosuid mount, so the policy must allow process2 nosuid_transition",
        ),
        Errno::ENOSYS | Errno::EPERM => error.hint("the seccomp profile must allow execveat"),
        _ => error,
    }
}
