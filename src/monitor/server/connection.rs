//! One connection to the command socket. Nothing here waits: bytes are taken as they come and sent as
//! the client takes them.

use std::borrow::Cow;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::socket::{MsgFlags, recv};

use crate::monitor::protocol::{Command, DATA_MAX, FRAME_LEN, Request, Response, StateRequest};
use crate::sys::scm;

/// What is known of a request.
#[derive(Debug)]
pub(super) enum Input {
    /// It is not complete yet.
    Incomplete,
    /// A request and its data.
    Complete(Request, Vec<u8>),
    /// The seccomp listener that came with its request.
    Listener(OwnedFd),
    /// The client is gone, or what it sent is not a request.
    Over,
}

/// What a connection is open for.
#[derive(Debug)]
pub(super) enum Role {
    /// Its request is read; these are the bytes so far.
    Asking(Vec<u8>),
    /// The rest of its answer is written, and then it is closed.
    Answered(Vec<u8>),
    /// It leases a tty, by its number; 0 is the console.
    Lease(u32),
    /// It waits for a state.
    Waiting(StateRequest),
    /// It asked for STOP. The end of the stream is the answer.
    Stopping,
}

/// What a client gets.
#[derive(Debug)]
pub(super) struct Reply<'a> {
    pub(super) response: Response,
    pub(super) data: Vec<u8>,
    pub(super) fds: Vec<BorrowedFd<'a>>,
    /// One more descriptor, which is closed here when it was sent.
    pub(super) given: Option<OwnedFd>,
}

impl<'a> Reply<'a> {
    pub(super) fn of(response: Response) -> Self {
        Self { response, data: Vec::new(), fds: Vec::new(), given: None }
    }

    pub(super) fn number(number: i32) -> Self {
        Self::of(Response::number(number))
    }

    pub(super) fn error(errno: Errno) -> Self {
        Self::of(Response::error(errno))
    }

    pub(super) fn data(data: Vec<u8>) -> Self {
        let response = Response::data(data.len());
        Self { data, ..Self::of(response) }
    }

    /// A descriptor, with a number.
    pub(super) fn fd(number: i32, fd: BorrowedFd<'a>) -> Self {
        Self { fds: vec![fd], ..Self::number(number) }
    }

    /// Text goes with its NUL.
    pub(super) fn text(text: &[u8]) -> Self {
        Self::data([text, &[0]].concat())
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: OwnedFd,
    /// Whether it is one of root's or of the monitor's user.
    pub(super) is_known: bool,
    pub(super) role: Role,
    /// What it is watched for.
    watched: Option<EpollFlags>,
}

impl Connection {
    /// A connection that has not said anything.
    pub(super) fn new(socket: OwnedFd, is_known: bool) -> Self {
        Self { socket, is_known, role: Role::Asking(Vec::new()), watched: None }
    }

    /// Has what the connection waits for reported by `epoll` as `number`.
    pub(super) fn watch(&mut self, epoll: &Epoll, number: u64) -> nix::Result<()> {
        let wanted = self.interest();
        let mut event = EpollEvent::new(wanted, number);
        match self.watched {
            Some(watched) if watched == wanted => return Ok(()),
            Some(_) => epoll.modify(&self.socket, &mut event)?,
            None => epoll.add(&self.socket, event)?,
        }
        self.watched = Some(wanted);
        Ok(())
    }

    /// Ends that, before the connection is closed.
    pub(super) fn forget(&self, epoll: &Epoll) {
        if self.watched.is_some() {
            // By hand: a process on its way to exec may hold a copy of the descriptor, and as long as it
            // does, closing ours takes nothing out of the set (epoll(7)).
            let _ = epoll.delete(&self.socket);
        }
    }

    /// What to wait for. A client that waits has nothing more to say: only its end is of interest.
    fn interest(&self) -> EpollFlags {
        match self.role {
            Role::Asking(_) => EpollFlags::EPOLLIN,
            Role::Answered(_) => EpollFlags::EPOLLOUT,
            _ => EpollFlags::EPOLLRDHUP,
        }
    }

    /// Takes what has arrived of the request. Descriptors that come along are not taken: without room
    /// for control data the kernel drops them (unix(7)). The exception is a seccomp listener of a client that
    /// is known, which comes with one byte after its request.
    pub(super) fn read(&mut self) -> Input {
        let Role::Asking(bytes) = &mut self.role else { return Input::Over };
        loop {
            let header: Option<&[u8; FRAME_LEN]> = bytes.first_chunk();
            let wanted = match header.map(|header| Request::decode(header)) {
                None => FRAME_LEN,
                Some(None) => return Input::Over,
                Some(Some(request)) => {
                    let is_refused = request.command() == Some(Command::AddSeccompListener);
                    if is_refused && self.is_known && request.data_len() == Some(0) {
                        return self.read_listener();
                    }
                    let len = match request.data_len() {
                        Some(0) => 0,
                        Some(len) if len <= DATA_MAX && !is_refused => len,
                        _ => return Input::Over,
                    };
                    if bytes.len() == FRAME_LEN + len {
                        return Input::Complete(request, bytes.split_off(FRAME_LEN));
                    }
                    FRAME_LEN + len
                }
            };
            let filled = bytes.len();
            bytes.resize(wanted, 0);
            let got = recv(self.socket.as_raw_fd(), &mut bytes[filled..], MsgFlags::MSG_DONTWAIT);
            bytes.truncate(filled + got.unwrap_or(0));
            match got {
                Ok(0) => return Input::Over,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Input::Incomplete,
                Err(_) => return Input::Over,
            }
        }
    }

    fn read_listener(&self) -> Input {
        match scm::receive(self.socket.as_fd(), &mut [0]) {
            Ok(received) if received.fds.len() == 1 => {
                received.fds.into_iter().next().map_or(Input::Over, Input::Listener)
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Input::Incomplete,
            _ => Input::Over,
        }
    }

    /// Sends `reply`; what the client does not take at once is kept for [`write`](Self::write). Fails
    /// if the client is gone.
    pub(super) fn answer(&mut self, reply: &Reply<'_>) -> nix::Result<()> {
        let header = reply.response.encode();
        // In one piece, so that the client need not wait for the data.
        let bytes = match &reply.data[..] {
            [] => Cow::Borrowed(&header[..]),
            data => Cow::Owned([&header, data].concat()),
        };
        let fds: Vec<BorrowedFd<'_>> =
            reply.fds.iter().copied().chain(reply.given.as_ref().map(AsFd::as_fd)).collect();
        let sent = scm::send_now(self.socket.as_fd(), &bytes, &fds)?;
        if sent < bytes.len() {
            self.role = Role::Answered(bytes[sent..].to_vec());
        }
        Ok(())
    }

    /// Sends more of the answer; says whether there is still more.
    pub(super) fn write(&mut self) -> bool {
        let Role::Answered(rest) = &mut self.role else { return false };
        match scm::send_now(self.socket.as_fd(), rest, &[]) {
            Ok(sent) => {
                rest.drain(..sent);
                !rest.is_empty()
            }
            Err(errno) => errno == Errno::EAGAIN,
        }
    }
}
