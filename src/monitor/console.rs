//! The container's console in the monitor: what it prints goes to whoever is connected; what they
//! type goes to it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::console_log::{LogFile, Ring};
use crate::config::ConsolePath;
use crate::error::{Context, Result};
use crate::init::{self, Plan};
use crate::sys::pty::{self, Pty};
use crate::terminal::Raw;

/// How much is passed on at once, bytes.
const CHUNK: usize = 4096;

/// The console and who is connected to it.
#[derive(Debug)]
pub struct Console {
    /// The container's console: what we read and write, and the terminal, held open so that the
    /// console survives the moments in which no process inside has it open.
    terminal: Option<(File, OwnedFd)>,
    peer: Option<Peer>,
    /// The last of what it printed (`lxc.console.buffer.size`).
    pub ring: Option<Ring>,
    /// All that it prints (`lxc.console.logfile`).
    log: Option<LogFile>,
}

/// Who is connected.
#[derive(Debug)]
struct Peer {
    terminal: File,
    /// A pseudo terminal's other side, for lxc-console; held open as long as it is connected.
    proxy: Option<OwnedFd>,
    /// A user's terminal, raw as long as it is connected; `None` for a file.
    raw: Option<Raw>,
    /// Whether there may be more to read: a file ends, a terminal hangs up.
    readable: bool,
}

impl Console {
    /// The host's side, before the container exists: what it is to be shown on and logged to must
    /// be there. `lxc.console.path`, else the foreground tool's own terminal, is the peer.
    pub fn open(plan: &Plan) -> Result<Self> {
        let peer = match &plan.config.console.path {
            Some(ConsolePath::None) => None,
            Some(ConsolePath::Path(path)) => Some(
                open(path)
                    .and_then(Peer::user_terminal)
                    .map_err(|error| error.at(plan.config.origin("lxc.console.path")))?,
            ),
            None if plan.daemon || plan.mode == init::Mode::Execute && !is_interactive() => None,
            // Without a controlling terminal the console is not shown.
            None => open(Path::new("/dev/tty")).and_then(Peer::user_terminal).ok(),
        };
        let settings = &plan.config.console;
        let ring = (settings.buffer_size > 0).then(|| Ring::new(settings.buffer_size));
        let log = settings
            .logfile
            .as_deref()
            .map(|path| LogFile::open(path, settings.log_size, settings.rotate))
            .transpose()
            .map_err(|error| error.at(plan.config.origin("lxc.console.logfile")))?;
        Ok(Self { terminal: None, peer, ring, log })
    }

    /// Takes the container's side.
    pub fn connect(&mut self, console: Option<Pty>) {
        self.terminal = console.map(|Pty { ptx, peer }| (File::from(ptx), peer));
    }

    /// Where the container's output can be read.
    pub fn output(&self) -> Option<BorrowedFd<'_>> {
        self.terminal.as_ref().map(|(file, _)| file.as_fd())
    }

    /// Where the peer's input can be read.
    pub fn input(&self) -> Option<BorrowedFd<'_>> {
        self.peer.as_ref().filter(|peer| peer.readable).map(|peer| peer.terminal.as_fd())
    }

    /// Passes on what the container printed.
    pub fn on_output(&mut self) {
        let Some((console, _)) = &mut self.terminal else {
            return;
        };
        let mut buffer = [0; CHUNK];
        match console.read(&mut buffer) {
            Ok(0) | Err(_) => self.terminal = None,
            Ok(len) => {
                let printed = &buffer[..len];
                if let Some(peer) = &mut self.peer
                    && peer.terminal.write_all(printed).is_err()
                {
                    self.peer = None;
                }
                if let Some(ring) = &mut self.ring {
                    ring.push(printed);
                }
                if let Some(log) = &mut self.log {
                    log.append(printed);
                }
            }
        }
    }

    /// Passes on what the peer typed.
    pub fn on_input(&mut self) {
        let (Some(peer), Some((console, _))) = (&mut self.peer, &mut self.terminal) else {
            return;
        };
        let mut buffer = [0; CHUNK];
        match peer.terminal.read(&mut buffer) {
            Ok(0) if peer.raw.is_none() => peer.readable = false,
            Ok(0) | Err(_) => self.peer = None,
            // A container that does not read its console loses what is typed, as on a real one.
            Ok(len) => drop(console.write_all(&buffer[..len])),
        }
    }

    /// Passes on what is left, without waiting for more.
    pub fn drain(&mut self) {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        while let Some(fd) = self.output() {
            let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
            let ready = poll(&mut fds, PollTimeout::ZERO).is_ok_and(|count| count > 0);
            let readable = fds[0].revents().is_some_and(|is| is.contains(PollFlags::POLLIN));
            if !(ready && readable) {
                return;
            }
            self.on_output();
        }
    }

    /// Connects a new pseudo terminal; returns its side for the client. Only one at a time.
    pub fn attach_peer(&mut self) -> Result<OwnedFd> {
        if self.peer.is_some() || self.terminal.is_none() {
            return Err(Errno::EBUSY).what(|| "the console is in use");
        }
        let dev = nix::fcntl::open("/dev", OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
            .what(|| "cannot open /dev")?;
        let Pty { ptx, peer } =
            pty::allocate(dev.as_fd()).what(|| "cannot allocate a pseudo terminal")?;
        let client = ptx.try_clone().what(|| "cannot duplicate a descriptor")?;
        let mut connected = Peer::user_terminal(File::from(peer))?;
        connected.proxy = Some(ptx);
        self.peer = Some(connected);
        Ok(client)
    }

    /// Disconnects the peer.
    pub fn detach_peer(&mut self) {
        self.peer = None;
    }
}

impl Peer {
    /// A file, or a user's terminal, raw from now on: the container's own does the line editing.
    fn user_terminal(terminal: File) -> Result<Self> {
        let is_terminal = nix::unistd::isatty(&terminal).unwrap_or(false);
        let raw = is_terminal.then(|| Raw::enter(terminal.as_fd())).transpose()?;
        Ok(Self { terminal, proxy: None, raw, readable: true })
    }
}

fn is_interactive() -> bool {
    (0..3).any(|number| nix::unistd::isatty(crate::sys::process::standard(number)).unwrap_or(false))
}

fn open(path: &Path) -> Result<File> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_CREAT;
    nix::fcntl::open(path, flags, Mode::from_bits_truncate(0o600))
        .map(File::from)
        .what(|| format!("cannot open the console's peer {}", path.display()))
}
