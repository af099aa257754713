//! The address of a container's command socket, which only one process can have: the container's
//! monitor, or the process that changes the container's files.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, socket};

use crate::container::lock::holder;
use crate::error::{Error, Kind, Result};
use crate::identity::Identity;
use crate::monitor::client::Client;
use crate::monitor::protocol;

/// How long a start may take from binding the command socket to listening on it: it plans meanwhile.
const LISTENS_WITHIN: Duration = Duration::from_secs(1);

/// Binds the address. Fails with [`Kind::AlreadyRunning`] if the container's monitor has it.
pub fn bind_socket(identity: &Identity) -> Result<OwnedFd> {
    let address = protocol::socket_address(identity);
    let bound = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)
        .and_then(|socket| {
            bind(socket.as_raw_fd(), &UnixAddr::new_abstract(&address)?)?;
            Ok(socket)
        });
    match bound {
        Ok(socket) => Ok(socket),
        Err(Errno::EADDRINUSE) => Err(in_use(identity)?),
        Err(errno) => Err(Error::new(format!(
            "cannot bind the command socket @{}",
            Path::new(std::ffi::OsStr::new(&*String::from_utf8_lossy(&address))).display()
        ))
        .errno(errno)),
    }
}

/// What it means that the address is in use.
fn in_use(identity: &Identity) -> Result<Error> {
    let deadline = Instant::now() + LISTENS_WITHIN;
    loop {
        if Client::new(identity).holder()?.is_some() {
            return Ok(Error::new("Container is already running").kind(Kind::AlreadyRunning));
        }
        if holder(identity).is_some() {
            return Ok(super::in_use(identity));
        }
        if Instant::now() > deadline {
            return Ok(Error::new(format!(
                "a process that does not listen on it holds the command socket of {identity}"
            ))
            .errno(Errno::EADDRINUSE)
            .kind(Kind::Impostor)
            .hint("its number is in /proc/net/unix; end that process"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
