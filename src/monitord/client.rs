//! The listening side.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{PROGRAM, socket_address};
use crate::error::{Context, Error, Result};
use crate::monitor::protocol::{MESSAGE_LEN, Message};
use crate::sys::spawn::{BeforeExec, before_exec};

/// How often to start a daemon that ended before it could be asked.
const ATTEMPTS: usize = 3;
/// The number of the descriptor on which a daemon says that it listens.
const READY_FD: i32 = 3;

/// A connection to the daemon of one directory of containers.
#[derive(Debug)]
pub struct Subscription {
    connection: UnixStream,
}

impl Subscription {
    /// Listens to what happens in `lxcpath`; starts the daemon if there is none.
    pub fn new(lxcpath: &Path) -> Result<Self> {
        let failed = || format!("Unable to open monitor on path: {}", lxcpath.display());
        for _ in 0..ATTEMPTS {
            match connect(lxcpath) {
                Ok(connection) => return Ok(Self { connection }),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    start_daemon(lxcpath)?;
                }
                Err(error) => return Err(error).what(failed),
            }
        }
        connect(lxcpath).map(|connection| Self { connection }).what(failed)
    }

    /// The next event; `None` of a kind that this program does not know. Fails when the daemon ends.
    pub fn receive(&mut self) -> Result<Option<Message>> {
        let mut bytes = [0; MESSAGE_LEN];
        match self.connection.read_exact(&mut bytes) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(Error::new("lxc-monitord has ended"));
            }
            result => result.what(|| "cannot read from lxc-monitord")?,
        }
        Ok(Message::decode(&bytes))
    }
}

impl AsFd for Subscription {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

/// Ends the daemon of `lxcpath`. Fails if there is none.
pub fn quit(lxcpath: &Path) -> Result<()> {
    connect(lxcpath)
        .and_then(|mut connection| {
            connection.write_all(super::daemon::QUIT)?;
            // It closes the connection when it is gone.
            connection.read_to_end(&mut Vec::new()).map(drop)
        })
        .what(|| format!("Unable to open monitor on path: {}", lxcpath.display()))
}

fn connect(lxcpath: &Path) -> std::io::Result<UnixStream> {
    UnixStream::connect_addr(&SocketAddr::from_abstract_name(socket_address(lxcpath))?)
}

/// Starts the daemon in the background and waits until it listens.
fn start_daemon(lxcpath: &Path) -> Result<()> {
    let (mut ours, theirs) = UnixStream::pair().what(|| "cannot make a socket pair")?;
    let program = crate::paths::program().what(|| "cannot find this program's own file")?;
    let mut command = Command::new(program);
    std::os::unix::process::CommandExt::arg0(&mut command, PROGRAM);
    command.arg(lxcpath).arg(READY_FD.to_string()).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let keep = vec![(OwnedFd::from(theirs), READY_FD)];
    before_exec(&mut command, BeforeExec { setsid: true, join: None, keep })
        .what(|| "cannot prepare lxc-monitord's descriptors")?;
    let mut child = command.spawn().what(|| "cannot start lxc-monitord")?;
    drop(command);
    let mut ready = [0];
    if matches!(ours.read(&mut ready), Ok(1)) {
        return Ok(());
    }
    let status = child.wait().what(|| "cannot wait for lxc-monitord")?;
    Err(Error::new(format!("lxc-monitord does not start: {status}")))
}
