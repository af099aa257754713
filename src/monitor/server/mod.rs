//! The command socket's side in the monitor: who asks, what is asked, what is answered; and the
//! console, whose data passes through the same poll loop.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{SockFlag, UnixCredentials, accept4, setsockopt, sockopt};

mod answer;

use answer::{Ask, reply, reply_number, reply_text};

use super::console::Console;
use super::listeners::{Listener, Listeners};
use super::protocol::{Command, ConsoleLog, DATA_MAX, FRAME_LEN, Request, Response, StateRequest};
use super::signals::Signals;
use super::spawn::Running;
use crate::error::Result;
use crate::init::Plan;
use crate::state::State;
use crate::sys::pty::Pty;
use crate::sys::scm;

/// The command socket and the connections that stay open.
#[derive(Debug)]
pub struct Server {
    listener: OwnedFd,
    /// The container's state.
    pub state: State,
    /// Connections that lease a tty, by its number; 0 is the console.
    leases: Vec<(u32, OwnedFd)>,
    /// Connections of clients that asked for STOP: closed at the end, which is their answer.
    stoppers: Vec<OwnedFd>,
    console: Option<Console>,
}

/// What happens to a connection when its request was handled.
enum After {
    /// It is answered and closed.
    Close,
    /// It stays open for one of the lists.
    Lease(u32),
    /// It stays open until the end.
    UntilStopped,
    /// It waits for a state.
    Listen(StateRequest),
}

/// What is being waited on.
#[derive(Clone, Copy)]
enum Source {
    Listener,
    Signals,
    Init,
    Lease(usize),
    Stopper(usize),
    Waiting(usize),
    Console,
    ConsolePeer,
}

impl Server {
    /// Serves the bound socket `listener`.
    pub fn new(listener: OwnedFd) -> Self {
        Self {
            listener,
            state: State::Starting,
            leases: Vec::new(),
            stoppers: Vec::new(),
            console: None,
        }
    }

    /// Waits for something to happen and handles what is the server's own; returns when signals
    /// arrived or init died.
    pub fn serve(
        &mut self,
        plan: &Plan,
        running: &Running,
        listeners: &mut Listeners,
        signals: &Signals,
    ) -> Result<()> {
        loop {
            let ready = self.poll(running, listeners, signals)?;
            let mut done = false;
            // From the back: handling one may remove it from its list.
            for source in ready.into_iter().rev() {
                match source {
                    Source::Listener => self.accept(plan, running, listeners),
                    Source::Signals | Source::Init => done = true,
                    Source::Lease(index) => self.end_lease(index),
                    Source::Stopper(index) => drop(self.stoppers.swap_remove(index)),
                    Source::Waiting(index) => listeners.forget(index),
                    Source::Console => self.with_console(Console::on_output),
                    Source::ConsolePeer => self.with_console(Console::on_input),
                }
            }
            if done {
                return Ok(());
            }
        }
    }

    fn with_console(&mut self, act: impl FnOnce(&mut Console)) {
        if let Some(console) = &mut self.console {
            act(console);
        }
    }

    /// The console of the container's next life.
    pub fn set_console(&mut self, console: Console) {
        self.console = Some(console);
    }

    /// Takes what is left in the console when init is dead, and gives back what it was shown on.
    pub fn end_console(&mut self) {
        self.with_console(Console::drain);
        self.console = None;
        self.leases.clear();
    }

    fn poll(
        &self,
        running: &Running,
        listeners: &Listeners,
        signals: &Signals,
    ) -> Result<Vec<Source>> {
        let input = PollFlags::POLLIN;
        // A client that waits has nothing more to say: only its end is of interest.
        let hangup = PollFlags::from_bits_retain(libc::POLLRDHUP);
        let mut sources = vec![
            (Source::Listener, self.listener.as_fd(), input),
            (Source::Signals, signals.as_fd(), input),
            (Source::Init, running.pidfd.as_fd(), input),
        ];
        let leases = self.leases.iter().enumerate();
        sources.extend(leases.map(|(i, (_, fd))| (Source::Lease(i), fd.as_fd(), hangup)));
        let stoppers = self.stoppers.iter().enumerate();
        sources.extend(stoppers.map(|(i, fd)| (Source::Stopper(i), fd.as_fd(), hangup)));
        let waiting = listeners.waiting().iter().enumerate();
        sources.extend(waiting.map(|(i, one)| (Source::Waiting(i), one.socket.as_fd(), hangup)));
        if let Some(console) = &self.console {
            sources.extend(console.output().map(|fd| (Source::Console, fd, input)));
            sources.extend(console.input().map(|fd| (Source::ConsolePeer, fd, input)));
        }
        let mut fds: Vec<PollFd<'_>> =
            sources.iter().map(|(_, fd, events)| PollFd::new(*fd, *events)).collect();
        while let Err(errno) = poll(&mut fds, PollTimeout::NONE) {
            if errno != Errno::EINTR {
                return Err(crate::Error::new("cannot wait for events").errno(errno));
            }
        }
        // `None`: an event that nix has no name for, as that of `hangup`.
        let ready = |fd: &PollFd<'_>| fd.revents().is_none_or(|events| !events.is_empty());
        Ok(sources
            .iter()
            .zip(&fds)
            .filter(|(_, fd)| ready(fd))
            .map(|((source, ..), _)| *source)
            .collect())
    }

    fn end_lease(&mut self, index: usize) {
        let (number, _) = self.leases.swap_remove(index);
        if number == 0 {
            self.with_console(Console::detach_peer);
        }
    }

    /// Takes one connection and handles its one request. Whatever is wrong with a client is the
    /// client's problem: it is answered or closed, and the monitor goes on.
    fn accept(&mut self, plan: &Plan, running: &Running, listeners: &mut Listeners) {
        let flags = SockFlag::SOCK_CLOEXEC;
        let listener = std::os::fd::AsRawFd::as_raw_fd(&self.listener);
        let Ok(raw) = accept4(listener, flags) else {
            return;
        };
        let connection = scm::accepted(raw);
        match self.handle(&connection, plan, running, listeners) {
            Ok(After::Close) | Err(_) => {}
            Ok(After::Lease(number)) => self.leases.push((number, connection)),
            Ok(After::UntilStopped) => self.stoppers.push(connection),
            Ok(After::Listen(wanted)) => listeners.add(Listener { socket: connection, wanted }),
        }
    }

    fn handle(
        &mut self,
        connection: &OwnedFd,
        plan: &Plan,
        running: &Running,
        listeners: &mut Listeners,
    ) -> std::io::Result<After> {
        let socket = connection.as_fd();
        setsockopt(&socket, sockopt::PassCred, &true)?;
        // A client that connects and says nothing must not hold up the others.
        let patience = nix::sys::time::TimeVal::new(5, 0);
        setsockopt(&socket, sockopt::ReceiveTimeout, &patience)?;
        setsockopt(&socket, sockopt::SendTimeout, &patience)?;
        let mut header = [0; FRAME_LEN];
        let received = scm::receive(socket, &mut header)?;
        let Some(request) = Request::decode(&header[..received.len]) else {
            return Ok(After::Close);
        };
        if !is_allowed(received.credentials) {
            reply(socket, Response::error(Errno::EPERM), &[], &[])?;
            return Ok(After::Close);
        }
        let data = match request.data_len() {
            Some(len)
                if len <= DATA_MAX && request.command() != Some(Command::AddSeccompListener) =>
            {
                receive_exactly(socket, len)?
            }
            Some(0) => Vec::new(),
            _ => return Ok(After::Close),
        };
        let Some(command) = request.command() else {
            reply(socket, Response::error(Errno::ENOSYS), &[], &[])?;
            return Ok(After::Close);
        };
        let ask = Ask { socket, request: &request, data: &data, plan, running };
        self.answer(command, &ask, listeners)
    }

    fn answer(
        &mut self,
        command: Command,
        ask: &Ask<'_>,
        listeners: &mut Listeners,
    ) -> std::io::Result<After> {
        let Ask { socket, request, plan, running, .. } = ask;
        let socket = *socket;
        let identity = &plan.identity;
        match command {
            Command::GetTtyFd => return self.lease_tty(ask),
            Command::TerminalWinch => {}
            Command::Stop => return ask.stop(),
            Command::GetState => reply_number(socket, self.state.number())?,
            Command::GetInitPid => reply_number(socket, running.init.as_raw())?,
            Command::GetCloneFlags => {
                let flags = u32::try_from(plan.namespaces.flags()).unwrap_or_default();
                reply_number(socket, flags.cast_signed())?;
            }
            Command::GetCgroup | Command::GetLimitCgroup => {
                let inner = command == Command::GetCgroup;
                if let Some(path) = ask.cgroup_path(inner) {
                    reply_text(socket, path.as_os_str().as_bytes())?;
                }
            }
            Command::GetConfigItem => ask.config_item()?,
            Command::GetName => reply_text(socket, identity.name.as_str().as_bytes())?,
            Command::GetLxcpath => reply_text(socket, identity.lxcpath.as_os_str().as_bytes())?,
            Command::AddStateClient => return self.add_state_client(ask),
            Command::ConsoleLog => self.console_log(ask)?,
            Command::ServeStateClients => {
                if let Some(state) = State::from_number(request.number()) {
                    // THAWED is an event; the state behind it is RUNNING.
                    self.state = if state == State::Thawed { State::Running } else { state };
                    listeners.tell(state);
                }
                reply(socket, Response::number(0), &[], &[])?;
            }
            Command::Freeze | Command::Unfreeze => ask.freeze(command == Command::Freeze)?,
            Command::GetCgroup2Fd | Command::GetLimitCgroup2Fd => {
                ask.cgroup2_fd(command == Command::GetLimitCgroup2Fd)?;
            }
            Command::GetInitPidfd => ask.reply_fd(Some(running.pidfd.as_fd()))?,
            Command::GetDevptsFd => ask.reply_fd(running.devpts.as_ref().map(AsFd::as_fd))?,
            Command::GetCgroupContext => ask.cgroup_context()?,
            // The numbers of these two are swapped in LXC as well; what they say is the directory
            // of the limits for the first.
            Command::GetCgroupFd => ask.cgroup_fd(true)?,
            Command::GetLimitCgroupFd => ask.cgroup_fd(false)?,
            Command::AddBpfDevice => ask.add_device_rule()?,
            // No filter of ours notifies.
            Command::AddSeccompListener | Command::GetSeccompNotifyFd => {
                reply(socket, Response::error(Errno::EBADF), &[], &[])?;
            }
            Command::GetSystemdScope => match running.cgroups.layout.unit() {
                Some(unit) => reply_text(socket, unit.as_bytes())?,
                None => reply(socket, Response::error(Errno::EINVAL), &[], &[])?,
            },
        }
        Ok(After::Close)
    }

    fn lease_tty(&mut self, ask: &Ask<'_>) -> std::io::Result<After> {
        let wanted = ask.request.number();
        if wanted == 0 {
            let Some(console) = &mut self.console else {
                return ask.refuse(Errno::EBADF);
            };
            let Ok(ptx) = console.attach_peer() else {
                return ask.refuse(Errno::EBADF);
            };
            reply(ask.socket, Response::number(0), &[], &[ptx.as_fd()])?;
            return Ok(After::Lease(0));
        }
        let ttys = &ask.running.ttys;
        let is_free = |number: u32| !self.leases.iter().any(|(leased, _)| *leased == number);
        let last = u32::try_from(ttys.len()).unwrap_or(u32::MAX);
        let number = match u32::try_from(wanted) {
            Ok(number) => Some(number).filter(|number| *number <= last && is_free(*number)),
            Err(_) => (1..=last).find(|number| is_free(*number)),
        };
        let Some((number, Pty { ptx, .. })) =
            number.and_then(|number| Some((number, ttys.get(number as usize - 1)?)))
        else {
            return ask.refuse(Errno::EBADF);
        };
        reply(ask.socket, Response::number(number.cast_signed()), &[], &[ptx.as_fd()])?;
        Ok(After::Lease(number))
    }

    fn add_state_client(&mut self, ask: &Ask<'_>) -> std::io::Result<After> {
        let Some(wanted) = StateRequest::decode(ask.data) else {
            return ask.refuse(Errno::EINVAL);
        };
        let state = self.state;
        // The answer is "no" also as the return value: both are the state's number, or that of no
        // state for "wait".
        if wanted.wants_now(state) {
            reply(ask.socket, Response::both(state.number()), &[], &[])?;
            return Ok(After::Close);
        }
        reply(ask.socket, Response::both(StateRequest::WAIT), &[], &[])?;
        Ok(After::Listen(wanted))
    }

    fn console_log(&mut self, ask: &Ask<'_>) -> std::io::Result<()> {
        let Some(request) = ConsoleLog::decode(ask.data) else {
            return ask.refuse(Errno::EINVAL).map(drop);
        };
        match self.console.as_mut().and_then(|console| console.ring.as_mut()) {
            None => ask.refuse(Errno::EFAULT).map(drop),
            Some(ring) => match ring.answer(&request) {
                Some(bytes) => reply(ask.socket, Response::data(bytes.len()), &bytes, &[]),
                None => ask.refuse(Errno::ENODATA).map(drop),
            },
        }
    }
}

/// Root may ask everything, and the monitor's own user and group.
fn is_allowed(credentials: Option<UnixCredentials>) -> bool {
    credentials.is_some_and(|one| {
        one.uid() == 0
            || (one.uid() == nix::unistd::getuid().as_raw()
                && one.gid() == nix::unistd::getgid().as_raw())
    })
}

fn receive_exactly(socket: BorrowedFd<'_>, len: usize) -> std::io::Result<Vec<u8>> {
    let mut data = vec![0; len];
    let mut filled = 0;
    while filled < len {
        let received = scm::receive(socket, &mut data[filled..])?;
        if received.len == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        filled += received.len;
    }
    Ok(data)
}
