//! Messages with descriptors and credentials over Unix sockets (unix(7)).

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, UnixCredentials};
use nix::sys::socket::{recv, recvmsg, sendmsg};

/// Most descriptors one message carries here (LXC's cgroup context has 20).
pub const MAX_FDS: usize = 32;

/// What [`receive`] got.
#[derive(Debug, Default)]
pub struct Received {
    /// Number of bytes; 0 is the end of the stream.
    pub len: usize,
    /// Descriptors that came along, close-on-exec.
    pub fds: Vec<OwnedFd>,
    /// The sender's credentials, if the socket has `SO_PASSCRED`.
    pub credentials: Option<UnixCredentials>,
}

/// Sends `data` with `fds` in one message.
pub fn send_fds(socket: BorrowedFd<'_>, data: &[u8], fds: &[BorrowedFd<'_>]) -> nix::Result<usize> {
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    send(socket, data, if raw.is_empty() { &[] } else { &rights })
}

/// Sends all of `data`, its first byte with `fds`.
pub fn send_all(socket: BorrowedFd<'_>, data: &[u8], fds: &[BorrowedFd<'_>]) -> nix::Result<()> {
    let sent = send_fds(socket, data, fds)?;
    send_rest(socket, &data[sent..])
}

/// Sends all of `data`, its first byte with this process's credentials.
pub fn send_with_credentials(socket: BorrowedFd<'_>, data: &[u8]) -> nix::Result<()> {
    let credentials = UnixCredentials::new();
    let sent = send(socket, data, &[ControlMessage::ScmCredentials(&credentials)])?;
    send_rest(socket, &data[sent..])
}

fn send_rest(socket: BorrowedFd<'_>, mut rest: &[u8]) -> nix::Result<()> {
    while !rest.is_empty() {
        let sent = send(socket, rest, &[])?;
        rest = &rest[sent..];
    }
    Ok(())
}

fn send(socket: BorrowedFd<'_>, data: &[u8], control: &[ControlMessage<'_>]) -> nix::Result<usize> {
    loop {
        match sendmsg::<()>(
            socket.as_raw_fd(),
            &[IoSlice::new(data)],
            control,
            MsgFlags::MSG_NOSIGNAL,
            None,
        ) {
            Err(nix::errno::Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// How long the next packet is, which stays where it is; 0 at the end of the stream. Waits for it.
pub fn next_len(socket: BorrowedFd<'_>) -> nix::Result<usize> {
    loop {
        // The length that there is, not that which fits (recv(2)).
        match recv(socket.as_raw_fd(), &mut [], MsgFlags::MSG_PEEK | MsgFlags::MSG_TRUNC) {
            Err(nix::errno::Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// Receives into `buffer`, with the descriptors and credentials that come along.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let mut control = nix::cmsg_space!([RawFd; MAX_FDS], UnixCredentials);
    let mut slices = [IoSliceMut::new(buffer)];
    loop {
        let message = match recvmsg::<()>(
            socket.as_raw_fd(),
            &mut slices,
            Some(&mut control),
            MsgFlags::MSG_CMSG_CLOEXEC,
        ) {
            Err(nix::errno::Errno::EINTR) => continue,
            result => result?,
        };
        let mut received = Received { len: message.bytes, ..Received::default() };
        for item in message.cmsgs()? {
            match item {
                ControlMessageOwned::ScmRights(fds) => {
                    // SAFETY: the kernel installed these descriptors for this message only.
                    let owned = fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
                    received.fds.extend(owned);
                }
                ControlMessageOwned::ScmCredentials(credentials) => {
                    received.credentials = Some(credentials);
                }
                _ => {}
            }
        }
        return Ok(received);
    }
}

/// Takes over the connection that accept4(2) just returned.
pub fn accepted(raw: RawFd) -> OwnedFd {
    // SAFETY: the caller got this descriptor from accept4 and owns it.
    unsafe { OwnedFd::from_raw_fd(raw) }
}
