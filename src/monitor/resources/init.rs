//! The container's init, as its parent sees it.

use std::cell::Cell;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::{Ending, Kind, Resource};
use crate::config::Namespace;
use crate::error::{Context, Error, Result};
use crate::init::Plan;
use crate::sys::process;

/// How init ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    fn of(status: WaitStatus) -> Option<Self> {
        match status {
            WaitStatus::Exited(_, code) => Some(Self::Code(code)),
            WaitStatus::Signaled(_, signal, _) => Some(Self::Signal(signal as i32)),
            _ => None,
        }
    }

    /// The status as wait(2) gives it.
    pub(in crate::monitor) fn raw(self) -> i32 {
        match self {
            Self::Code(code) => code << 8,
            Self::Signal(signal) => signal,
        }
    }

    /// Whether the container called reboot(2) to restart: its init then dies by SIGHUP
    /// (pid_namespaces(7)).
    pub(in crate::monitor) fn is_reboot(self) -> bool {
        self == Self::Signal(Signal::SIGHUP as i32)
    }

    /// Whether the container called reboot(2), to restart or to end: its init then dies by SIGHUP or SIGINT.
    pub(in crate::monitor) fn is_shutdown(self) -> bool {
        self.is_reboot() || self == Self::Signal(Signal::SIGINT as i32)
    }

    /// The exit code of a shell for it.
    pub fn shell_code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

/// The container's init, a child of this process.
#[derive(Debug)]
pub struct Init {
    /// Its pid here.
    pub pid: Pid,
    /// A pidfd of it.
    pub pidfd: OwnedFd,
    /// Whether the container's other processes end with it (pid_namespaces(7)).
    ends_all: bool,
    reaped: Cell<bool>,
}

pub(super) static INIT: Kind = Kind {
    name: "init",
    reclaim: |orphan| match orphan.config.monitor_pdeath {
        // It was to be killed with its monitor.
        None | Some(libc::SIGKILL) => orphan.cgroups.kill(),
        Some(_) => Ok(()),
    },
};

impl Init {
    /// The init `pid` of the container of `plan`.
    pub fn new(plan: &Plan, pid: Pid, pidfd: OwnedFd) -> Self {
        let ends_all = plan.namespaces.has(Namespace::Pid);
        Self { pid, pidfd, ends_all, reaped: Cell::new(false) }
    }

    /// How it ended, if it has.
    pub fn reap(&self) -> Result<Option<Exit>> {
        self.wait(Some(WaitPidFlag::WNOHANG))
    }

    /// Kills it; says how it ended.
    pub fn kill(&self) -> Result<Exit> {
        match process::pidfd_send_signal(self.pidfd.as_fd(), libc::SIGKILL) {
            // It has ended already.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
            result => result.context(|| "cannot kill the container's init")?,
        }
        loop {
            if let Some(exit) = self.wait(None)? {
                return Ok(exit);
            }
        }
    }

    fn wait(&self, flags: Option<WaitPidFlag>) -> Result<Option<Exit>> {
        match waitpid(self.pid, flags) {
            Ok(status) => {
                let exit = Exit::of(status);
                self.reaped.set(exit.is_some());
                Ok(exit)
            }
            Err(Errno::EINTR) => Ok(None),
            Err(errno) => Err(Error::new("cannot wait for the container's init").errno(errno)),
        }
    }
}

impl Resource for Init {
    fn kind(&self) -> &'static Kind {
        &INIT
    }

    fn release(&self, ending: &mut Ending<'_>) -> Result<()> {
        if !self.reaped.get() {
            self.kill()?;
        }
        ending.emptied = self.ends_all;
        Ok(())
    }
}
