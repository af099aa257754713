//! A copy of this process that does one thing and ends: what needs other ids, other namespaces or a
//! deadline, or memory that must not stay.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::channel::{Channel, wait_readable};
use crate::error::{Context, Error, Result};
use crate::sys::process::{self, CloneOptions, Cloned};

/// Says that the worker may begin.
#[derive(Debug, Serialize, Deserialize)]
struct Begin;

/// What the worker is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Worker {
    /// The namespaces it gets of its own (`CLONE_NEW*`).
    pub namespaces: u64,
    /// How long it may take; then it is killed, and the error is [`TimedOut`](crate::error::Kind::TimedOut).
    pub within: Option<Duration>,
}

impl Worker {
    /// Runs `act` in the worker, when `prepare` did its part here, with the worker's pid. Returns what that
    /// returned, when the worker is gone.
    pub fn run<T: Serialize + DeserializeOwned>(
        self,
        prepare: impl FnOnce(Pid) -> Result<()>,
        act: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let deadline = self.within.map(|within| Instant::now() + within);
        let (ours, theirs) = Channel::pair()?;
        let cloned = process::clone3(self.namespaces, CloneOptions::default());
        let Cloned::Parent(pid, pidfd) = cloned.context(|| "cannot make a process")? else {
            drop(ours);
            let Ok(Some((Begin, _))) = theirs.receive() else { process::exit_now(1) };
            let result = act();
            // A caller that is gone cannot be told.
            let _ = theirs.send(&result, &[]);
            process::exit_now(i32::from(result.is_err()))
        };
        drop(theirs);
        let answer = prepare(pid)
            .and_then(|()| ours.send(&Begin, &[]))
            .and_then(|()| wait_readable(&ours, deadline))
            .and_then(|()| ours.receive::<Result<T>>());
        if answer.is_err() {
            // It may have ended on its own.
            let _ = process::pidfd_send_signal(pidfd.as_fd(), libc::SIGKILL);
        }
        let status = waitpid(pid, None).context(|| "cannot wait for a process")?;
        match answer? {
            Some((result, _)) => result,
            None => Err(Error::new(format!("a process of ours died: {status:?}"))),
        }
    }
}
