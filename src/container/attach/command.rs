//! Waiting for an attached command, and what the caller's signals mean to it.
//!
//! The command has a session of its own, so that it cannot type into the caller's terminal. What the keys
//! there signal (Ctrl-C, Ctrl-Z) reaches lxc-attach alone, which passes it on.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, raise};
use nix::unistd::Pid;

use super::target::Target;
use super::{Ended, FromInside};
use crate::channel::Channel;
use crate::config::Config;
use crate::error::{Context, Error, Result};
use crate::init::command;
use crate::security::attributes;
use crate::sys::deadline::poll_timeout;
use crate::sys::process;
use crate::terminal::Held;

/// The signals that are passed on to a command without a terminal.
pub(super) const PASSED_ON: [Signal; 6] = [
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGTSTP,
    Signal::SIGCONT,
];

/// How long the command may take to end after a signal that asks lxc-attach to end.
const ENDS_WITHIN: Duration = Duration::from_millis(800);

/// The process that executes the command.
#[derive(Debug)]
pub(super) struct Command {
    pub pid: Pid,
    pub pidfd: OwnedFd,
}

impl Command {
    /// Waits until the command is executed. If it could not be, returns how it ended.
    pub fn executed(
        &mut self,
        channel: &Channel,
        signals: &Held,
        target: &Target,
    ) -> Result<Option<Ended>> {
        loop {
            if Self::wait_for(channel, signals, None)? == Happened::Signal {
                while let Some(signal) = signals.next()? {
                    self.before_exec(signal)?;
                }
                continue;
            }
            let Some(message) = channel.receive()? else { return Ok(None) };
            if let Some(error) = self.on_message(message, channel, target)? {
                return Ok(Some(Ended::Failed(error, command::wait(self.pid)?)));
            }
        }
    }

    /// Does what the process asks for in a message; returns the reason if the message says that it
    /// failed.
    pub fn on_message(
        &mut self,
        (message, fds): (FromInside, Vec<OwnedFd>),
        channel: &Channel,
        target: &Target,
    ) -> Result<Option<Error>> {
        match message {
            FromInside::Failed(error, _) => return Ok(Some(error)),
            FromInside::SetLimits => self.set_limits(channel, &target.attributes)?,
            FromInside::Listener => target.client.add_seccomp_listeners(&fds)?,
            FromInside::GoesOnAs(other) => {
                command::wait(self.pid)?;
                self.become_sibling(other)?;
            }
        }
        Ok(None)
    }

    /// Sets the process's limits, and tells it whether that worked.
    pub fn set_limits(&self, channel: &Channel, attributes: &Config) -> Result<()> {
        channel.send(&attributes::set_limits(attributes, self.pid).err(), &[])
    }

    /// From now on the process is `other`, which took over from the first one.
    pub fn become_sibling(&mut self, other: i32) -> Result<()> {
        self.pid = Pid::from_raw(other);
        self.pidfd = process::pidfd_open(self.pid).context(|| "cannot hold the new process")?;
        Ok(())
    }

    /// Handles a signal that comes before the command is executed: until then the process belongs to this
    /// program and ends with it.
    fn before_exec(&self, signal: Signal) -> Result<()> {
        match signal {
            Signal::SIGWINCH | Signal::SIGCONT => Ok(()),
            Signal::SIGTSTP => self.stop(),
            _ => {
                // The process may have ended on its own; in a frozen cgroup it ends when the cgroup is
                // thawed.
                let _ = process::pidfd_send_signal(self.pidfd.as_fd(), libc::SIGKILL);
                process::die_of(signal as i32)
            }
        }
    }

    /// Waits for the command's end, and passes signals on to it. A signal that ends lxc-attach does so
    /// even if the command goes on.
    pub fn follow(&self, signals: &Held) -> Result<i32> {
        let mut told = None;
        loop {
            let deadline = told.map(|(_, deadline)| deadline);
            match (Self::wait_for(&self.pidfd, signals, deadline)?, told) {
                (Happened::Other, _) => return command::wait(self.pid),
                (Happened::Nothing, Some((signal, _))) => process::die_of(signal as i32),
                (Happened::Nothing, None) => {}
                (Happened::Signal, _) => {
                    while let Some(signal) = signals.next()? {
                        match signal {
                            Signal::SIGTSTP => self.stop()?,
                            _ => self.tell(signal),
                        }
                        if matches!(signal, Signal::SIGTERM | Signal::SIGHUP) {
                            told = told.or(Some((signal, Instant::now() + ENDS_WITHIN)));
                        }
                    }
                }
            }
        }
    }

    /// Sends `signal` to the command's process group.
    pub fn tell(&self, signal: Signal) {
        // The command may have ended, or left its group.
        let _ = nix::sys::signal::killpg(self.pid, signal);
    }

    /// Stops the command, and this process until it is continued; then continues the command. The command
    /// gets SIGSTOP: its session is its own, where nobody could continue it and the kernel ignores
    /// SIGTSTP.
    fn stop(&self) -> Result<()> {
        self.tell(Signal::SIGSTOP);
        let held = SigSet::from(Signal::SIGTSTP);
        let stopped = held
            .thread_unblock()
            .and_then(|()| raise(Signal::SIGTSTP))
            .and_then(|()| held.thread_block())
            .context(|| "cannot stop");
        self.tell(Signal::SIGCONT);
        stopped
    }

    /// Waits for `other` or a signal.
    fn wait_for(other: impl AsFd, signals: &Held, deadline: Option<Instant>) -> Result<Happened> {
        let input = PollFlags::POLLIN;
        let mut fds = [PollFd::new(other.as_fd(), input), PollFd::new(signals.as_fd(), input)];
        match poll(&mut fds, deadline.map_or(PollTimeout::NONE, poll_timeout)) {
            Ok(0) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                Ok(Happened::Nothing)
            }
            Ok(0) | Err(Errno::EINTR) => Self::wait_for(other, signals, deadline),
            Ok(_) if fds[0].any().unwrap_or(false) => Ok(Happened::Other),
            Ok(_) => Ok(Happened::Signal),
            Err(errno) => Err(Error::new("cannot wait for the command").errno(errno)),
        }
    }
}

#[derive(PartialEq, Eq)]
enum Happened {
    /// A signal arrived.
    Signal,
    /// The other thing that was waited for.
    Other,
    /// The time is up.
    Nothing,
}
