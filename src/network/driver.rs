//! What drives a netlink connection: the thread itself, in poll(2).
//!
//! There is one socket and one request at a time, so no runtime is needed: it would have a second
//! descriptor to wait for and one to be woken by, and would panic where these fail.

use std::cell::Cell;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{self, Poll, Wake, Waker};

use bytes::BufMut;
use netlink_packet_route::RouteNetlinkMessage;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rtnetlink::proto::Connection;
use rtnetlink::sys::{AsyncSocket, Socket, SocketAddr};

use crate::error::{Context, Error, Result};

/// A connection that goes on only in [`run`](Self::run).
pub(super) struct Driver(Connection<RouteNetlinkMessage, Unwatched>);

impl Driver {
    pub(super) fn new(connection: Connection<RouteNetlinkMessage, Unwatched>) -> Self {
        Self(connection)
    }

    /// Runs `request` to its end.
    pub(super) fn run<T>(&mut self, request: impl Future<Output = T>) -> Result<T> {
        let mut request = pin!(request);
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = task::Context::from_waker(&waker);
        loop {
            if let Poll::Ready(answer) = request.as_mut().poll(&mut context) {
                return Ok(answer);
            }
            let has_ended = Pin::new(&mut self.0).poll(&mut context).is_ready();
            if let Some(error) = self.0.socket_mut().unsent.take() {
                return Err(error).context(|| "cannot send a request over netlink");
            }
            if has_ended {
                // What it told the request before is still there.
                return match request.as_mut().poll(&mut context) {
                    Poll::Ready(answer) => Ok(answer),
                    Poll::Pending => Err(Error::new("the netlink connection ended")),
                };
            }
            // Either of the two may have something new for the other.
            if !woken.0.swap(false, Ordering::Relaxed) {
                self.wait()?;
            }
        }
    }

    /// Waits until the kernel has something to say. It takes requests at once.
    fn wait(&mut self) -> Result<()> {
        let socket = self.0.socket_mut().socket_ref();
        let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => Ok(()),
            result => result.map(drop).context(|| "cannot wait for netlink"),
        }
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A socket whose operations are pending where they would wait; nobody is woken for it.
pub(super) struct Unwatched {
    socket: Socket,
    /// Why the last request could not be sent. The connection takes it for sent: it would send it once more
    /// before the next one, when nobody waits for it any longer.
    unsent: Cell<Option<io::Error>>,
}

impl Unwatched {
    fn sent(&self, result: io::Result<usize>, length: usize) -> Poll<io::Result<usize>> {
        ready(result).map(|sent| {
            sent.or_else(|error| {
                self.unsent.set(Some(error));
                Ok(length)
            })
        })
    }
}

/// What a call that does not wait came to.
fn ready<T>(result: io::Result<T>) -> Poll<io::Result<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}

impl AsyncSocket for Unwatched {
    fn socket_ref(&self) -> &Socket {
        &self.socket
    }

    fn socket_mut(&mut self) -> &mut Socket {
        &mut self.socket
    }

    fn new(protocol: isize) -> io::Result<Self> {
        let socket = Socket::new(protocol)?;
        socket.set_non_blocking(true)?;
        Ok(Self { socket, unsent: Cell::new(None) })
    }

    fn poll_send(&self, _: &mut task::Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.sent(self.socket.send(buf, 0), buf.len())
    }

    fn poll_send_to(
        &self,
        _: &mut task::Context<'_>,
        buf: &[u8],
        addr: &SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.sent(self.socket.send_to(buf, addr, 0), buf.len())
    }

    fn poll_recv<B: BufMut>(&self, _: &mut task::Context<'_>, buf: &mut B) -> Poll<io::Result<()>> {
        ready(self.socket.recv(buf, 0).map(drop))
    }

    fn poll_recv_from<B: BufMut>(
        &self,
        _: &mut task::Context<'_>,
        buf: &mut B,
    ) -> Poll<io::Result<SocketAddr>> {
        ready(self.socket.recv_from(buf, 0).map(|(_, address)| address))
    }

    fn poll_recv_from_full(
        &self,
        _: &mut task::Context<'_>,
    ) -> Poll<io::Result<(Vec<u8>, SocketAddr)>> {
        ready(self.socket.recv_from_full())
    }
}
