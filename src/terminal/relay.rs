//! Passing bytes between the user's terminal and a container's.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Escape;
use crate::error::{Context, Error, Result};
use crate::sys::pty;

/// How much is passed on at once, bytes.
const CHUNK: usize = 16 * 1024;

/// Both ends of a relay, and what ends it.
#[derive(Debug)]
pub struct Relay<'fd> {
    /// Where the user types; `None` when that is not a terminal.
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
}

impl Relay<'_> {
    /// Passes bytes on until the user leaves, the terminal hangs up or the process ends; the size of
    /// the user's window follows.
    pub fn run(mut self) -> Result<()> {
        let resized = Caught::new(&[libc::SIGWINCH])?;
        let ended = Caught::new(&[libc::SIGTERM, libc::SIGHUP, libc::SIGINT, libc::SIGQUIT])?;
        // A terminal without a size has none to pass on.
        let _ = pty::copy_window_size(self.input, self.ptx);
        self.pass(&resized, &ended)
    }

    fn pass(&mut self, resized: &Caught, ended: &Caught) -> Result<()> {
        let mut typing = true;
        loop {
            let input = PollFlags::POLLIN;
            let mut fds = vec![
                PollFd::new(self.ptx, input),
                PollFd::new(resized.as_fd(), input),
                PollFd::new(ended.as_fd(), input),
                PollFd::new(self.input, if typing { input } else { PollFlags::empty() }),
            ];
            fds.extend(self.until.map(|fd| PollFd::new(fd, input)));
            match poll(&mut fds, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                result => drop(result.what(|| "cannot wait for the terminal")?),
            }
            let happened = |index: usize| {
                fds.get(index).and_then(PollFd::revents).is_some_and(|events| !events.is_empty())
            };
            let (printed, resize, stopped, typed, ended) =
                (happened(0), happened(1), happened(2), happened(3), happened(4));
            if stopped {
                return Err(Error::new("ended by a signal"));
            }
            if printed && !self.on_printed()? {
                return Ok(());
            }
            if resize {
                resized.empty();
                let _ = pty::copy_window_size(self.input, self.ptx);
            }
            if typed && typing {
                match self.on_typed()? {
                    Input::More => {}
                    Input::End if self.escape.is_some() => return Ok(()),
                    Input::End => typing = false,
                    Input::Leave => return Ok(()),
                }
            }
            if ended && !printed {
                return Ok(());
            }
        }
    }

    /// Says whether there may be more.
    fn on_printed(&self) -> Result<bool> {
        let mut buffer = [0; CHUNK];
        match nix::unistd::read(self.ptx, &mut buffer) {
            // EIO: the last process that had the terminal open is gone.
            Ok(0) | Err(Errno::EIO) => Ok(false),
            Err(Errno::EINTR | Errno::EAGAIN) => Ok(true),
            Err(errno) => Err(Error::new("cannot read the container's terminal").errno(errno)),
            Ok(len) => {
                if let Some(log) = self.log {
                    let mut log = log;
                    std::io::Write::write_all(&mut log, &buffer[..len])
                        .what(|| "cannot write the terminal's log")?;
                }
                write_all(self.output, &buffer[..len]).what(|| "cannot write to the terminal")?;
                Ok(true)
            }
        }
    }

    fn on_typed(&mut self) -> Result<Input> {
        let mut buffer = [0; CHUNK];
        let len = match nix::unistd::read(self.input, &mut buffer) {
            Ok(0) | Err(Errno::EIO) => return Ok(Input::End),
            Err(Errno::EINTR | Errno::EAGAIN) => return Ok(Input::More),
            result => result.what(|| "cannot read the terminal")?,
        };
        let (bytes, leave) = match &mut self.escape {
            Some(escape) => {
                let typed = escape.filter(&buffer[..len]);
                (typed.passed, typed.leave)
            }
            None => (buffer[..len].to_vec(), false),
        };
        match write_all(self.ptx, &bytes) {
            Ok(()) | Err(Errno::EIO) => {}
            Err(errno) => {
                return Err(Error::new("cannot write to the container's terminal").errno(errno));
            }
        }
        Ok(if leave { Input::Leave } else { Input::More })
    }
}

/// Signals that are caught, readable through a descriptor, until this is dropped.
struct Caught {
    arrived: UnixStream,
    registrations: Vec<signal_hook::SigId>,
}

impl Caught {
    fn new(signals: &[i32]) -> Result<Self> {
        let (arrived, signal) = UnixStream::pair().what(|| "cannot make a socket pair")?;
        arrived.set_nonblocking(true).what(|| "cannot make a socket non-blocking")?;
        let register =
            |number: &i32| signal_hook::low_level::pipe::register(*number, signal.try_clone()?);
        let registrations = signals.iter().map(register).collect::<std::io::Result<_>>();
        Ok(Self { arrived, registrations: registrations.what(|| "cannot catch signals")? })
    }

    /// Makes ready for the next.
    fn empty(&self) {
        let mut bytes = [0; 64];
        while matches!((&self.arrived).read(&mut bytes), Ok(len) if len == bytes.len()) {}
    }
}

impl AsFd for Caught {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.arrived.as_fd()
    }
}

impl Drop for Caught {
    fn drop(&mut self) {
        for registration in &self.registrations {
            signal_hook::low_level::unregister(*registration);
        }
    }
}

enum Input {
    More,
    End,
    Leave,
}

fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> nix::Result<()> {
    while !bytes.is_empty() {
        match nix::unistd::write(fd, bytes) {
            Ok(len) => bytes = &bytes[len..],
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                let mut fds = [PollFd::new(fd, PollFlags::POLLOUT)];
                poll(&mut fds, PollTimeout::NONE)?;
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
