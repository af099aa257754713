//! Connections to the monitor: asking, and the answer. Each wait has an end.

use std::borrow::Cow;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, setsockopt, socket,
    sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::{Client, Peer};
use crate::channel::{wait_readable, wait_writable};
use crate::error::{Error, Kind, Result};
use crate::monitor::protocol::{Command, FRAME_LEN, Request, Response};
use crate::sys::scm::{self, Received};

/// Largest answer: a configuration value.
pub(super) const ANSWER_MAX: usize = 1 << 20;

/// How long to wait, where many are asked, for all those whose sockets have no room.
const ROOM_WITHIN: Duration = Duration::from_secs(1);

/// The time between two tries to connect to a socket that has no room.
const PAUSE: Duration = Duration::from_millis(10);

/// An answer, who gave it, and the connection it came over.
pub(super) struct Answer {
    pub(super) response: Response,
    pub(super) data: Vec<u8>,
    pub(super) fds: Vec<OwnedFd>,
    pub(super) connection: OwnedFd,
    pub(super) peer: Peer,
}

/// A question that was sent.
#[derive(Debug)]
pub struct Asked {
    pub(super) connection: OwnedFd,
    pub(super) peer: Peer,
    pub(super) deadline: Instant,
    pub(super) with_descriptors: bool,
}

impl Asked {
    /// Lets the call that receives the answer wait for it until the deadline. Where the monitor runs on another processor,
    /// that call returns sooner than poll(2) does, and the two calls here are made while the monitor is at work. Where one
    /// of them fails, poll(2) waits. Not for answers with descriptors, after which the connection may be needed.
    pub fn wait_in_receiving(self) -> Self {
        if self.with_descriptors {
            return self;
        }
        let limit = self.deadline.saturating_duration_since(Instant::now());
        // Zero would be no limit.
        let milliseconds = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX).max(1);
        let limit = TimeVal::milliseconds(milliseconds);
        if setsockopt(&self.connection, sockopt::ReceiveTimeout, &limit).is_ok() {
            let _ = fcntl(&self.connection, FcntlArg::F_SETFL(OFlag::empty()));
        }
        self
    }

    /// Waits for the answer, or the end of the connection; says whether there is one.
    pub fn has_answer(&self, within: Duration) -> bool {
        wait_readable(&self.connection, Some(Instant::now() + within)).is_ok()
    }
}

/// Asks each of `all` before the first answer is waited for. All whose sockets have no room are tried again
/// together; those that have none for too long fail with `EAGAIN`. `ask` does not wait for room itself.
pub fn ask_all<T>(all: &[T], ask: impl Fn(&T) -> Result<Asked>) -> Vec<Result<Asked>> {
    let has_no_room = |asked: &Result<Asked>| asked.as_ref().is_err_and(is_no_room);
    let mut asked: Vec<_> = all.iter().map(&ask).collect();
    let deadline = Instant::now() + ROOM_WITHIN;
    while asked.iter().any(has_no_room) && Instant::now() < deadline {
        std::thread::sleep(PAUSE);
        for (one, asked) in all.iter().zip(&mut asked) {
            if has_no_room(asked) {
                *asked = ask(one);
            }
        }
    }
    asked
}

/// Descriptors are wanted with certain answers only; the kernel closes others that come along (unix(7)).
fn receive_bytes(connection: &OwnedFd, buffer: &mut [u8]) -> io::Result<Received> {
    let len = recv(connection.as_raw_fd(), buffer, MsgFlags::empty())?;
    Ok(Received { len, fds: Vec::new() })
}

/// Whether the socket that was to be asked has no room.
fn is_no_room(error: &Error) -> bool {
    error.is(Errno::EAGAIN)
}

impl Client {
    /// Asks `request`, with `data` after it.
    pub(super) fn ask(&self, request: &Request, data: &[u8]) -> Result<Answer> {
        self.receive(self.send(request, data)?.wait_in_receiving())
    }

    pub(super) fn receive(&self, asked: Asked) -> Result<Answer> {
        let Asked { connection, peer, deadline, with_descriptors } = asked;
        let mut header = [0; FRAME_LEN];
        let Received { len, fds } = self.take(&connection, &mut header, deadline, |buffer| {
            if with_descriptors {
                return scm::receive(connection.as_fd(), buffer);
            }
            receive_bytes(&connection, buffer)
        })?;
        let response = Response::decode(&header[..len]).ok_or_else(|| self.no_answer())?;
        let len = response.data_len().filter(|len| *len <= ANSWER_MAX);
        let mut data = vec![0; len.ok_or_else(|| self.no_answer())?];
        let mut filled = 0;
        while filled < data.len() {
            let rest = &mut data[filled..];
            let receive = |buffer: &mut [u8]| receive_bytes(&connection, buffer);
            filled += self.take(&connection, rest, deadline, receive)?.len;
            if Instant::now() > deadline {
                return Err(self.too_late());
            }
        }
        Ok(Answer { response, data, fds, connection, peer })
    }

    /// Takes the next bytes by `receive`, and waits for them if that does not.
    fn take(
        &self,
        connection: &OwnedFd,
        buffer: &mut [u8],
        deadline: Instant,
        receive: impl Fn(&mut [u8]) -> io::Result<Received>,
    ) -> Result<Received> {
        loop {
            match receive(buffer) {
                Ok(received) if received.len > 0 => return Ok(received),
                Ok(_) => return Err(self.no_answer()),
                Err(error)
                    if [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind()) => {}
                Err(error) => return Err(self.failed(error.raw_os_error())),
            }
            self.in_time(wait_readable(connection, Some(deadline)))?;
        }
    }

    fn in_time(&self, waited: Result<()>) -> Result<()> {
        match waited {
            Err(error) if error.kind == Kind::TimedOut => Err(self.too_late()),
            waited => waited,
        }
    }

    /// Sends it; waits for room.
    pub(super) fn send(&self, request: &Request, data: &[u8]) -> Result<Asked> {
        let deadline = Instant::now() + self.within;
        loop {
            match self.send_within(request, data, deadline) {
                Err(error) if is_no_room(&error) && Instant::now() < deadline => {
                    std::thread::sleep(PAUSE);
                }
                result => return result,
            }
        }
    }

    /// Sends it; fails with `EAGAIN` if the socket has no room.
    pub(super) fn send_now(&self, request: &Request, data: &[u8]) -> Result<Asked> {
        self.send_within(request, data, Instant::now() + self.within)
    }

    fn send_within(&self, request: &Request, data: &[u8], deadline: Instant) -> Result<Asked> {
        let header = request.encode();
        let bytes = match data {
            [] => Cow::Borrowed(&header[..]),
            data => Cow::Owned([&header, data].concat()),
        };
        let connection = match self.connect() {
            Err(Errno::EAGAIN) => return Err(self.no_room()),
            result => result.map_err(|errno| self.failed(Some(errno as i32)))?,
        };
        // At once, as the monitor looks after it as soon as it has accepted the connection; and in one piece.
        // Who it is counts when it answers.
        let mut sent = scm::send_now_with_credentials(connection.as_fd(), &bytes)
            .map_err(|errno| self.failed(Some(errno as i32)))?;
        while sent < bytes.len() {
            self.in_time(wait_writable(&connection, Some(deadline)))?;
            sent += match scm::send_now(connection.as_fd(), &bytes[sent..], &[]) {
                Err(Errno::EAGAIN) => 0,
                result => result.map_err(|errno| self.failed(Some(errno as i32)))?,
            };
        }
        let peer = Peer::of(connection.as_fd()).map_err(|errno| self.failed(Some(errno as i32)))?;
        self.require_owner(peer)?;
        let with_descriptors = request.command().is_some_and(Command::gives_descriptors);
        Ok(Asked { connection, peer, deadline, with_descriptors })
    }

    /// Connects; does not wait for room in the backlog, where `EAGAIN` is the failure.
    pub(super) fn connect(&self) -> nix::Result<OwnedFd> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        connect(socket.as_raw_fd(), &UnixAddr::new_abstract(&self.address)?)?;
        Ok(socket)
    }

    /// Who holds the container's command socket; `None` if nobody listens on it. Fails with
    /// [`Kind::Impostor`] if that is none who may run the container. Does not wait.
    pub fn holder(&self) -> Result<Option<Peer>> {
        let connection = match self.connect() {
            Err(Errno::ECONNREFUSED) => return Ok(None),
            Err(Errno::EAGAIN) => return Err(self.no_room()),
            result => result.map_err(|errno| self.failed(Some(errno as i32)))?,
        };
        let peer = Peer::of(connection.as_fd()).map_err(|errno| self.failed(Some(errno as i32)))?;
        self.require_owner(peer)?;
        Ok(Some(peer))
    }

    fn require_owner(&self, peer: Peer) -> Result<()> {
        if peer.is_our_equal() {
            return Ok(());
        }
        let config = self.identity.config_file();
        let what = format!("the command socket of {}", self.identity);
        peer.require_owner(&[&self.identity.lxcpath, &config], &what)
    }
}
