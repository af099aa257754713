//! The client's side of the command socket: one method a command.

mod cgroups;
mod connection;
mod failure;
mod init;
mod life;
mod peer;
mod terminal;

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;

use super::protocol::{Command, Request, socket_address};
use crate::error::{Kind, Result};
use crate::identity::Identity;
use crate::state::State;
use crate::sys::scm;
pub use connection::{Asked, ask_all};
pub use init::Init;
pub use life::{Waiting, receive_message, receive_state};
pub use peer::Peer;
pub use terminal::Tty;

/// How long a monitor may take for an answer, unless [`Client::within`] says.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Asks the monitor of one container.
#[derive(Clone, Debug)]
pub struct Client {
    identity: Arc<Identity>,
    address: Vec<u8>,
    within: Duration,
}

/// Whether somebody holds the command socket of the container, or may.
pub fn is_held(identity: &Identity) -> bool {
    !matches!(Client::new(identity).holder(), Ok(None))
}

impl Client {
    /// A client for `identity`; connects with each question.
    pub fn new(identity: &Identity) -> Self {
        Self::sharing(Arc::new(identity.clone()))
    }

    /// As [`new`](Self::new), where the caller keeps `identity` for other clients.
    pub fn sharing(identity: Arc<Identity>) -> Self {
        Self { address: socket_address(&identity), identity, within: ANSWER_WITHIN }
    }

    /// A client for the monitor that listens at the abstract `address`, whoever it is.
    pub fn at(address: Vec<u8>, identity: Identity) -> Self {
        Self { identity: Arc::new(identity), address, within: ANSWER_WITHIN }
    }

    /// The same, where the monitor may take this long for an answer.
    pub fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    /// The address that it asks.
    pub fn address(&self) -> &[u8] {
        &self.address
    }

    fn ask_number(&self, command: Command, number: i32) -> Result<Asked> {
        self.send(&Request::with_number(command, number), &[])
    }

    fn take_number(&self, asked: Asked) -> Result<i32> {
        Ok(self.accepted(self.receive(asked)?)?.response.value())
    }

    fn text(&self, command: Command, argument: Option<&str>) -> Result<String> {
        self.take_text(self.ask_text(command, argument)?.wait_in_receiving())
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

    /// The container's state; without a monitor it is STOPPED.
    pub fn state(&self) -> Result<State> {
        self.take_state(self.ask_state().map(Asked::wait_in_receiving))
    }

    /// Asks for it, for [`take_state`](Self::take_state).
    pub fn ask_state(&self) -> Result<Asked> {
        self.ask_number(Command::GetState, 0)
    }

    /// The same; fails with `EAGAIN` if the socket has no room.
    pub fn ask_state_now(&self) -> Result<Asked> {
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

    /// Values of the running configuration, in the order of `keys`; empty where it has none. All are
    /// asked for before the first answer is waited for.
    pub fn config_items<const N: usize>(&self, keys: [&str; N]) -> Result<[String; N]> {
        self.take_config_items(self.ask_config_items(keys)?)
    }

    /// Asks for them, for [`take_config_items`](Self::take_config_items).
    pub fn ask_config_items<const N: usize>(&self, keys: [&str; N]) -> Result<[Asked; N]> {
        let ask = |key| self.ask_text(Command::GetConfigItem, Some(key));
        let asked = keys.into_iter().map(ask).collect::<Result<Vec<_>>>()?;
        // There are as many as keys.
        asked.try_into().map_err(|_| self.no_answer())
    }

    /// The answers.
    pub fn take_config_items<const N: usize>(&self, asked: [Asked; N]) -> Result<[String; N]> {
        let mut values = [const { String::new() }; N];
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
    pub fn ask_name_now(&self) -> Result<Asked> {
        self.send_now(&Request::with_data(Command::GetName, 0), &[])
    }

    /// The answer.
    pub fn take_name(&self, asked: Result<Asked>) -> Result<String> {
        self.take_text(asked?)
    }

    /// The directory of containers, as the monitor knows it.
    pub fn lxcpath(&self) -> Result<PathBuf> {
        self.text(Command::GetLxcpath, None).map(PathBuf::from)
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
}
