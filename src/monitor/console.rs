//! The container's console in the monitor: what it prints goes to whoever is connected; what they
//! type goes to it.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::stat::Mode;
use rustix::io::ioctl_fionbio;

use super::console_log::{LogFile, Ring};
use super::queue::Queue;
use crate::config::ConsolePath;
use crate::error::{Context, Result};
use crate::init::{self, Plan};
use crate::sys::pty::{self, Pty};
use crate::terminal::Raw;

/// How much is passed on at once, bytes.
const CHUNK: usize = 4096;
/// Most of what is read when the container has ended, bytes: a process may have outlived it.
const LEFT_MAX: usize = 1 << 20;

/// The console and who is connected to it. No call waits for either of them.
#[derive(Debug)]
pub struct Console {
    /// The container's console: what we read and write, and the terminal, held open so that the
    /// console survives the moments in which no process inside has it open.
    terminal: Option<(File, OwnedFd)>,
    /// What was typed and the container has not taken yet.
    typed: Queue,
    peer: Option<Peer>,
    /// The last of what it printed (`lxc.console.buffer.size`).
    pub ring: Option<Ring>,
    /// All that it prints (`lxc.console.logfile`).
    log: Option<LogFile>,
    /// What is being waited for at the two sides.
    watched: [Watched; 2],
    /// Sides that ended and are still watched.
    over: (Option<File>, Option<Peer>),
}

/// Who is connected.
#[derive(Debug)]
struct Peer {
    terminal: File,
    /// What was printed and the peer has not taken yet.
    printed: Queue,
    /// A pseudo terminal's other side, for lxc-console; held open as long as it is connected.
    proxy: Option<OwnedFd>,
    /// A user's terminal, raw as long as it is connected; `None` for a file.
    raw: Option<Raw>,
    /// Whether there may be more to read: a file ends, a terminal hangs up.
    readable: bool,
}

/// What an epoll instance waits for at one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watched {
    Not,
    /// The kernel cannot wait for it: a file, which takes everything at once.
    Never,
    For(EpollFlags),
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
        Ok(Self {
            terminal: None,
            typed: Queue::default(),
            peer,
            ring,
            log,
            watched: [Watched::Not; 2],
            over: (None, None),
        })
    }

    /// Takes the container's side.
    pub fn connect(&mut self, console: Option<Pty>) -> Result<()> {
        if let Some(Pty { ptx, peer }) = console {
            ioctl_fionbio(&ptx, true)
                .map_err(std::io::Error::from)
                .context(|| "cannot set up the container's console")?;
            self.terminal = Some((File::from(ptx), peer));
        }
        Ok(())
    }

    /// Lets `epoll` wait for what both sides can do next, as events `container` and `peer`.
    pub fn watch(&mut self, epoll: &Epoll, container: u64, peer: u64) {
        let flags = |read: bool, write: bool| {
            let mut flags = EpollFlags::empty();
            flags.set(EpollFlags::EPOLLIN, read);
            flags.set(EpollFlags::EPOLLOUT, write);
            flags
        };
        self.unwatch(epoll);
        if let Some((terminal, _)) = &self.terminal {
            let takes = self.peer.as_ref().is_none_or(|peer| peer.printed.takes_more());
            let wanted = flags(takes, !self.typed.is_empty());
            self.watched[0].renew(epoll, terminal, wanted, container);
        }
        if let Some(one) = &self.peer {
            let reads = one.readable && self.terminal.is_some() && self.typed.takes_more();
            let wanted = flags(reads, !one.printed.is_empty());
            self.watched[1].renew(epoll, &one.terminal, wanted, peer);
        }
    }

    /// Closes what ended.
    fn unwatch(&mut self, epoll: &Epoll) {
        let (container, peer) = (self.over.0.take(), self.over.1.take());
        if let Some(terminal) = container {
            self.watched[0].end(epoll, &terminal);
        }
        if let Some(peer) = peer {
            self.watched[1].end(epoll, &peer.terminal);
        }
    }

    /// When [`on_time`](Self::on_time) is due.
    pub fn deadline(&self) -> Option<Instant> {
        let peer = self.peer.as_ref().and_then(|peer| peer.printed.deadline());
        peer.into_iter().chain(self.typed.deadline()).min()
    }

    /// Drops what a peer does not take in time.
    pub fn on_time(&mut self) {
        let now = Instant::now();
        self.typed.drop_stalled(now);
        if let Some(peer) = &mut self.peer {
            peer.printed.drop_stalled(now);
        }
    }

    /// The container printed, or takes what was typed.
    pub fn on_container(&mut self, events: EpollFlags) {
        if events.contains(EpollFlags::EPOLLOUT)
            && let Some((terminal, _)) = &mut self.terminal
        {
            self.typed.write_to(terminal);
        }
        if events.intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR) {
            self.take_printed();
        }
    }

    /// Passes on what the container printed; says how much that was.
    fn take_printed(&mut self) -> usize {
        let Some((terminal, _)) = &mut self.terminal else { return 0 };
        let mut buffer = [0; CHUNK];
        match terminal.read(&mut buffer) {
            Err(error) if would_block(&error) => 0,
            Ok(0) | Err(_) => {
                self.detach_container();
                0
            }
            Ok(len) => {
                let printed = &buffer[..len];
                if let Some(peer) = &mut self.peer {
                    peer.printed.pass(printed, &mut peer.terminal);
                    if peer.printed.is_broken() {
                        self.detach_peer();
                    }
                }
                if let Some(ring) = &mut self.ring {
                    ring.push(printed);
                }
                if let Some(log) = &mut self.log {
                    log.append(printed);
                }
                len
            }
        }
    }

    /// The peer typed, takes what was printed, or is gone.
    pub fn on_peer(&mut self, events: EpollFlags) {
        let Some(peer) = &mut self.peer else { return };
        if events.contains(EpollFlags::EPOLLOUT) {
            peer.printed.write_to(&mut peer.terminal);
        }
        let mut is_over = peer.printed.is_broken()
            || events.intersects(EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR);
        if events.contains(EpollFlags::EPOLLIN)
            && let Some((terminal, _)) = &mut self.terminal
        {
            let mut buffer = [0; CHUNK];
            match peer.terminal.read(&mut buffer) {
                Err(error) if would_block(&error) => {}
                Ok(0) if peer.raw.is_none() => peer.readable = false,
                Ok(0) | Err(_) => is_over = true,
                Ok(len) => self.typed.pass(&buffer[..len], terminal),
            }
        }
        if is_over {
            self.detach_peer();
        }
    }

    /// Passes on what is left when the container has ended, and gives back what it was shown on.
    pub fn end(&mut self, epoll: &Epoll) {
        let mut left = LEFT_MAX;
        loop {
            let len = self.take_printed();
            left = left.saturating_sub(len);
            if let Some(peer) = &mut self.peer {
                peer.printed.finish(&mut peer.terminal);
            }
            if len == 0 || left == 0 {
                break;
            }
        }
        self.detach_container();
        self.detach_peer();
        self.unwatch(epoll);
    }

    fn detach_container(&mut self) {
        self.over.0 = self.terminal.take().map(|(terminal, _)| terminal);
        self.typed.forget();
    }

    /// Connects a new pseudo terminal; returns its side for the client. Only one at a time.
    pub fn attach_peer(&mut self) -> Result<OwnedFd> {
        if self.peer.is_some() || self.terminal.is_none() {
            return Err(Errno::EBUSY).context(|| "the console is in use");
        }
        let dev = nix::fcntl::open("/dev", OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
            .context(|| "cannot open /dev")?;
        let Pty { ptx, peer } =
            pty::allocate(dev.as_fd()).context(|| "cannot allocate a pseudo terminal")?;
        ioctl_fionbio(&peer, true)
            .map_err(std::io::Error::from)
            .context(|| "cannot set up a pseudo terminal")?;
        let client = ptx.try_clone().context(|| "cannot duplicate a descriptor")?;
        let mut connected = Peer::user_terminal(File::from(peer))?;
        connected.proxy = Some(ptx);
        self.peer = Some(connected);
        Ok(client)
    }

    /// Disconnects the peer.
    pub fn detach_peer(&mut self) {
        if let Some(mut peer) = self.peer.take() {
            peer.printed.forget();
            self.over.1 = Some(peer);
        }
    }
}

impl Peer {
    /// A file, or a user's terminal, raw from now on: the container's own does the line editing.
    ///
    /// In its background only output is passed on: the foreground job reads it and sets its mode.
    fn user_terminal(terminal: File) -> Result<Self> {
        let is_terminal = nix::unistd::isatty(&terminal).unwrap_or(false);
        let foreground = nix::unistd::tcgetpgrp(&terminal);
        let in_background = foreground.is_ok_and(|group| group != nix::unistd::getpgrp());
        let raw =
            (is_terminal && !in_background).then(|| Raw::enter(terminal.as_fd())).transpose()?;
        let readable = !in_background;
        Ok(Self { terminal, printed: Queue::default(), proxy: None, raw, readable })
    }
}

fn is_interactive() -> bool {
    (0..3).any(|number| nix::unistd::isatty(crate::sys::process::standard(number)).unwrap_or(false))
}

fn open(path: &Path) -> Result<File> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
    let flags = flags | OFlag::O_CLOEXEC | OFlag::O_CREAT;
    nix::fcntl::open(path, flags, Mode::from_bits_truncate(0o600))
        .map(File::from)
        .context(|| format!("cannot open the console's peer {}", path.display()))
}

fn would_block(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

impl Watched {
    /// Waits for `wanted` at `fd`, as event `number`.
    fn renew(&mut self, epoll: &Epoll, fd: &File, wanted: EpollFlags, number: u64) {
        let result = match *self {
            Self::Never => return,
            Self::For(flags) if flags == wanted => return,
            Self::For(_) => epoll.modify(fd, &mut EpollEvent::new(wanted, number)),
            Self::Not => epoll.add(fd, EpollEvent::new(wanted, number)),
        };
        *self = if result.is_ok() { Self::For(wanted) } else { Self::Never };
    }

    fn end(&mut self, epoll: &Epoll, fd: &File) {
        // By hand: a process that was made meanwhile may hold a copy of the descriptor.
        let _ = epoll.delete(fd);
        *self = Self::Not;
    }
}
