//! The monitor's poll loop: the command socket and its connections, and the console. Whatever else
//! the monitor waits for, it waits for here, so that it always answers.
//!
//! Nobody can hold the loop up: no call in it waits, and what a client, a terminal or the container
//! does not take is kept within bounds or dropped.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::Pid;
use rustix::io::ioctl_fionbio;

mod ask;
mod commands;
mod connection;
mod connections;
mod notifier;

use ask::Ask;
use connection::{Connection, Input, Reply, Role};
use connections::Connections;
use notifier::{LISTENERS, Notifier, PROXY};

use super::console::Console;
use super::spawn::Running;
use crate::channel::Wait;
use crate::error::{Context, Error, Kind, Result};
use crate::identity::ContainerName;
use crate::init::Plan;
use crate::state::State;
use crate::sys::deadline::poll_timeout;
use crate::sys::{scm, seccomp};

/// Events: the command socket.
const LISTENER: u64 = 0;
/// What [`Server::serve`] waits for.
const AWAITED: u64 = 1;
/// The container's side of the console.
const CONSOLE: u64 = 2;
/// Whoever the console is connected to.
const PEER: u64 = 3;
/// The first connection.
const FIRST: u64 = 4;

/// Most events handled at once.
const BATCH: usize = 64;
/// How long no connection is accepted where there are no descriptors for one.
const PAUSE: Duration = Duration::from_millis(100);

/// The command socket, its connections, and the console.
#[derive(Debug)]
pub struct Server {
    epoll: Epoll,
    /// `None` when the container's name was given up.
    listener: Option<OwnedFd>,
    /// Until when no connection is accepted, if descriptors ran out.
    paused: Option<Instant>,
    /// The container's state.
    pub state: State,
    owner: Owner,
    connections: Connections,
    console: Option<Console>,
    /// Calls that the seccomp filter leaves to another program.
    notifier: Notifier,
    /// Whether a client asked for the end of a container that was still being started.
    stop_wanted: bool,
    /// Whether init was sent `SIGKILL`.
    killed: bool,
}

/// What is served: the container, as far as it exists.
#[derive(Clone, Copy, Debug)]
pub struct Served<'a> {
    /// What was started.
    pub plan: &'a Plan,
    /// What it has, from its init's exec to its end.
    pub running: Option<&'a Running>,
}

/// What becomes of a connection when its request was handled.
enum After {
    /// It is answered and closed.
    Close,
    /// It stays open.
    Keep(Role),
}

impl Server {
    /// Serves the bound socket `listener`.
    pub fn new(listener: OwnedFd) -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .context(|| "cannot make an epoll instance")?;
        ioctl_fionbio(&listener, true)
            .map_err(std::io::Error::from)
            .context(|| "cannot set up the command socket")?;
        epoll
            .add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))
            .context(|| "cannot watch the command socket")?;
        Ok(Self {
            epoll,
            listener: Some(listener),
            paused: None,
            state: State::Starting,
            owner: Owner::new(),
            connections: Connections::new(FIRST),
            console: None,
            notifier: Notifier::default(),
            stop_wanted: false,
            killed: false,
        })
    }

    /// Serves until one of `awaited` is readable or at its end.
    ///
    /// Fails with [`Kind::Stopped`] if a client asks for the end of a container that is being started.
    pub fn serve(&mut self, served: Served<'_>, awaited: &[BorrowedFd<'_>]) -> Result<()> {
        let watched: Vec<&BorrowedFd<'_>> = awaited.iter().collect();
        let mut result = Ok(());
        for fd in &watched {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, AWAITED);
            result = result.and(self.epoll.add(fd, event).context(|| "cannot wait for events"));
        }
        result = result.and_then(|()| self.serve_all(served));
        for fd in watched {
            // One that could not be added is not there.
            let _ = self.epoll.delete(fd);
        }
        result
    }

    fn serve_all(&mut self, served: Served<'_>) -> Result<()> {
        loop {
            let mut events = [EpollEvent::empty(); BATCH];
            let count = match self.epoll.wait(&mut events, self.timeout()) {
                Err(Errno::EINTR) => 0,
                result => result.context(|| "cannot wait for events")?,
            };
            let mut awaited = false;
            for event in &events[..count] {
                match event.data() {
                    LISTENER => self.accept(served),
                    AWAITED => awaited = true,
                    CONSOLE => self.with_console(|console| console.on_container(event.events())),
                    PEER => self.with_console(|console| console.on_peer(event.events())),
                    PROXY => self.notifier.on_proxy(&self.epoll, &served.plan.config),
                    LISTENERS.. => {
                        let (number, events) = (event.data(), event.events());
                        self.notifier.on_listener(&self.epoll, number, events, &served.plan.config);
                    }
                    number => self.on_connection(number, served),
                }
            }
            self.with_console(Console::on_time);
            self.notifier.on_time(&self.epoll, &served.plan.config);
            self.resume();
            if self.stop_wanted && self.state == State::Starting {
                return Err(
                    Error::new("it was stopped while it was being started").kind(Kind::Stopped)
                );
            }
            if awaited {
                return Ok(());
            }
        }
    }

    /// How long to wait at most.
    fn timeout(&self) -> EpollTimeout {
        let deadline = self.console.as_ref().and_then(Console::deadline);
        let first = deadline.into_iter().chain(self.paused).chain(self.notifier.deadline()).min();
        first.map_or(EpollTimeout::NONE, poll_timeout)
    }

    fn with_console(&mut self, act: impl FnOnce(&mut Console)) {
        if let Some(console) = &mut self.console {
            act(console);
            console.watch(&self.epoll, CONSOLE, PEER);
        }
    }

    /// Whether a client had init killed.
    pub fn killed_init(&self) -> bool {
        self.killed
    }

    /// The console of the container's next life.
    pub fn set_console(&mut self, console: Console) {
        self.console = Some(console);
        self.with_console(|_| {});
    }

    /// Takes what is left in the console when init is dead, and gives back what it was shown on.
    pub fn end_console(&mut self) {
        if let Some(mut console) = self.console.take() {
            console.end(&self.epoll);
        }
        self.connections.end_leases(&self.epoll);
    }

    /// Tells those who wait for `state`.
    pub fn publish(&mut self, name: &ContainerName, state: State) {
        self.state = state;
        self.connections.tell(&self.epoll, name, state);
    }

    /// Tells those who wait that the container stops and starts again.
    pub fn publish_reboot(&mut self, name: &ContainerName) {
        self.connections.tell_reboot(&self.epoll, name);
    }

    /// Gives up the container's name: from now on another monitor may have it. The connections stay:
    /// their end is what tells the clients of STOPPED and of the monitor's end.
    pub fn release(&mut self) {
        if let Some(listener) = self.listener.take() {
            let _ = self.epoll.delete(&listener);
        }
        self.paused = None;
    }

    /// Ends the connections of those who wait for STOPPED. Those of silent clients stay: they wait for
    /// the monitor's end.
    pub fn close_told(&mut self) {
        self.connections.end_told(&self.epoll);
    }

    /// Takes a new connection. There may be many more: the others have their turn in between.
    fn accept(&mut self, served: Served<'_>) {
        loop {
            let Some(listener) = &self.listener else { return };
            match scm::accept(listener.as_fd()) {
                Ok(socket) => {
                    // One of which that cannot be told is closed.
                    let Ok(is_known) = self.owner.knows(&socket) else { return };
                    let number = self.connections.next_number();
                    // A client asks as soon as it is connected, so that most are answered here.
                    return self.go_on(number, Connection::new(socket, is_known), served);
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN | Errno::ECONNABORTED) => return,
                Err(_) if self.connections.make_room(&self.epoll) => {}
                Err(errno) => {
                    log::warn!("cannot accept a connection for {PAUSE:?}: {errno}");
                    return self.pause();
                }
            }
        }
    }

    /// Leaves the connections that cannot be accepted where they are, for a moment.
    fn pause(&mut self) {
        if self.watch_listener(EpollFlags::empty()) {
            self.paused = Some(Instant::now() + PAUSE);
        }
    }

    fn resume(&mut self) {
        if self.paused.is_some_and(|until| until <= Instant::now()) {
            self.watch_listener(EpollFlags::EPOLLIN);
            self.paused = None;
        }
    }

    fn watch_listener(&self, flags: EpollFlags) -> bool {
        let mut event = EpollEvent::new(flags, LISTENER);
        let listener = self.listener.as_ref();
        listener.is_some_and(|listener| self.epoll.modify(listener, &mut event).is_ok())
    }

    fn on_connection(&mut self, number: u64, served: Served<'_>) {
        // It may have been closed by an event before this one.
        if let Some(connection) = self.connections.take(number) {
            self.go_on(number, connection, served);
        }
    }

    /// Goes on with a connection that was taken out, or is new; keeps it if it waits for something.
    fn go_on(&mut self, number: u64, mut connection: Connection, served: Served<'_>) {
        let stays = match connection.role {
            Role::Asking(_) => self.on_input(&mut connection, served),
            Role::Answered(_) => connection.write(),
            // They have nothing to say: this is their end.
            Role::Lease(_) | Role::Waiting(_) | Role::Stopping => false,
        };
        if stays && connection.watch(&self.epoll, number).is_ok() {
            return self.connections.keep(&self.epoll, number, connection);
        }
        connection.forget(&self.epoll);
        if matches!(connection.role, Role::Lease(0)) {
            self.with_console(Console::detach_peer);
        }
    }

    /// Reads, and answers a request that is complete; says whether the connection stays open.
    fn on_input(&mut self, connection: &mut Connection, served: Served<'_>) -> bool {
        let (request, data);
        let (answer, after) = match connection.read() {
            Input::Incomplete => return true,
            Input::Over => return false,
            Input::Listener(fd) => (Some(self.add_listener_of_client(fd, served)), After::Close),
            Input::Complete(header, bytes) if connection.is_known => {
                (request, data) = (header, bytes);
                self.command(&Ask { request: &request, data: &data, served })
            }
            Input::Complete(..) => (Some(Reply::error(Errno::EPERM)), After::Close),
        };
        if answer.is_some_and(|reply| connection.answer(&reply).is_err()) {
            return false;
        }
        match after {
            After::Close => matches!(connection.role, Role::Answered(_)),
            After::Keep(role) => {
                connection.role = role;
                true
            }
        }
    }

    /// Has the calls at `fd`, of the container whose first process is `init`, answered.
    pub fn add_listener(&mut self, fd: OwnedFd, init: Pid, served: Served<'_>) -> Result<()> {
        self.notifier.add(&self.epoll, fd, init, &served.plan.config)
    }

    /// The listener of an attached command.
    fn add_listener_of_client<'a>(&mut self, fd: OwnedFd, served: Served<'_>) -> Reply<'a> {
        let Some(running) = served.running.filter(|_| seccomp::is_listener(fd.as_fd())) else {
            return Reply::error(Errno::EINVAL);
        };
        match self.add_listener(fd, running.init.pid, served) {
            Ok(()) => Reply::number(0),
            Err(error) => Reply::error(error.errno.map_or(Errno::EIO, Errno::from_raw)),
        }
    }
}

/// Whose container this is: the user and group of the monitor, which stay the same.
#[derive(Clone, Copy, Debug)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    fn new() -> Self {
        Self { uid: nix::unistd::getuid().as_raw(), gid: nix::unistd::getgid().as_raw() }
    }

    /// Whether a client may ask: root may, and the owner.
    fn knows(self, client: &OwnedFd) -> Result<bool> {
        let peer =
            getsockopt(client, sockopt::PeerCredentials).context(|| "cannot tell whose it is")?;
        Ok(peer.uid() == 0 || (peer.uid() == self.uid && peer.gid() == self.gid))
    }
}

/// Waits as a monitor does: it serves meanwhile.
#[derive(Debug)]
pub struct Serving<'a> {
    /// Who serves.
    pub server: &'a mut Server,
    /// What.
    pub served: Served<'a>,
}

impl Wait for Serving<'_> {
    fn readable(&mut self, fds: &[BorrowedFd<'_>]) -> Result<()> {
        self.server.serve(self.served, fds)
    }

    fn take_listener(&mut self, listener: OwnedFd, init: Pid) -> Result<()> {
        self.server.add_listener(listener, init, self.served)
    }
}
