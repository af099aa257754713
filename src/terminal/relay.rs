//! Passing bytes between the user's terminal and a container's.
//!
//! Neither side is ever waited for alone: what one of them does not take is kept, up to a bound, and
//! signals are noticed all the time.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::nonblocking::Nonblocking;
use super::{Escape, Held};
use crate::error::{Context, Error, Result};
use crate::sys::pty;

/// How much is read at once, bytes.
const CHUNK: usize = 16 * 1024;
/// How much is kept that a side does not take, bytes.
const KEPT: usize = 4 * CHUNK;

/// Both ends of a relay, and what ends it.
#[derive(Clone, Copy)]
pub struct Relay<'fd> {
    /// Where the user types.
    pub input: BorrowedFd<'fd>,
    /// Where the user reads.
    pub output: BorrowedFd<'fd>,
    /// The container's terminal.
    pub ptx: BorrowedFd<'fd>,
    /// A process whose end is the end of the relay.
    pub until: Option<BorrowedFd<'fd>>,
    /// The key that leaves; the end of the input leaves then as well.
    pub escape: Option<Escape>,
    /// A file that gets all output.
    pub log: Option<&'fd std::fs::File>,
    /// [`SIGNALS`]. Held by the caller, who has a terminal to restore before they take effect.
    pub signals: &'fd Held,
    /// Gets SIGINT and SIGQUIT, which end the relay otherwise.
    pub interrupt: Option<&'fd dyn Fn(Signal)>,
}

/// The signals that a relay takes note of.
pub const SIGNALS: [Signal; 5] =
    [Signal::SIGWINCH, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT];

impl Relay<'_> {
    /// Passes bytes on until the user leaves, the terminal hangs up, the process ends or a signal
    /// arrives, which is returned; the size of the user's window follows.
    pub fn run(self) -> Result<Option<Signal>> {
        // A terminal without a size has none to pass on.
        let _ = pty::copy_window_size(self.input, self.ptx);
        Passing {
            relay: self,
            input: Nonblocking::own(self.input)?,
            output: Nonblocking::own(self.output)?,
            ptx: Nonblocking::shared(self.ptx)?,
            to_user: Vec::new(),
            to_container: Vec::new(),
            is_typing: true,
            has_ended: false,
            is_silent: false,
        }
        .run()
    }
}

/// A relay at work.
struct Passing<'fd> {
    relay: Relay<'fd>,
    input: Nonblocking,
    output: Nonblocking,
    ptx: Nonblocking,
    /// What was printed and is not shown yet.
    to_user: Vec<u8>,
    /// What was typed and is not passed on yet.
    to_container: Vec<u8>,
    /// Whether the user may type more.
    is_typing: bool,
    /// Whether the process has ended.
    has_ended: bool,
    /// Whether the container's terminal prints nothing any more.
    is_silent: bool,
}

/// What can happen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Signals,
    Ptx,
    Input,
    Output,
    Until,
}

impl Passing<'_> {
    fn run(mut self) -> Result<Option<Signal>> {
        loop {
            let happened = self.wait()?;
            if happened.contains(&Source::Signals)
                && let Some(signal) = self.on_signals()?
            {
                return Ok(Some(signal));
            }
            self.has_ended |= happened.contains(&Source::Until);
            if happened.contains(&Source::Ptx) {
                self.on_ptx()?;
            }
            if happened.contains(&Source::Output) {
                let failed = || "cannot write to the terminal";
                write_some(self.output.as_fd(), &mut self.to_user).context(failed)?;
            }
            if happened.contains(&Source::Input) && self.on_typed()? {
                return Ok(None);
            }
            let printed = happened.contains(&Source::Ptx);
            if self.to_user.is_empty() && (self.is_silent || self.has_ended && !printed) {
                return Ok(None);
            }
        }
    }

    /// Waits for the next thing to do; does not wait for output that may follow the end of the process.
    fn wait(&self) -> Result<Vec<Source>> {
        let mut ptx = PollFlags::empty();
        ptx.set(PollFlags::POLLIN, !self.is_silent && self.to_user.len() < KEPT);
        ptx.set(PollFlags::POLLOUT, !self.is_silent && !self.to_container.is_empty());
        let mut input = PollFlags::empty();
        input.set(PollFlags::POLLIN, self.is_typing && self.to_container.len() < KEPT);
        let mut output = PollFlags::empty();
        output.set(PollFlags::POLLOUT, !self.to_user.is_empty());
        let mut sources = vec![
            (Source::Signals, self.relay.signals.as_fd(), PollFlags::POLLIN),
            (Source::Ptx, self.ptx.as_fd(), ptx),
            (Source::Input, self.input.as_fd(), input),
            (Source::Output, self.output.as_fd(), output),
        ];
        let until = self.relay.until.filter(|_| !self.has_ended);
        sources.extend(until.map(|fd| (Source::Until, fd, PollFlags::POLLIN)));
        // A hang-up is told also where nothing is asked, again and again.
        sources.retain(|(_, _, events)| !events.is_empty());
        let mut fds: Vec<PollFd<'_>> =
            sources.iter().map(|(_, fd, events)| PollFd::new(*fd, *events)).collect();
        let is_last_look = self.has_ended && self.to_user.is_empty();
        let timeout = if is_last_look { PollTimeout::ZERO } else { PollTimeout::NONE };
        match poll(&mut fds, timeout) {
            Err(Errno::EINTR) => return Ok(Vec::new()),
            result => drop(result.context(|| "cannot wait for the terminal")?),
        }
        let ready = |fd: &PollFd<'_>| fd.revents().is_none_or(|events| !events.is_empty());
        Ok(sources.iter().zip(&fds).filter(|(_, fd)| ready(fd)).map(|((it, ..), _)| *it).collect())
    }

    /// The signal that ends the relay, if it is one.
    fn on_signals(&mut self) -> Result<Option<Signal>> {
        while let Some(signal) = self.relay.signals.next()? {
            match (signal, self.relay.interrupt) {
                (Signal::SIGWINCH, _) => {
                    let _ = pty::copy_window_size(self.input.as_fd(), self.ptx.as_fd());
                }
                (Signal::SIGINT | Signal::SIGQUIT, Some(interrupt)) => interrupt(signal),
                _ => return Ok(Some(signal)),
            }
        }
        Ok(None)
    }

    /// Passes on what was typed, and takes what was printed.
    fn on_ptx(&mut self) -> Result<()> {
        match write_some(self.ptx.as_fd(), &mut self.to_container) {
            Ok(()) => {}
            Err(Errno::EIO) => self.to_container.clear(),
            Err(errno) => {
                return Err(Error::new("cannot write to the container's terminal").errno(errno));
            }
        }
        if self.to_user.len() >= KEPT {
            return Ok(());
        }
        let mut buffer = [0; CHUNK];
        match nix::unistd::read(&self.ptx, &mut buffer) {
            // EIO: the last process that had the terminal open is gone.
            Ok(0) | Err(Errno::EIO) => self.is_silent = true,
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(errno) => {
                return Err(Error::new("cannot read the container's terminal").errno(errno));
            }
            Ok(len) => {
                if let Some(mut log) = self.relay.log {
                    std::io::Write::write_all(&mut log, &buffer[..len])
                        .context(|| "cannot write the terminal's log")?;
                }
                self.to_user.extend(&buffer[..len]);
                // Most terminals take it at once.
                write_some(self.output.as_fd(), &mut self.to_user)
                    .context(|| "cannot write to the terminal")?;
            }
        }
        Ok(())
    }

    /// Takes what was typed; says whether the user leaves.
    fn on_typed(&mut self) -> Result<bool> {
        let mut buffer = [0; CHUNK];
        let len = match nix::unistd::read(&self.input, &mut buffer) {
            Ok(0) | Err(Errno::EIO) => {
                self.is_typing = false;
                return Ok(self.relay.escape.is_some());
            }
            Err(Errno::EINTR | Errno::EAGAIN) => return Ok(false),
            result => result.context(|| "cannot read the terminal")?,
        };
        let leaves = if let Some(escape) = &mut self.relay.escape {
            let typed = escape.filter(&buffer[..len]);
            self.to_container.extend(typed.passed);
            typed.leave
        } else {
            self.to_container.extend(&buffer[..len]);
            false
        };
        match write_some(self.ptx.as_fd(), &mut self.to_container) {
            Ok(()) | Err(Errno::EIO) => Ok(leaves),
            Err(errno) => Err(Error::new("cannot write to the container's terminal").errno(errno)),
        }
    }
}

/// Writes as many of `bytes` as are taken now, and removes them.
fn write_some(fd: BorrowedFd<'_>, bytes: &mut Vec<u8>) -> nix::Result<()> {
    while !bytes.is_empty() {
        match nix::unistd::write(fd, bytes) {
            Ok(len) => drop(bytes.drain(..len)),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
