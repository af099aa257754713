//! Messages with descriptors and credentials over Unix sockets (unix(7)).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, SockFlag, accept4, recv, sendmsg};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg,
};

/// Most descriptors one message carries here (LXC's cgroup context has 20).
pub const MAX_FDS: usize = 32;

/// What [`receive`] got.
#[derive(Debug, Default)]
pub struct Received {
    /// Number of bytes; 0 is the end of the stream.
    pub len: usize,
    /// Descriptors that came along, close-on-exec.
    pub fds: Vec<OwnedFd>,
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

/// Sends as much of `data` as the socket takes at once, with this process's credentials.
pub fn send_now_with_credentials(socket: BorrowedFd<'_>, data: &[u8]) -> nix::Result<usize> {
    let credentials = rustix::net::UCred {
        pid: rustix::process::getpid(),
        uid: rustix::process::getuid(),
        gid: rustix::process::getgid(),
    };
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmCredentials(credentials));
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    loop {
        match rustix::net::sendmsg(socket, &[IoSlice::new(data)], &mut control, flags) {
            Err(rustix::io::Errno::INTR) => {}
            result => return result.map_err(|errno| Errno::from_raw(errno.raw_os_error())),
        }
    }
}

/// Sends as much of `data` as the socket takes at once, with `fds`.
pub fn send_now(socket: BorrowedFd<'_>, data: &[u8], fds: &[BorrowedFd<'_>]) -> nix::Result<usize> {
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control = if raw.is_empty() { &[] } else { &rights[..] };
    send_flagged(socket, data, control, MsgFlags::MSG_DONTWAIT)
}

fn send_rest(socket: BorrowedFd<'_>, mut rest: &[u8]) -> nix::Result<()> {
    while !rest.is_empty() {
        let sent = send(socket, rest, &[])?;
        rest = &rest[sent..];
    }
    Ok(())
}

fn send(socket: BorrowedFd<'_>, data: &[u8], control: &[ControlMessage<'_>]) -> nix::Result<usize> {
    send_flagged(socket, data, control, MsgFlags::empty())
}

fn send_flagged(
    socket: BorrowedFd<'_>,
    data: &[u8],
    control: &[ControlMessage<'_>],
    flags: MsgFlags,
) -> nix::Result<usize> {
    loop {
        match sendmsg::<()>(
            socket.as_raw_fd(),
            &[IoSlice::new(data)],
            control,
            flags | MsgFlags::MSG_NOSIGNAL,
            None,
        ) {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// How long the next packet is, which stays where it is; 0 at the end of the stream. Waits for it.
pub fn next_len(socket: BorrowedFd<'_>) -> nix::Result<usize> {
    loop {
        // The packet's length, not the length that fits (recv(2)).
        match recv(socket.as_raw_fd(), &mut [], MsgFlags::MSG_PEEK | MsgFlags::MSG_TRUNC) {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// Receives into `buffer`, with the descriptors that come along. Descriptors that have
/// no room here are closed.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    // Owns the descriptors from the moment in which the kernel installs them.
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(buffer)];
    let message = loop {
        match recvmsg(socket, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            result => break result?,
        }
    };
    let mut received = Received { len: message.bytes, ..Received::default() };
    for item in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = item {
            received.fds.extend(fds);
        }
    }
    Ok(received)
}

/// Receives what is there into `buffer`, and no descriptors: the kernel closes those that come along (unix(7)).
pub fn receive_bytes(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> nix::Result<usize> {
    loop {
        match recv(socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// The next connection of `listener`, which does not wait (accept4(2)).
pub fn accept(listener: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let raw = accept4(listener.as_raw_fd(), flags)?;
    // SAFETY: accept4 just returned this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn descriptors_beyond_the_room_for_them_are_closed() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut one, other) = UnixStream::pair().unwrap();
        let many: Vec<BorrowedFd<'_>> = (0..MAX_FDS + 20).map(|_| other.as_fd()).collect();
        send_fds(theirs.as_fd(), b"x", &many).unwrap();
        drop(other);
        let received = receive(ours.as_fd(), &mut [0; 8]).unwrap();
        let taken = received.fds.len();
        assert!((MAX_FDS..MAX_FDS + 20).contains(&taken), "{taken}");
        drop(received);
        // The end of the stream: no copy of the other end is left.
        one.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        assert_eq!(one.read(&mut [0]).unwrap(), 0);
    }
}
