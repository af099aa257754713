//! The address of a container's command socket, which only one process can have: the container's
//! monitor, or the process that changes the container's files.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, socket};
use nix::unistd::Pid;

use crate::container::lock::holder;
use crate::error::{Error, Kind, Result};
use crate::identity::Identity;
use crate::monitor::client::Client;
use crate::monitor::protocol;
use crate::table;

/// How long a start may take from binding the command socket to listening on it, for it plans meanwhile; and how
/// long a killed monitor may keep it.
const CHANGES_WITHIN: Duration = Duration::from_secs(1);

/// Binds the address. Fails with [`Kind::AlreadyRunning`] if the container's monitor has it.
pub fn bind_socket(identity: &Identity) -> Result<OwnedFd> {
    let address = protocol::socket_address(identity);
    let bind = || {
        let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        bind(socket.as_raw_fd(), &UnixAddr::new_abstract(&address)?)?;
        Ok(socket)
    };
    let deadline = Instant::now() + CHANGES_WITHIN;
    loop {
        match bind() {
            Ok(socket) => return Ok(socket),
            Err(Errno::EADDRINUSE) => {
                if let Some(error) = in_use(identity, Instant::now() > deadline)? {
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

/// What it means that the address is in use; `None` if it soon is otherwise and it is not too `late` for that.
fn in_use(identity: &Identity, late: bool) -> Result<Option<Error>> {
    match Client::new(identity).holder()? {
        Some(peer) if late || !is_dying(peer.pid) => {
            return Ok(Some(Error::new("Container is already running").kind(Kind::AlreadyRunning)));
        }
        Some(_) => return Ok(None),
        None => {}
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
    Ok(late.then(impostor))
}

/// Whether a process has been killed and still has what it had (proc_pid_stat(5): state, flags, signal).
fn is_dying(pid: Pid) -> bool {
    /// `PF_EXITING` in linux/sched.h.
    const EXITING: u64 = 0x4;
    const KILLED: u64 = 1 << (libc::SIGKILL - 1);
    let text = table::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may have both spaces and parentheses; the third field is after it.
    let rest = text.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let field = |number: usize| rest.split(' ').nth(number - 3).unwrap_or_default();
    let has = |number, bit| field(number).parse::<u64>().is_ok_and(|bits| bits & bit != 0);
    matches!(field(3), "" | "Z" | "X") || has(9, EXITING) || has(31, KILLED)
}
