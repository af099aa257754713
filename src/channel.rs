//! How a process keeps step with one that it made.
//!
//! A pair of sequenced-packet sockets, one message a packet, as JSON, descriptors alongside.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::Pid;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Context, Error, Kind, Result};
use crate::sys::deadline::poll_timeout;
use crate::sys::scm;

/// One end.
#[derive(Debug)]
pub struct Channel(OwnedFd);

impl Channel {
    /// Both ends, close-on-exec.
    pub fn pair() -> Result<(Self, Self)> {
        let (one, other) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
                .context(|| "cannot make a socket pair")?;
        Ok((Self(one), Self(other)))
    }

    /// Sends `message` with `fds`.
    pub fn send(&self, message: &impl Serialize, fds: &[BorrowedFd<'_>]) -> Result<()> {
        let bytes = serde_json::to_vec(message)
            .map_err(|error| Error::new(format!("cannot encode a message: {error}")))?;
        scm::send_fds(self.0.as_fd(), &bytes, fds)
            .context(|| "the other side of the start is gone")?;
        Ok(())
    }

    /// Whether the other end is closed.
    pub fn is_over(&self) -> bool {
        self.is(PollFlags::empty())
    }

    /// Whether the other end sent something that was not received, or is closed.
    pub fn has_something(&self) -> bool {
        self.is(PollFlags::POLLIN)
    }

    /// Whether it is `wanted` now, or the other end is closed.
    fn is(&self, wanted: PollFlags) -> bool {
        let mut fds = [PollFd::new(self.0.as_fd(), wanted)];
        poll(&mut fds, PollTimeout::ZERO).is_ok_and(|count| count > 0)
    }

    /// Receives a message; `None` at the end of the stream.
    pub fn receive<T: DeserializeOwned>(&self) -> Result<Option<(T, Vec<OwnedFd>)>> {
        let failed = || "cannot receive from the other side of the start";
        let len = match scm::next_len(self.0.as_fd()) {
            // The other end closed before it received everything; what it sent comes after this error.
            Err(Errno::ECONNRESET) => scm::next_len(self.0.as_fd()),
            result => result,
        };
        let len = len.context(failed)?;
        if len == 0 {
            return Ok(None);
        }
        let mut buffer = vec![0; len];
        let received = scm::receive(self.0.as_fd(), &mut buffer).context(failed)?;
        let message = serde_json::from_slice(&buffer[..received.len])
            .map_err(|error| Error::new(format!("cannot decode a message: {error}")))?;
        Ok(Some((message, received.fds)))
    }
}

impl From<OwnedFd> for Channel {
    /// An end that this program was executed with.
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

impl From<Channel> for OwnedFd {
    fn from(channel: Channel) -> Self {
        channel.0
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// How to wait for one of some descriptors: a monitor answers its clients meanwhile.
pub trait Wait {
    /// Returns when one of `fds` is readable or at its end.
    fn readable(&mut self, fds: &[BorrowedFd<'_>]) -> Result<()>;

    /// From now on has the system calls answered that the container with this first process leaves to another
    /// program (seccomp_unotify(2)).
    fn take_listener(&mut self, listener: OwnedFd, init: Pid) -> Result<()> {
        let _ = (listener, init);
        Err(Error::new("nobody here answers the calls that the seccomp filter notifies"))
    }
}

/// Waits and does nothing else.
#[derive(Debug)]
pub struct Block;

impl Wait for Block {
    fn readable(&mut self, fds: &[BorrowedFd<'_>]) -> Result<()> {
        let mut fds: Vec<PollFd<'_>> =
            fds.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
        loop {
            match poll(&mut fds, PollTimeout::NONE) {
                Err(Errno::EINTR) => {}
                result => return result.map(drop).context(|| "cannot wait"),
            }
        }
    }
}

/// Waits until `fd` is readable or at its end. Fails with [`Kind::TimedOut`] at `deadline`.
pub fn wait_readable(fd: impl AsFd, deadline: Option<Instant>) -> Result<()> {
    wait_for(fd.as_fd(), PollFlags::POLLIN, deadline)
}

/// As [`wait_readable`], until `fd` takes something.
pub fn wait_writable(fd: impl AsFd, deadline: Option<Instant>) -> Result<()> {
    wait_for(fd.as_fd(), PollFlags::POLLOUT, deadline)
}

fn wait_for(fd: BorrowedFd<'_>, wanted: PollFlags, deadline: Option<Instant>) -> Result<()> {
    loop {
        let timeout = deadline.map_or(PollTimeout::NONE, poll_timeout);
        let mut fds = [PollFd::new(fd, wanted)];
        match poll(&mut fds, timeout) {
            Ok(0) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                return Err(Error::new("the time is up").kind(Kind::TimedOut));
            }
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(Error::new("cannot wait").errno(errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::Error;
    use crate::init::FromInit;

    #[test]
    fn what_was_said_before_a_message_was_left_unread_arrives() {
        let (monitor, init) = Channel::pair().unwrap();
        init.send(&FromInit::Failed(Error::new("no")), &[]).unwrap();
        monitor.send(&1, &[]).unwrap();
        drop(init);
        let said = monitor.receive::<FromInit>().unwrap().map(|(message, _)| message);
        assert!(matches!(said, Some(FromInit::Failed(_))), "{said:?}");
        assert!(monitor.receive::<FromInit>().unwrap().is_none());
    }

    #[test]
    fn messages_descriptors_and_the_end_arrive() {
        let (monitor, init) = Channel::pair().unwrap();
        let failure = Error::new("no init").hint("install one");
        init.send(&FromInit::Failed(failure.clone()), &[]).unwrap();
        init.send(&FromInit::Tty, &[init.as_fd(), init.as_fd()]).unwrap();
        drop(init);
        let Some((FromInit::Failed(got), _)) = monitor.receive().unwrap() else { panic!() };
        assert_eq!(got, failure);
        let Some((FromInit::Tty, fds)) = monitor.receive().unwrap() else { panic!() };
        assert_eq!(fds.len(), 2);
        drop(fds);
        assert!(monitor.receive::<FromInit>().unwrap().is_none());
    }

    #[test]
    fn a_deadline_ends_the_wait() {
        let (ours, theirs) = Channel::pair().unwrap();
        let begin = Instant::now();
        let error = wait_readable(&ours, Some(begin + Duration::from_millis(20))).unwrap_err();
        assert_eq!(error.kind, Kind::TimedOut);
        assert!(begin.elapsed() >= Duration::from_millis(20));
        drop(theirs);
        assert!(wait_readable(&ours, Some(Instant::now() + Duration::from_secs(9))).is_ok());
    }
}
