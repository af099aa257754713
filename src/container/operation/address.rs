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

/// How long a start may take from binding the command socket to listening on it, as it plans in between;
/// and how long a killed monitor may keep the socket.
const CHANGES_WITHIN: Duration = Duration::from_secs(1);

/// Binds the address. Fails with [`Kind::AlreadyRunning`] if the container's monitor has it.
pub fn bind_socket(identity: &Identity) -> Result<OwnedFd> {
    let address = protocol::socket_address(identity);
    let bind = || {
        let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        bind(socket.as_raw_fd(), &UnixAddr::new_abstract(&address)?)?;
        Ok(socket)
    };
    let begin = Instant::now();
    loop {
        match bind() {
            Ok(socket) => return Ok(socket),
            Err(Errno::EADDRINUSE) => {
                let left = CHANGES_WITHIN.saturating_sub(begin.elapsed());
                if let Some(error) = in_use(identity, left)? {
                    return Err(error);
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(errno) => {
                return Err(Error::new(format!(
                    "cannot bind the command socket @{}",
                    Path::new(std::ffi::OsStr::new(&*String::from_utf8_lossy(&address))).display()
                ))
                .errno(errno));
            }
        }
    }
}

/// What it means that the address is in use; `None` if that may soon change and there is time `left` to
/// wait for it.
fn in_use(identity: &Identity, left: Duration) -> Result<Option<Error>> {
    let client = Client::new(identity);
    if client.holder()?.is_some() {
        let running = || Error::new("Container is already running").kind(Kind::AlreadyRunning);
        return Ok((left.is_zero() || lives(&client, left)).then(running));
    }
    if holder(identity).is_some() {
        return Ok(Some(super::in_use(identity)));
    }
    let impostor = || {
        Error::new(format!(
            "a process that does not listen on it holds the command socket of {identity}"
        ))
        .errno(Errno::EADDRINUSE)
        .kind(Kind::Impostor)
        .hint("its number is in /proc/net/unix; end that process")
    };
    Ok(left.is_zero().then(impostor))
}

/// Whether the monitor lives. One that has been killed keeps its socket for some moments, and answers
/// nothing; one that neither answers nor ends `within` this time is taken to live.
fn lives(client: &Client, within: Duration) -> bool {
    match client.ask_name_now() {
        Ok(asked) => !asked.has_answer(within) || client.take_name(Ok(asked)).is_ok(),
        Err(error) => error.is(Errno::EAGAIN),
    }
}
