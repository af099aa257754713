//! The daemon: a fifo that the monitors write to, a socket for those who listen.

use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};
use nix::sys::stat::Mode;

use super::socket_address;
use crate::error::{Context, Error, Result};
use crate::monitor::protocol::MESSAGE_LEN;
use crate::paths;
use crate::sys::{lock, process};

/// The name under which the daemon runs.
pub const PROGRAM: &str = "lxc-monitord";
/// What a client writes to end the daemon.
pub(super) const QUIT: &[u8] = b"quit";
/// How long a daemon stays without listeners.
const IDLE: Duration = Duration::from_secs(30);
/// How long a listener may keep the daemon waiting with what it sends.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How long the daemon waits where it cannot accept a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// How long the daemon runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// Until nobody has listened for 30 seconds.
    WhileUsed,
    /// Until it is told to end.
    ForEver,
}

/// Serves `lxcpath`; writes a byte to `ready` when it listens. If another daemon serves it already,
/// that is as good.
pub fn serve(lxcpath: &Path, ready: Option<OwnedFd>, stay: Stay) -> Result<()> {
    let fifo = Fifo::open(paths::monitor_fifo(lxcpath))?;
    let mut daemon = match fifo {
        Some(fifo) => Some(Daemon::new(lxcpath, fifo)?),
        None => None,
    };
    if let Some(ready) = ready {
        // A caller that is gone need not know.
        let _ = nix::unistd::write(ready, b"S");
        // Standard error was for the caller, who may be read from by somebody who waits for its end.
        process::silence_stdio().context(|| "cannot open /dev/null")?;
    }
    daemon.as_mut().map_or(Ok(()), |daemon| daemon.run(stay))
}

/// The fifo, locked: one daemon for each. Removed at the end.
#[derive(Debug)]
struct Fifo {
    path: PathBuf,
    file: File,
}

impl Fifo {
    /// `None` if another daemon has it.
    fn open(path: PathBuf) -> Result<Option<Self>> {
        let failed = || format!("cannot make the fifo {}", path.display());
        if let Some(dir) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o755).create(dir).context(failed)?;
        }
        loop {
            match nix::unistd::mkfifo(&path, Mode::from_bits_truncate(0o600)) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno).context(failed),
            }
            // Open for writing as well: there is no end of file when the last monitor closes it.
            let mut options = File::options();
            options.read(true).write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
            let file = match options.open(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                result => result.context(failed)?,
            };
            match fcntl(&file, FcntlArg::F_SETLK(&lock::whole_file())) {
                Err(Errno::EACCES | Errno::EAGAIN) => return Ok(None),
                result => drop(result.context(failed)?),
            }
            // Its last owner may have removed it meanwhile.
            let there = std::fs::symlink_metadata(&path).map(|meta| meta.ino()).ok();
            if there == Some(file.metadata().context(failed)?.ino()) {
                return Ok(Some(Self { path, file }));
            }
        }
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        // Somebody may have cleaned /run up.
        let _ = std::fs::remove_file(&self.path);
    }
}

struct Daemon {
    // Dropped first: a client that connects from then on starts another daemon.
    listener: UnixListener,
    fifo: Fifo,
    clients: Vec<UnixStream>,
    ended: UnixStream,
}

impl Daemon {
    fn new(lxcpath: &Path, fifo: Fifo) -> Result<Self> {
        let address = SocketAddr::from_abstract_name(socket_address(lxcpath));
        let listener = address
            .and_then(|address| UnixListener::bind_addr(&address))
            .context(|| format!("cannot listen for {}", lxcpath.display()))?;
        let (ended, signal) = UnixStream::pair().context(|| "cannot make a socket pair")?;
        for number in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
            signal
                .try_clone()
                .and_then(|pipe| signal_hook::low_level::pipe::register(number, pipe))
                .context(|| "cannot catch signals")?;
        }
        Ok(Self { listener, fifo, clients: Vec::new(), ended })
    }

    fn run(&mut self, stay: Stay) -> Result<()> {
        loop {
            let idle = self.clients.is_empty() && stay == Stay::WhileUsed;
            let timeout = PollTimeout::try_from(IDLE).ok().filter(|_| idle);
            let fixed = [self.ended.as_fd(), self.listener.as_fd(), self.fifo.file.as_fd()];
            let mut fds: Vec<PollFd<'_>> = fixed
                .into_iter()
                .chain(self.clients.iter().map(AsFd::as_fd))
                .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
                .collect();
            match poll(&mut fds, timeout.unwrap_or(PollTimeout::NONE)) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(Error::new("cannot wait for events").errno(errno)),
            }
            let ready: Vec<bool> =
                fds.iter().map(|fd| fd.revents().is_some_and(|it| !it.is_empty())).collect();
            if ready[0] {
                return Ok(());
            }
            // From the back: one that went away is removed.
            for index in (0..self.clients.len()).rev().filter(|index| ready[3 + index]) {
                let mut word = [0; QUIT.len()];
                match self.clients[index].read(&mut word) {
                    Ok(len) if word[..len] == *QUIT => return Ok(()),
                    _ => drop(self.clients.swap_remove(index)),
                }
            }
            if ready[2] {
                self.pass_on();
            }
            if ready[1] {
                self.accept();
            }
        }
    }

    fn accept(&mut self) {
        let client = match self.listener.accept() {
            Ok((client, _)) => client,
            Err(error) => {
                if error.kind() != ErrorKind::ConnectionAborted {
                    // Without descriptors left it stays where it is, and would be tried without end.
                    std::thread::sleep(PAUSE);
                }
                return;
            }
        };
        let allowed = getsockopt(&client, sockopt::PeerCredentials)
            .is_ok_and(|peer| [0, nix::unistd::geteuid().as_raw()].contains(&peer.uid()));
        let timeouts = client
            .set_read_timeout(Some(TIMEOUT))
            .and_then(|()| client.set_write_timeout(Some(TIMEOUT)));
        if allowed && timeouts.is_ok() {
            self.clients.push(client);
        }
    }

    /// A message is written at once, so it is read at once (pipe(7), `PIPE_BUF`).
    fn pass_on(&mut self) {
        let mut message = [0; MESSAGE_LEN];
        if matches!((&self.fifo.file).read(&mut message), Ok(MESSAGE_LEN)) {
            // One that went away or does not read is no longer told.
            self.clients.retain_mut(|client| client.write_all(&message).is_ok());
        }
    }
}
