//! The small init of lxc-execute: starts the command, reaps every orphan, passes signals on, and ends
//! with the command's status when nothing is left.

use std::time::Duration;

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::sys::process;

/// How long processes may take to end after SIGTERM before they are killed.
const GRACE: Duration = Duration::from_secs(1);

/// The exit code of a command that cannot be executed.
pub const CANNOT_EXECUTE: i32 = 255;

/// Runs `command` (which executes and does not return) as a child of this process, pid 1 of the
/// container, until no process is left. Ends this process with the command's exit code, or 128 and
/// its signal.
pub fn run(command: impl FnOnce() -> i32) -> ! {
    process::exit_now(supervise(command))
}

fn supervise(command: impl FnOnce() -> i32) -> i32 {
    process::reset_signal_handlers();
    process::block_signals();
    let child = match process::fork_in_own_proc() {
        Ok(Some(child)) => child,
        Ok(None) => {
            process::unblock_signals();
            process::exit_now(command());
        }
        Err(_) => return CANNOT_EXECUTE,
    };
    // Nothing of the monitor's stays open here; this also ends the channel, so the start counts.
    let _ = process::close_from(3);
    let mut code = 1;
    let mut shutting_down = false;
    loop {
        match process::wait_signal(shutting_down.then_some(GRACE)) {
            None => signal_all(libc::SIGKILL),
            Some(libc::SIGCHLD) => match reap(child) {
                Reaped::NoneLeft(status) => return status.unwrap_or(code),
                Reaped::SomeLeft(status) => code = status.unwrap_or(code),
            },
            Some(libc::SIGTERM | libc::SIGPWR) => {
                if !shutting_down {
                    shutting_down = true;
                    signal_all(libc::SIGTERM);
                }
            }
            // The command may be gone already while its children still run.
            Some(signal) => drop(process::kill(child, signal)),
        }
    }
}

fn signal_all(signal: i32) {
    // ESRCH: there is nobody, and the next wait says so.
    let _ = process::kill(Pid::from_raw(-1), signal);
}

/// What [`reap`] found; the code is the command's, if it ended.
enum Reaped {
    SomeLeft(Option<i32>),
    NoneLeft(Option<i32>),
}

fn reap(child: Pid) -> Reaped {
    let mut code = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) if pid == child => code = Some(status),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                code = Some(128 + signal as i32);
            }
            Ok(WaitStatus::StillAlive) => return Reaped::SomeLeft(code),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return Reaped::NoneLeft(code),
        }
    }
}
