//! System calls that the container's filter leaves to another program (`notify` in a seccomp profile),
//! the proxy of `lxc.seccomp.notify.proxy`. The monitor passes them on and their answers back, in LXC's
//! format; it does not look at them.
//!
//! Neither a container nor a proxy can hold the monitor up: at most [`CALLS_MAX`] calls are under way, none
//! longer than [`ANSWERED_WITHIN`]. If the proxy is gone, hangs or says what is not an answer, all calls that
//! are under way fail with ENOSYS, as in LXC, and the next one gets a new connection.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::sys::stat::Mode;
use nix::unistd::Pid;

use crate::config::Config;
use crate::error::{Context, Error, Result};
use crate::sys::scm;
use crate::sys::seccomp::{self, ANSWER_LEN, Answer, CALL_LEN, Call, DATA_LEN};

/// Events: the proxy.
pub(super) const PROXY: u64 = 1 << 62;
/// The first listener.
pub(super) const LISTENERS: u64 = PROXY + 1;

/// Most calls that wait for the proxy. More wait in the kernel.
const CALLS_MAX: usize = 32;
/// How long the proxy may take for one (LXC's time).
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// Length of the head of a message.
const HEAD_LEN: usize = 32;
/// Length of an answer: the message without the cookie.
const MESSAGE_LEN: usize = HEAD_LEN + CALL_LEN + ANSWER_LEN;

/// A descriptor at which calls arrive: that of init, or of an attached command.
#[derive(Debug)]
struct Listener {
    fd: OwnedFd,
    number: u64,
    /// The container's first process, as the proxy is told.
    init: Pid,
}

/// A call that the proxy was asked.
#[derive(Debug)]
struct Asked {
    listener: u64,
    id: u64,
    until: Instant,
}

/// The listeners and the connection to the proxy.
#[derive(Debug, Default)]
pub(super) struct Notifier {
    listeners: Vec<Listener>,
    next: u64,
    proxy: Option<OwnedFd>,
    asked: VecDeque<Asked>,
}

impl Notifier {
    /// Watches `fd`. Connects to the proxy if there is to be one: without it the container does not start.
    pub(super) fn add(
        &mut self,
        epoll: &Epoll,
        fd: OwnedFd,
        init: Pid,
        config: &Config,
    ) -> Result<()> {
        if self.proxy.is_none() {
            self.proxy = connect_to(epoll, config)?;
        }
        let listener = Listener { fd, number: LISTENERS + self.next, init };
        self.next += 1;
        epoll
            .add(&listener.fd, EpollEvent::new(self.interest(config), listener.number))
            .context(|| "cannot watch the seccomp filter's listener")?;
        self.listeners.push(listener);
        Ok(())
    }

    /// The oldest listener, for a program that answers the calls itself.
    pub(super) fn oldest(&self) -> Option<BorrowedFd<'_>> {
        self.listeners.first().map(|listener| listener.fd.as_fd())
    }

    /// When the proxy must have answered.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.asked.front().map(|asked| asked.until)
    }

    /// Without a proxy the calls are for whoever takes the listener, and wait for that one.
    fn interest(&self, config: &Config) -> EpollFlags {
        let takes = config.seccomp.notify_proxy.is_some() && self.asked.len() < CALLS_MAX;
        if takes { EpollFlags::EPOLLIN } else { EpollFlags::empty() }
    }

    fn watch(&self, epoll: &Epoll, config: &Config) {
        for Listener { fd, number, .. } in &self.listeners {
            // One that cannot be watched was not there before.
            let _ = epoll.modify(fd, &mut EpollEvent::new(self.interest(config), *number));
        }
    }

    /// Something happened at the listener `number`.
    pub(super) fn on_listener(
        &mut self,
        epoll: &Epoll,
        number: u64,
        events: EpollFlags,
        config: &Config,
    ) {
        let Some(at) = self.listeners.iter().position(|one| one.number == number) else { return };
        if events.contains(EpollFlags::EPOLLIN) {
            // One that was killed meanwhile has nothing to say.
            if let Ok(call) = seccomp::receive(self.listeners[at].fd.as_fd()) {
                self.on_call(epoll, at, &call, config);
                self.watch(epoll, config);
            }
        } else if events.intersects(EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR) {
            // The last process with this filter is gone.
            let gone = self.listeners.remove(at);
            let _ = epoll.delete(&gone.fd);
            self.asked.retain(|asked| asked.listener != number);
            self.watch(epoll, config);
            if self.listeners.is_empty() {
                self.proxy = None;
            }
        }
    }

    fn on_call(&mut self, epoll: &Epoll, at: usize, call: &Call, config: &Config) {
        let (id, number) = (call.id(), self.listeners[at].number);
        let until = Instant::now() + ANSWERED_WITHIN;
        match self.ask(epoll, at, call, config) {
            Ok(()) => self.asked.push_back(Asked { listener: number, id, until }),
            Err(error) => {
                log::error!("seccomp: call {id:#x} fails with ENOSYS: {error}");
                deny(self.listeners[at].fd.as_fd(), id);
            }
        }
    }

    /// Sends the call to the proxy, over a new connection if the old one is gone.
    fn ask(&mut self, epoll: &Epoll, at: usize, call: &Call, config: &Config) -> Result<()> {
        let Listener { fd, init, .. } = &self.listeners[at];
        let no_process = || format!("cannot open the memory of process {}", call.pid());
        let flags = OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
        let process = format!("/proc/{}", call.pid());
        let process = open(process.as_str(), flags | OFlag::O_DIRECTORY, Mode::empty())
            .context(no_process)?;
        let memory =
            openat(&process, "mem", flags | OFlag::O_RDWR, Mode::empty()).context(no_process)?;
        if !seccomp::is_waiting(fd.as_fd(), call.id()) {
            return Err(Error::new("its process is gone"));
        }
        let cookie = config.seccomp.notify_cookie.as_deref().unwrap_or_default();
        let message = message(call, *init, cookie.as_bytes());
        for is_last in [false, true] {
            if self.proxy.is_none() {
                self.proxy = connect_to(epoll, config)?;
            }
            let fds = [process.as_fd(), memory.as_fd(), self.listeners[at].fd.as_fd()];
            let Some(proxy) = &self.proxy else { break };
            match scm::send_now(proxy.as_fd(), &message, &fds) {
                Ok(_) => return Ok(()),
                Err(Errno::EAGAIN) => return Err(Error::new("the proxy takes nothing more")),
                Err(errno) => {
                    let error = Error::new("cannot send to the proxy").errno(errno);
                    if is_last {
                        return Err(error);
                    }
                    self.give_up(&error);
                }
            }
        }
        Err(Error::new("there is no proxy"))
    }

    /// Something came from the proxy.
    pub(super) fn on_proxy(&mut self, epoll: &Epoll, config: &Config) {
        // As many as there can be, so that others have their turn.
        for _ in 0..CALLS_MAX {
            let Some(proxy) = &self.proxy else { break };
            // One byte more: a longer message is none.
            let mut bytes = [0; MESSAGE_LEN + 1];
            match scm::receive(proxy.as_fd(), &mut bytes) {
                Ok(received) if received.len == MESSAGE_LEN && received.fds.is_empty() => {
                    let mut answer = [0; ANSWER_LEN];
                    answer.copy_from_slice(&bytes[HEAD_LEN + CALL_LEN..MESSAGE_LEN]);
                    self.on_answer(Answer::of(answer));
                }
                Ok(received) if received.len == 0 => {
                    self.give_up(&Error::new("the proxy is gone"));
                }
                Ok(_) => self.give_up(&Error::new("the proxy sent what is not an answer")),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) => self.give_up(&Error::new(format!("the proxy is gone: {error}"))),
            }
        }
        self.watch(epoll, config);
    }

    fn on_answer(&mut self, answer: Answer) {
        let Some(at) = self.asked.iter().position(|asked| asked.id == answer.id()) else {
            return self.give_up(&Error::new("the proxy answered a call that does not wait"));
        };
        let Some(Asked { listener, id, .. }) = self.asked.remove(at) else { return };
        let Some(listener) = self.listeners.iter().find(|one| one.number == listener) else {
            return;
        };
        match seccomp::answer(listener.fd.as_fd(), answer) {
            Ok(()) => {}
            // It was killed meanwhile, or the proxy has answered it itself.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            Err(error) => {
                log::error!("seccomp: the kernel refuses the proxy's answer: {error}");
                deny(listener.fd.as_fd(), id);
            }
        }
    }

    /// Gives a proxy up that takes too long.
    pub(super) fn on_time(&mut self, epoll: &Epoll, config: &Config) {
        if self.deadline().is_some_and(|deadline| deadline <= Instant::now()) {
            self.give_up(&Error::new(format!("no answer within {ANSWERED_WITHIN:?}")));
            self.watch(epoll, config);
        }
    }

    /// Closes the connection; what was asked on it fails.
    fn give_up(&mut self, why: &Error) {
        log::error!("seccomp proxy: {why}; {} calls fail with ENOSYS", self.asked.len());
        self.proxy = None;
        for Asked { listener, id, .. } in std::mem::take(&mut self.asked) {
            if let Some(listener) = self.listeners.iter().find(|one| one.number == listener) {
                deny(listener.fd.as_fd(), id);
            }
        }
    }
}

/// Has the call fail. One that was killed meanwhile needs no answer.
fn deny(listener: BorrowedFd<'_>, id: u64) {
    let _ = seccomp::answer(listener, Answer::error(id, libc::ENOSYS));
}

/// A connection to the proxy that never waits; `None` if there is to be none.
fn connect_to(epoll: &Epoll, config: &Config) -> Result<Option<OwnedFd>> {
    let Some(address) = &config.seccomp.notify_proxy else { return Ok(None) };
    let name = address.strip_prefix("unix:").unwrap_or(address);
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let connected = || -> nix::Result<OwnedFd> {
        let address = match name.strip_prefix('@') {
            Some(name) => UnixAddr::new_abstract(name.as_bytes())?,
            None => UnixAddr::new(name)?,
        };
        let socket = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
        connect(socket.as_raw_fd(), &address)?;
        epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, PROXY))?;
        Ok(socket)
    };
    connected()
        .map(Some)
        .context(|| format!("cannot connect to the seccomp proxy {name}"))
        .map_err(|error| error.at(config.origin("lxc.seccomp.notify.proxy")))
}

/// `struct seccomp_notify_proxy_msg` of LXC, the call, an answer to be filled in, the cookie.
fn message(call: &Call, init: Pid, cookie: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(MESSAGE_LEN + cookie.len());
    message.extend([0; 8]);
    message.extend(nix::unistd::getpid().as_raw().to_ne_bytes());
    message.extend(init.as_raw().to_ne_bytes());
    for len in [CALL_LEN, ANSWER_LEN, DATA_LEN, 0] {
        message.extend(u16::try_from(len).unwrap_or_default().to_ne_bytes());
    }
    message.extend((cookie.len() as u64).to_ne_bytes());
    message.extend(call.bytes());
    message.extend(Answer::error(call.id(), 0).bytes());
    message.extend(cookie);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_as_lxc_sends_them() {
        let bytes = message(&Call::default(), Pid::from_raw(7), b"hello");
        assert_eq!(bytes.len(), 141);
        assert_eq!(bytes[12..32], *b"\x07\0\0\0\x50\0\x18\0\x40\0\0\0\x05\0\0\0\0\0\0\0");
        assert_eq!(bytes[136..], *b"hello");
    }
}
