//! The listening side.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;

use super::{PROGRAM, socket_address};
use crate::error::{Context, Error, Result};
use crate::init::command;
use crate::monitor::client::Peer;
use crate::monitor::protocol::{MESSAGE_LEN, Message};
use crate::sys::exec;
use crate::sys::spawn::{Image, Program};

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
                Ok(connection) => return Self::with(connection, lxcpath),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    start_daemon(lxcpath)?;
                }
                Err(error) => return Err(error).context(failed),
            }
        }
        connect(lxcpath).context(failed).and_then(|connection| Self::with(connection, lxcpath))
    }

    fn with(connection: UnixStream, lxcpath: &Path) -> Result<Self> {
        let peer = Peer::of(connection.as_fd()).context(|| "cannot tell who lxc-monitord is")?;
        peer.require_owner(&[lxcpath], "the socket of lxc-monitord")?;
        Ok(Self { connection })
    }

    /// The next event; `None` of a kind that this program does not know. Fails when the daemon ends.
    pub fn receive(&mut self) -> Result<Option<Message>> {
        let mut bytes = [0; MESSAGE_LEN];
        match self.connection.read_exact(&mut bytes) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(Error::new("lxc-monitord has ended"));
            }
            result => result.context(|| "cannot read from lxc-monitord")?,
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
    let failed = || format!("Unable to open monitor on path: {}", lxcpath.display());
    let connection = connect(lxcpath).context(failed)?;
    let Subscription { mut connection } = Subscription::with(connection, lxcpath)?;
    connection
        .write_all(super::daemon::QUIT)
        // It closes the connection when it is gone.
        .and_then(|()| connection.read_to_end(&mut Vec::new()))
        .map(drop)
        .context(failed)
}

fn connect(lxcpath: &Path) -> std::io::Result<UnixStream> {
    UnixStream::connect_addr(&SocketAddr::from_abstract_name(socket_address(lxcpath))?)
}

/// Starts the daemon in the background and waits until it listens.
fn start_daemon(lxcpath: &Path) -> Result<()> {
    let (mut ours, theirs) = UnixStream::pair().context(|| "cannot make a socket pair")?;
    let program = crate::paths::program()?;
    let daemon = Program {
        program: Image::Path(&program),
        arguments: vec![PROGRAM.into(), lxcpath.into(), READY_FD.to_string().into()],
        environment: exec::own_environment(),
        session: true,
        unblocked: false,
        null: Some(0..=1),
        keep: &[(theirs.as_fd(), READY_FD)],
    };
    let pid = daemon.spawn().context(|| "cannot start lxc-monitord")?;
    drop(theirs);
    let mut ready = [0];
    if matches!(ours.read(&mut ready), Ok(1)) {
        return Ok(());
    }
    let code = command::wait(pid)?;
    Err(Error::new(format!("lxc-monitord does not start: it ended with exit code {code}")))
}
