//! How the monitor and the container's first process keep step.
//!
//! A pair of sequenced-packet sockets, one message a packet, as JSON, descriptors alongside. The
//! container's end closes when init is executed: the end of the stream is the success.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};
use crate::mount::options::{MountIds, Recursive};
use crate::network::Link;
use crate::sys::scm;

/// Largest message: a configuration error with its text.
const MESSAGE_MAX: usize = 128 * 1024;

/// What the monitor says.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToInit {
    /// Id maps, cgroups and links are there: set up. The descriptor that comes along, if `rootfs`,
    /// is the root filesystem, already mounted with the container's ids.
    Go {
        /// The links in the container's network namespace.
        links: Vec<Link>,
        /// Whether the root filesystem comes along.
        rootfs: bool,
    },
    /// The tree that was sent has its ids, or not.
    IdsSet(Option<Error>),
    /// Limits of devices and host-side hooks are done: execute init.
    Exec,
}

/// What the container's first process says.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromInit {
    /// Give the detached tree that comes along these ids: only the host's root may.
    SetIds {
        /// Whose.
        ids: MountIds,
        /// Whether also what is mounted below it.
        recursive: Recursive,
    },
    /// The root of its devpts comes along.
    Devpts,
    /// Both sides of the console come along.
    Console,
    /// Both sides of the next tty come along.
    Tty,
    /// Everything is set up but for the exec.
    Ready,
    /// It failed and is about to exit.
    Failed(Error),
}

/// One end.
#[derive(Debug)]
pub struct Channel(OwnedFd);

impl Channel {
    /// Both ends, close-on-exec.
    pub fn pair() -> Result<(Self, Self)> {
        let (one, other) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
                .what(|| "cannot make a socket pair")?;
        Ok((Self(one), Self(other)))
    }

    /// Sends `message` with `fds`.
    pub fn send(&self, message: &impl Serialize, fds: &[BorrowedFd<'_>]) -> Result<()> {
        let bytes = serde_json::to_vec(message)
            .map_err(|error| Error::new(format!("cannot encode a message: {error}")))?;
        scm::send_fds(self.0.as_fd(), &bytes, fds)
            .what(|| "the other side of the start is gone")?;
        Ok(())
    }

    /// Receives a message; `None` at the end of the stream.
    pub fn receive<T: DeserializeOwned>(&self) -> Result<Option<(T, Vec<OwnedFd>)>> {
        let mut buffer = vec![0; MESSAGE_MAX];
        let received = scm::receive(self.0.as_fd(), &mut buffer)
            .what(|| "cannot receive from the other side of the start")?;
        if received.len == 0 {
            return Ok(None);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_descriptors_and_the_end_arrive() {
        let (monitor, init) = Channel::pair().unwrap();
        let failure = Error::new("no init").hint("install one");
        init.send(&FromInit::Failed(failure.clone()), &[]).unwrap();
        init.send(&FromInit::Console, &[init.as_fd(), init.as_fd()]).unwrap();
        drop(init);
        let Some((FromInit::Failed(got), _)) = monitor.receive().unwrap() else { panic!() };
        assert_eq!(got, failure);
        let Some((FromInit::Console, fds)) = monitor.receive().unwrap() else { panic!() };
        assert_eq!(fds.len(), 2);
        drop(fds);
        assert!(monitor.receive::<FromInit>().unwrap().is_none());
    }
}
