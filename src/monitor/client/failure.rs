//! What went wrong, in words.

use nix::errno::Errno;

use super::Client;
use super::connection::Answer;
use crate::error::{Error, Kind, Result};

impl Client {
    /// What a failed call means; usually that there is no monitor.
    pub(super) fn failed(&self, errno: Option<i32>) -> Error {
        match errno.map(Errno::from_raw) {
            Some(Errno::ECONNREFUSED) => {
                Error::new(format!("{} is not running", self.identity)).kind(Kind::NotRunning)
            }
            // It may have ended meanwhile, or only not have had the means to answer.
            Some(Errno::EPIPE | Errno::ECONNRESET) => match self.connect() {
                Err(Errno::ECONNREFUSED) => self.failed(Some(Errno::ECONNREFUSED as i32)),
                _ => self.no_answer(),
            },
            Some(Errno::EAGAIN) => self.too_late(),
            Some(errno) => {
                Error::new(format!("cannot ask the monitor of {}", self.identity)).errno(errno)
            }
            None => self.no_answer(),
        }
    }

    pub(super) fn no_answer(&self) -> Error {
        Error::new(format!("the monitor of {} gave no answer", self.identity))
    }

    /// Fails with `ESRCH`.
    pub(super) fn no_init(&self) -> Error {
        Error::new(format!("{} has no init now: it is being started or stopped", self.identity))
            .errno(Errno::ESRCH)
            .hint(format!("wait for it with: lxc-wait -n {} -s RUNNING", self.identity.name))
    }

    pub(super) fn no_room(&self) -> Error {
        Error::new(format!("the command socket of {} has no room", self.identity))
            .errno(Errno::EAGAIN)
            .hint("its holder is in /proc/net/unix, and takes no connection")
    }

    pub(super) fn too_late(&self) -> Error {
        let seconds = self.within.as_secs();
        Error::new(format!("the monitor of {} does not answer in {seconds} s", self.identity))
            .kind(Kind::TimedOut)
    }

    /// An answer that is not a refusal.
    pub(super) fn accepted(&self, answer: Answer) -> Result<Answer> {
        let ret = answer.response.ret;
        if ret >= 0 {
            return Ok(answer);
        }
        let errno = Errno::from_raw(-ret);
        Err(if errno == Errno::ESRCH {
            self.no_init()
        } else if errno == Errno::EPERM {
            // LXC's spelling, which scripts look for.
            Error::new(format!("Insufficent privileges to control {}", self.identity))
                .errno(errno)
                .kind(Kind::Denied)
                .hint("only root and the user who started the container may control it")
        } else {
            Error::new(format!("the monitor of {} refused", self.identity)).errno(errno)
        })
    }
}
