//! The container's init.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::unistd::Pid;

use super::connection::{Answer, Asked};
use super::{Client, Peer};
use crate::error::{Context, Error, Kind, Result};
use crate::monitor::protocol::Command;
use crate::namespace::set;
use crate::sys::process;

/// The container's init.
#[derive(Debug)]
pub struct Init {
    /// Its pid here.
    pub pid: Pid,
    /// A pidfd of it.
    pub pidfd: OwnedFd,
    /// Who said so. One that is no [equal](Peer::is_our_equal) named a process that it has all rights
    /// over.
    pub peer: Peer,
}

impl Client {
    /// The pid of init, to be shown. Fails with `ESRCH` while it is being started or stopped.
    pub fn init_pid(&self) -> Result<Pid> {
        self.take_init_pid(self.ask_init_pid()?.wait_in_receiving())
    }

    /// Asks for it, for [`take_init_pid`](Self::take_init_pid).
    pub fn ask_init_pid(&self) -> Result<Asked> {
        self.ask_number(Command::GetInitPid, 0)
    }

    /// The answer.
    pub fn take_init_pid(&self, asked: Asked) -> Result<Pid> {
        match self.take_number(asked)? {
            pid if pid > 0 => Ok(Pid::from_raw(pid)),
            _ => Err(self.no_init()),
        }
    }

    /// Init, to act on it.
    pub fn init(&self) -> Result<Init> {
        self.take_init(self.ask_init()?)
    }

    /// Asks for it, for [`take_init`](Self::take_init).
    pub fn ask_init(&self) -> Result<Asked> {
        self.ask_number(Command::GetInitPidfd, 0)
    }

    /// The answer.
    pub fn take_init(&self, asked: Asked) -> Result<Init> {
        let answer = self.receive(asked)?;
        if answer.response.ret == -(Errno::EBADF as i32) {
            return Err(self.no_init());
        }
        let Answer { fds, peer, .. } = self.accepted(answer)?;
        let pidfd = fds.into_iter().next().ok_or_else(|| self.no_answer())?;
        let pid = match process::pid_of(pidfd.as_fd()) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {
                let what = format!("the init of {} has ended", self.identity);
                return Err(Error::new(what).kind(Kind::NotRunning));
            }
            result => result.context(|| format!("{peer} sent no init of {}", self.identity))?,
        };
        if !peer.is_our_equal() && !set::belongs_to(pid, peer.uid)? {
            return Err(Error::new(format!(
                "{peer} says that process {pid} is the init of {}, which is not of its user",
                self.identity
            ))
            .kind(Kind::Impostor));
        }
        Ok(Init { pid, pidfd, peer })
    }

    /// As [`init`](Self::init); fails if who says so has fewer rights than this process.
    pub fn init_from_equal(&self) -> Result<Init> {
        self.require_equal(self.init()?)
    }

    /// `init`, unless who said so has fewer rights than this process.
    pub fn require_equal(&self, init: Init) -> Result<Init> {
        if init.peer.is_our_equal() {
            return Ok(init);
        }
        Err(Error::new(format!("{} is run by {}", self.identity, init.peer))
            .kind(Kind::Denied)
            .hint("that user may do this"))
    }
}
