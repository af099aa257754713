//! The client's side of the command socket: one method a command.

mod peer;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt,
};
use nix::sys::stat::fstat;
use nix::sys::time::TimeVal;
use nix::unistd::Pid;

use super::device_item;
use super::protocol::{
    CgroupContext, CgroupFd, Command, ConsoleLog, FRAME_LEN, MESSAGE_LEN, Message, Request,
    Response, StateRequest, socket_address,
};
use crate::cgroup::devices::Rule;
use crate::cgroup::{Version, file};
use crate::channel::wait_readable;
use crate::error::{Context, Error, Kind, Result};
use crate::identity::Identity;
use crate::namespace::set;
use crate::state::State;
use crate::sys::{process, scm};
pub use peer::Peer;

/// Largest answer: a configuration value.
const ANSWER_MAX: usize = 1 << 20;

/// How long a monitor may take for an answer, unless [`Client::within`] says.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How long to wait, where many are asked, for all those whose sockets have no room.
const ROOM_WITHIN: Duration = Duration::from_secs(1);

/// The time between two tries to connect to a socket that has no room.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks the monitor of one container.
#[derive(Clone, Debug)]
pub struct Client {
    identity: Identity,
    address: Vec<u8>,
    within: Duration,
}

/// Whether somebody holds the command socket of the container, or may.
pub fn is_held(identity: &Identity) -> bool {
    !matches!(Client::new(identity).holder(), Ok(None))
}

/// An answer, who gave it, and the connection it came over.
struct Answer {
    response: Response,
    data: Vec<u8>,
    fds: Vec<OwnedFd>,
    connection: OwnedFd,
    peer: Peer,
}

impl Asked {
    /// Waits for the answer, or the end of the connection; says whether there is one.
    pub fn has_answer(&self, within: Duration) -> bool {
        wait_readable(&self.connection, Some(Instant::now() + within)).is_ok()
    }
}

/// Asks each of `all` before the first answer is waited for. All whose sockets have no room are tried again
/// together; those that have none for too long fail with `EAGAIN`.
pub fn ask_all<T>(all: &[T], ask: impl Fn(&T) -> Result<Asked>) -> Vec<Result<Asked>> {
    let has_no_room = |asked: &Result<Asked>| asked.as_ref().is_err_and(is_no_room);
    let mut asked: Vec<_> = all.iter().map(&ask).collect();
    let deadline = Instant::now() + ROOM_WITHIN;
    while asked.iter().any(has_no_room) && Instant::now() < deadline {
        std::thread::sleep(PAUSE);
        for (one, asked) in all.iter().zip(&mut asked) {
            if has_no_room(asked) {
                *asked = ask(one);
            }
        }
    }
    asked
}

/// Whether the socket that was to be asked has no room.
fn is_no_room(error: &Error) -> bool {
    error.is(Errno::EAGAIN)
}

/// A question that was sent.
#[derive(Debug)]
pub struct Asked {
    connection: OwnedFd,
    peer: Peer,
    deadline: Instant,
}

/// The container's init.
#[derive(Debug)]
pub struct Init {
    /// Its pid here.
    pub pid: Pid,
    /// A pidfd of it.
    pub pidfd: OwnedFd,
    /// Who said so. One that is no [equal](Peer::is_our_equal) named a process that it has all rights
    /// over.
    pub peer: Peer,
}

/// A tty of the container, leased as long as the connection is kept.
#[derive(Debug)]
pub struct Tty {
    /// Its number.
    pub number: i32,
    /// The side to read and write.
    pub ptx: OwnedFd,
    /// The lease.
    pub lease: OwnedFd,
}

/// What became of a request to wait for a state.
#[derive(Debug)]
pub enum Waiting {
    /// The container is in such a state already.
    Already,
    /// The connection on which the state will be told; its end means STOPPED.
    Told(OwnedFd),
}

impl Client {
    /// A client for `identity`; connects with each question.
    pub fn new(identity: &Identity) -> Self {
        Self::at(&socket_address(identity), identity.clone())
    }

    /// A client for the monitor that listens at the abstract `address`, whoever it is.
    pub fn at(address: &[u8], identity: Identity) -> Self {
        Self { identity, address: address.to_vec(), within: ANSWER_WITHIN }
    }

    /// The same, where the monitor may take this long for an answer.
    pub fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    /// Asks `request`, with `data` after it.
    fn ask(&self, request: &Request, data: &[u8]) -> Result<Answer> {
        self.receive(self.send(request, data)?)
    }

    fn receive(&self, asked: Asked) -> Result<Answer> {
        let Asked { connection, peer, deadline } = asked;
        match wait_readable(&connection, Some(deadline)) {
            Err(error) if error.kind == Kind::TimedOut => return Err(self.too_late()),
            result => result?,
        }
        let mut header = [0; FRAME_LEN];
        let received = scm::receive(connection.as_fd(), &mut header)
            .map_err(|error| self.failed(error.raw_os_error()))?;
        let response = match received.len {
            0 => return Err(self.no_answer()),
            _ => Response::decode(&header[..received.len]).ok_or_else(|| self.no_answer())?,
        };
        let len = response.data_len().filter(|len| *len <= ANSWER_MAX);
        let mut data = vec![0; len.ok_or_else(|| self.no_answer())?];
        let mut filled = 0;
        while filled < data.len() {
            if Instant::now() > deadline {
                return Err(self.too_late());
            }
            match scm::receive(connection.as_fd(), &mut data[filled..]) {
                Ok(received) if received.len > 0 => filled += received.len,
                Ok(_) => return Err(self.no_answer()),
                Err(error) => return Err(self.failed(error.raw_os_error())),
            }
        }
        Ok(Answer { response, data, fds: received.fds, connection, peer })
    }

    /// Sends it; waits for room.
    fn send(&self, request: &Request, data: &[u8]) -> Result<Asked> {
        let deadline = Instant::now() + self.within;
        loop {
            match self.send_now(request, data) {
                Err(error) if is_no_room(&error) && Instant::now() < deadline => {
                    std::thread::sleep(PAUSE);
                }
                result => return result,
            }
        }
    }

    /// Sends it; fails with `EAGAIN` if the socket has no room.
    fn send_now(&self, request: &Request, data: &[u8]) -> Result<Asked> {
        let deadline = Instant::now() + self.within;
        let connection = match self.connect() {
            Err(Errno::EAGAIN) => return Err(self.no_room()),
            result => result.map_err(|errno| self.failed(Some(errno as i32)))?,
        };
        let peer = Peer::of(connection.as_fd()).map_err(|errno| self.failed(Some(errno as i32)))?;
        self.require_owner(peer)?;
        // In one piece, so that the monitor need not wait for the data.
        scm::send_with_credentials(connection.as_fd(), &[&request.encode()[..], data].concat())
            .map_err(|errno| self.failed(Some(errno as i32)))?;
        Ok(Asked { connection, peer, deadline })
    }

    /// Connects without waiting for room in the backlog, where `EAGAIN` is the failure. On the connection
    /// it is waited.
    fn connect(&self) -> nix::Result<OwnedFd> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        let seconds = i64::try_from(self.within.as_secs()).unwrap_or(i64::MAX);
        let within = TimeVal::new(seconds, 0);
        setsockopt(&socket, sockopt::SendTimeout, &within)?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &within)?;
        connect(socket.as_raw_fd(), &UnixAddr::new_abstract(&self.address)?)?;
        fcntl(&socket, FcntlArg::F_SETFL(OFlag::empty()))?;
        Ok(socket)
    }

    /// Who holds the container's command socket; `None` if nobody listens on it. Fails with
    /// [`Kind::Impostor`] if that is none who may run the container. Does not wait.
    pub fn holder(&self) -> Result<Option<Peer>> {
        let connection = match self.connect() {
            Err(Errno::ECONNREFUSED) => return Ok(None),
            Err(Errno::EAGAIN) => return Err(self.no_room()),
            result => result.map_err(|errno| self.failed(Some(errno as i32)))?,
        };
        let peer = Peer::of(connection.as_fd()).map_err(|errno| self.failed(Some(errno as i32)))?;
        self.require_owner(peer)?;
        Ok(Some(peer))
    }

    fn require_owner(&self, peer: Peer) -> Result<()> {
        if peer.is_our_equal() {
            return Ok(());
        }
        let config = self.identity.config_file();
        let what = format!("the command socket of {}", self.identity);
        peer.require_owner(&[&self.identity.lxcpath, &config], &what)
    }

    /// What a failed call means; usually that there is no monitor.
    fn failed(&self, errno: Option<i32>) -> Error {
        match errno.map(Errno::from_raw) {
            Some(Errno::ECONNREFUSED) => {
                Error::new(format!("{} is not running", self.identity)).kind(Kind::NotRunning)
            }
            // It may have ended meanwhile, or only not have had the means to answer.
            Some(Errno::EPIPE | Errno::ECONNRESET) => match self.connect() {
                Err(Errno::ECONNREFUSED) => self.failed(Some(Errno::ECONNREFUSED as i32)),
                _ => self.no_answer(),
            },
            Some(Errno::EAGAIN) => self.too_late(),
            Some(errno) => {
                Error::new(format!("cannot ask the monitor of {}", self.identity)).errno(errno)
            }
            None => self.no_answer(),
        }
    }

    fn no_answer(&self) -> Error {
        Error::new(format!("the monitor of {} gave no answer", self.identity))
    }

    /// Fails with `ESRCH`.
    fn no_init(&self) -> Error {
        Error::new(format!("{} has no init now: it is being started or stopped", self.identity))
            .errno(Errno::ESRCH)
            .hint(format!("wait for it with: lxc-wait -n {} -s RUNNING", self.identity.name))
    }

    fn no_room(&self) -> Error {
        Error::new(format!("the command socket of {} has no room", self.identity))
            .errno(Errno::EAGAIN)
            .hint("its holder is in /proc/net/unix, and takes no connection")
    }

    fn too_late(&self) -> Error {
        let seconds = self.within.as_secs();
        Error::new(format!("the monitor of {} does not answer in {seconds} s", self.identity))
            .kind(Kind::TimedOut)
    }

    /// An answer that is not a refusal.
    fn accepted(&self, answer: Answer) -> Result<Answer> {
        let ret = answer.response.ret;
        if ret >= 0 {
            return Ok(answer);
        }
        let errno = Errno::from_raw(-ret);
        Err(if errno == Errno::ESRCH {
            self.no_init()
        } else if errno == Errno::EPERM {
            // LXC's spelling, which scripts look for.
            Error::new(format!("Insufficent privileges to control {}", self.identity))
                .errno(errno)
                .kind(Kind::Denied)
                .hint("only root and the user who started the container may control it")
        } else {
            Error::new(format!("the monitor of {} refused", self.identity)).errno(errno)
        })
    }

    fn number(&self, command: Command, number: i32) -> Result<i32> {
        let answer = self.accepted(self.ask(&Request::with_number(command, number), &[])?)?;
        Ok(answer.response.value())
    }

    fn text(&self, command: Command, argument: Option<&str>) -> Result<String> {
        self.take_text(self.ask_text(command, argument)?)
    }

    fn ask_text(&self, command: Command, argument: Option<&str>) -> Result<Asked> {
        let mut data = argument.unwrap_or_default().as_bytes().to_vec();
        if argument.is_some() {
            data.push(0);
        }
        self.send(&Request::with_data(command, data.len()), &data)
    }

    fn take_text(&self, asked: Asked) -> Result<String> {
        let answer = self.accepted(self.receive(asked)?)?;
        let end = answer.data.iter().position(|byte| *byte == 0).unwrap_or(answer.data.len());
        Ok(String::from_utf8_lossy(&answer.data[..end]).into_owned())
    }

    fn descriptor(&self, command: Command) -> Result<(OwnedFd, Peer)> {
        let answer = self.accepted(self.ask(&Request::with_number(command, 0), &[])?)?;
        let fd = answer.fds.into_iter().next().ok_or_else(|| self.no_answer())?;
        Ok((fd, answer.peer))
    }

    fn require_cgroup(&self, dir: BorrowedFd<'_>) -> Result<()> {
        if file::is_cgroup(dir) {
            return Ok(());
        }
        let what = format!("the monitor of {} sent something that is not a cgroup", self.identity);
        Err(Error::new(what))
    }

    /// The cgroup `dir` if `peer` may have us change it: one that is not an equal may that of its own
    /// ids only.
    fn to_be_changed(&self, dir: OwnedFd, peer: Peer) -> Result<OwnedFd> {
        self.require_cgroup(dir.as_fd())?;
        if peer.is_our_equal() {
            return Ok(dir);
        }
        let owner = fstat(&dir).context(|| "cannot look at the container's cgroup")?.st_uid;
        let is_its_own = owner == peer.uid.as_raw()
            || set::maps_to_user(self.init()?.pid, owner).unwrap_or(false);
        if is_its_own {
            return Ok(dir);
        }
        Err(Error::new(format!("the cgroup of {} is of uid {owner}, not of {peer}", self.identity))
            .kind(Kind::Impostor))
    }

    /// The container's state; without a monitor it is STOPPED.
    pub fn state(&self) -> Result<State> {
        self.take_state(self.send(&Request::with_number(Command::GetState, 0), &[]))
    }

    /// Asks for it, for [`take_state`](Self::take_state); fails with `EAGAIN` if the socket has no room.
    pub fn ask_state(&self) -> Result<Asked> {
        self.send_now(&Request::with_number(Command::GetState, 0), &[])
    }

    /// The answer.
    pub fn take_state(&self, asked: Result<Asked>) -> Result<State> {
        let answer = asked.and_then(|asked| self.receive(asked));
        match answer.and_then(|answer| self.accepted(answer)) {
            Ok(answer) => {
                State::from_number(answer.response.value()).ok_or_else(|| self.no_answer())
            }
            Err(error) if error.kind == Kind::NotRunning => Ok(State::Stopped),
            Err(error) => Err(error),
        }
    }

    /// The pid of init, to be shown.
    pub fn init_pid(&self) -> Result<Pid> {
        self.number(Command::GetInitPid, 0).map(Pid::from_raw)
    }

    /// Init, to act on it.
    pub fn init(&self) -> Result<Init> {
        let request = Request::with_number(Command::GetInitPidfd, 0);
        let answer = self.ask(&request, &[])?;
        if answer.response.ret == -(Errno::EBADF as i32) {
            return Err(self.no_init());
        }
        let Answer { fds, peer, .. } = self.accepted(answer)?;
        let pidfd = fds.into_iter().next().ok_or_else(|| self.no_answer())?;
        let pid = match process::pid_of(pidfd.as_fd()) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {
                let what = format!("the init of {} has ended", self.identity);
                return Err(Error::new(what).kind(Kind::NotRunning));
            }
            result => result.context(|| format!("{peer} sent no init of {}", self.identity))?,
        };
        if !peer.is_our_equal() && !set::belongs_to(pid, peer.uid)? {
            return Err(Error::new(format!(
                "{peer} says that process {pid} is the init of {}, which is not of its user",
                self.identity
            ))
            .kind(Kind::Impostor));
        }
        Ok(Init { pid, pidfd, peer })
    }

    /// As [`init`](Self::init); fails if who says so has fewer rights than this process.
    pub fn init_from_equal(&self) -> Result<Init> {
        let init = self.init()?;
        if init.peer.is_our_equal() {
            return Ok(init);
        }
        Err(Error::new(format!("{} is run by {}", self.identity, init.peer))
            .kind(Kind::Denied)
            .hint("that user may do this"))
    }

    /// Values of the running configuration, in the order of `keys`; empty where it has none. All are
    /// asked for before the first answer is waited for.
    pub fn config_items<const N: usize>(&self, keys: [&str; N]) -> Result<[String; N]> {
        let mut values = [const { String::new() }; N];
        let mut asked = Vec::with_capacity(N);
        for key in keys {
            asked.push(self.ask_text(Command::GetConfigItem, Some(key))?);
        }
        for (value, asked) in values.iter_mut().zip(asked) {
            *value = Self::or_none(self.take_text(asked))?.unwrap_or_default();
        }
        Ok(values)
    }

    /// A value of the running configuration; `None` if it has none.
    pub fn config_item(&self, key: &str) -> Result<Option<String>> {
        Self::or_none(self.text(Command::GetConfigItem, Some(key)))
    }

    fn or_none(value: Result<String>) -> Result<Option<String>> {
        match value {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is(Errno::EPERM) && error.kind == Kind::Denied => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks for the container's name, as its monitor knows it, for [`take_name`](Self::take_name); fails
    /// with `EAGAIN` if the socket has no room.
    pub fn ask_name(&self) -> Result<Asked> {
        self.send_now(&Request::with_data(Command::GetName, 0), &[])
    }

    /// The answer.
    pub fn take_name(&self, asked: Result<Asked>) -> Result<String> {
        self.take_text(asked?)
    }

    /// The address that it asks.
    pub fn address(&self) -> &[u8] {
        &self.address
    }

    /// The directory of containers, as the monitor knows it.
    pub fn lxcpath(&self) -> Result<PathBuf> {
        self.text(Command::GetLxcpath, None).map(PathBuf::from)
    }

    /// The root of the container's devpts; `None` if it has none of its own.
    pub fn devpts(&self) -> Result<Option<OwnedFd>> {
        match self.descriptor(Command::GetDevptsFd) {
            Ok((devpts, _)) => Ok(Some(devpts)),
            Err(error) if error.is(Errno::EBADF) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Init's cgroup in every hierarchy.
    pub fn cgroups(&self) -> Result<Vec<OwnedFd>> {
        let (request, data) = Self::cgroups_request();
        self.take_cgroups(self.send(&request, &data)?)
    }

    fn cgroups_request() -> (Request, [u8; CgroupContext::LEN]) {
        let data = [0; CgroupContext::LEN];
        (Request::with_data(Command::GetCgroupContext, data.len()), data)
    }

    /// Asks for them, for [`take_cgroups`](Self::take_cgroups); fails with `EAGAIN` if the socket has no
    /// room.
    pub fn ask_cgroups(&self) -> Result<Asked> {
        let (request, data) = Self::cgroups_request();
        self.send_now(&request, &data)
    }

    /// The answer.
    pub fn take_cgroups(&self, asked: Asked) -> Result<Vec<OwnedFd>> {
        match self.receive(asked).and_then(|answer| self.accepted(answer)) {
            Ok(answer) => {
                answer.fds.iter().try_for_each(|dir| self.require_cgroup(dir.as_fd()))?;
                Ok(answer.fds)
            }
            Err(error) if error.is(Errno::ENOENT) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// The limiting cgroup of `controller`, and its version; `None` if there is no such controller.
    pub fn limit_cgroup(&self, controller: &str) -> Result<Option<(OwnedFd, Version)>> {
        let data = CgroupFd::of(controller).encode();
        // The numbers of the two are swapped: this one's answer is the directory of the limits.
        let request = Request::with_data(Command::GetCgroupFd, data.len());
        let answer = match self.ask(&request, &data).and_then(|answer| self.accepted(answer)) {
            Ok(answer) => answer,
            Err(error) if error.is(Errno::ENOENT) => return Ok(None),
            Err(error) => return Err(error),
        };
        let version = CgroupFd::decode(&answer.data).and_then(|cgroup| cgroup.version());
        let dir = answer.fds.into_iter().next().map(|dir| self.to_be_changed(dir, answer.peer));
        Ok(dir.transpose()?.zip(version))
    }

    /// The limiting v2 cgroup; `None` on a host that is not purely v2.
    pub fn limit_cgroup2(&self) -> Result<Option<OwnedFd>> {
        match self.descriptor(Command::GetLimitCgroup2Fd) {
            Ok((dir, peer)) => self.to_be_changed(dir, peer).map(Some),
            Err(error) if error.is(Errno::EINVAL) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The unit of an ordinary user's systemd that the container's cgroups are in; `None` if they are in
    /// none that the monitor knows of.
    pub fn systemd_unit(&self) -> Result<Option<String>> {
        match self.text(Command::GetSystemdScope, None) {
            Ok(unit) => Ok(Some(unit)),
            Err(error) if error.is(Errno::EINVAL) || error.is(Errno::ENOSYS) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds a rule to the container's device program, on a host that is purely v2.
    pub fn add_device_rule(&self, rule: &Rule) -> Result<()> {
        let data = device_item::encode(rule);
        let request = Request::with_data(Command::AddBpfDevice, data.len());
        self.ask(&request, &data).and_then(|answer| self.accepted(answer)).map(drop)
    }

    /// Has the calls at the seccomp listeners of an attached command answered as those of init are.
    pub fn add_seccomp_listeners(&self, listeners: &[OwnedFd]) -> Result<()> {
        for listener in listeners {
            let asked = self.send(&Request::with_number(Command::AddSeccompListener, 0), &[])?;
            scm::send_all(asked.connection.as_fd(), &[0], &[listener.as_fd()])
                .map_err(|errno| self.failed(Some(errno as i32)))?;
            self.receive(asked).and_then(|answer| self.accepted(answer))?;
        }
        Ok(())
    }

    /// The listener of the calls that the container's seccomp profile leaves to others; `None` without one.
    pub fn seccomp_listener(&self) -> Result<Option<OwnedFd>> {
        match self.descriptor(Command::GetSeccompNotifyFd) {
            Ok((listener, _)) => Ok(Some(listener)),
            Err(error) if error.is(Errno::EBADF) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes what the console has shown from its buffer, at most `most` bytes, and empties it then if `clear`
    /// says so. Fails with `EFAULT` without a buffer, and with `ENODATA` if there is nothing to be read.
    pub fn console_output(&self, most: Option<usize>, clear: bool) -> Result<Vec<u8>> {
        let mut wanted = ConsoleLog { clear: false, read: true, read_max: 0, write_logfile: false };
        let mut output = Vec::new();
        while most.is_none_or(|most| output.len() < most) {
            let rest = most.map_or(ANSWER_MAX, |most| (most - output.len()).min(ANSWER_MAX));
            wanted.read_max = rest as u64;
            match self.console_log(&wanted) {
                Err(error) if error.is(Errno::ENODATA) && !output.is_empty() => break,
                part => output.extend(part?),
            }
        }
        if clear {
            let clearing =
                ConsoleLog { clear: true, read: false, read_max: 0, write_logfile: false };
            self.console_log(&clearing)?;
        }
        Ok(output)
    }

    fn console_log(&self, wanted: &ConsoleLog) -> Result<Vec<u8>> {
        let data = wanted.encode();
        let request = Request::with_data(Command::ConsoleLog, data.len());
        self.accepted(self.ask(&request, &data)?).map(|answer| answer.data)
    }

    /// Leases tty `number`, 0 the console, -1 any; `None` if it is not to be had.
    pub fn tty(&self, number: i32) -> Result<Option<Tty>> {
        let request = Request::with_number(Command::GetTtyFd, number);
        match self.ask(&request, &[]).and_then(|answer| self.accepted(answer)) {
            Ok(answer) => {
                let number = answer.response.value();
                let ptx = answer.fds.into_iter().next().ok_or_else(|| self.no_answer())?;
                Ok(Some(Tty { number, ptx, lease: answer.connection }))
            }
            Err(error) if error.is(Errno::EBADF) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits for one of some states, registered when this returns.
    pub fn add_state_client(&self, wanted: StateRequest) -> Result<Waiting> {
        let data = wanted.encode();
        let request = Request::with_data(Command::AddStateClient, data.len());
        let answer = self.ask(&request, &data)?;
        let answer = self.accepted(answer)?;
        let state = State::from_number(answer.response.value());
        Ok(state.map_or(Waiting::Told(answer.connection), |_| Waiting::Already))
    }

    /// Sets the container's state and tells those who wait for it, as the one who freezes does.
    pub fn serve_state(&self, state: State) -> Result<()> {
        self.number(Command::ServeStateClients, state.number()).map(drop)
    }

    /// Kills the container; returns when it is stopped, its name free again. `meanwhile` runs when the
    /// monitor was asked.
    pub fn stop(&self, meanwhile: impl FnOnce()) -> Result<()> {
        let request = Request::with_number(Command::Stop, 0);
        let Asked { connection, peer, .. } = self.send(&request, &[])?;
        meanwhile();
        // The end of a container takes as long as its hooks do.
        setsockopt(&connection, sockopt::ReceiveTimeout, &TimeVal::new(0, 0))
            .map_err(|errno| self.failed(Some(errno as i32)))?;
        let mut header = [0; FRAME_LEN];
        match scm::receive(connection.as_fd(), &mut header) {
            // The end of the stream is the success, also when it comes by force.
            Ok(received) if received.len == 0 => Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::ECONNRESET) => Ok(()),
            Err(error) => Err(self.failed(error.raw_os_error())),
            Ok(received) => {
                let response = Response::decode(&header[..received.len]);
                let response = response.ok_or_else(|| self.no_answer())?;
                let (data, fds) = (Vec::new(), Vec::new());
                self.accepted(Answer { response, data, fds, connection, peer }).map(drop)
            }
        }
    }
}

/// Receives the state on the connection of [`Client::add_state_client`]: its end means STOPPED.
/// Fails with [`Kind::TimedOut`] after `timeout`.
pub fn receive_state(connection: &OwnedFd, timeout: Option<Duration>) -> Result<State> {
    receive_message(connection, timeout).map(|state| state.unwrap_or(State::Stopped))
}

/// As [`receive_state`]; `None` at the end of the stream, which is the STOPPED of a container that does
/// not start again on its own. The message STOPPED is that of a reboot.
pub fn receive_message(connection: &OwnedFd, timeout: Option<Duration>) -> Result<Option<State>> {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    wait_readable(connection, deadline)?;
    let mut bytes = [0; MESSAGE_LEN];
    let mut filled = 0;
    while filled < bytes.len() {
        match scm::receive(connection.as_fd(), &mut bytes[filled..]) {
            Ok(received) if received.len > 0 => filled += received.len,
            Ok(_) => return Ok(None),
            Err(error) if error.raw_os_error() == Some(libc::ECONNRESET) => return Ok(None),
            Err(error) => return Err(Error::new(format!("cannot receive a state: {error}"))),
        }
    }
    match Message::decode(&bytes).map(|message| message.event) {
        Some(super::protocol::Event::State(state)) => Ok(Some(state)),
        _ => Err(Error::new("the monitor sent something that is not a state")),
    }
}
