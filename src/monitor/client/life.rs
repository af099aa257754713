//! Waiting for states, and the end.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use super::Client;
use super::connection::{Answer, Asked};
use crate::channel::wait_readable;
use crate::error::{Error, Result};
use crate::monitor::protocol::{
    Command, Event, FRAME_LEN, MESSAGE_LEN, Message, Request, Response, StateRequest,
};
use crate::state::State;
use crate::sys::scm;

/// What became of a request to wait for a state.
#[derive(Debug)]
pub enum Waiting {
    /// The container is in such a state already.
    Already,
    /// The connection on which the state will be told; its end means STOPPED.
    Told(OwnedFd),
}

impl Client {
    /// Waits for one of some states, registered when this returns.
    pub fn add_state_client(&self, wanted: StateRequest) -> Result<Waiting> {
        let data = wanted.encode();
        let request = Request::with_data(Command::AddStateClient, data.len());
        // The connection is kept, and waited for with others.
        let answer = self.accepted(self.receive(self.send(&request, &data)?)?)?;
        let state = State::from_number(answer.response.value());
        Ok(state.map_or(Waiting::Told(answer.connection), |_| Waiting::Already))
    }

    /// Sets the container's state and tells those who wait for it, as the one who freezes does.
    /// [`take_served`](Self::take_served) waits for the answer.
    pub fn ask_serve_state(&self, state: State) -> Result<Asked> {
        let asked = self.ask_number(Command::ServeStateClients, state.number())?;
        Ok(asked.wait_in_receiving())
    }

    /// Waits until the monitor has heard of it.
    pub fn take_served(&self, asked: Asked) -> Result<()> {
        self.take_number(asked).map(drop)
    }

    /// A connection that ends with the monitor.
    pub fn until_its_end(&self) -> Result<OwnedFd> {
        self.connect().map_err(|errno| self.failed(Some(errno as i32)))
    }

    /// Kills the container; returns when it is stopped, its name free again. `meanwhile` runs when the
    /// monitor was asked.
    pub fn stop(&self, meanwhile: impl FnOnce()) -> Result<()> {
        let request = Request::with_number(Command::Stop, 0);
        let Asked { connection, peer, .. } = self.send(&request, &[])?;
        meanwhile();
        // The end of a container takes as long as its hooks do.
        wait_readable(&connection, None)?;
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
/// Fails with [`Kind::TimedOut`](crate::error::Kind::TimedOut) after `timeout`.
pub fn receive_state(connection: &OwnedFd, timeout: Option<Duration>) -> Result<State> {
    receive_message(connection, timeout).map(|state| state.unwrap_or(State::Stopped))
}

/// As [`receive_state`]; `None` at the end of the stream, which is the STOPPED of a container that does
/// not start again on its own. The message STOPPED is that of a reboot.
pub fn receive_message(connection: &OwnedFd, timeout: Option<Duration>) -> Result<Option<State>> {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let mut bytes = [0; MESSAGE_LEN];
    let mut filled = 0;
    while filled < bytes.len() {
        wait_readable(connection, deadline)?;
        match scm::receive(connection.as_fd(), &mut bytes[filled..]) {
            Ok(received) if received.len > 0 => filled += received.len,
            Ok(_) => return Ok(None),
            Err(error) if error.raw_os_error() == Some(libc::ECONNRESET) => return Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(Error::new(format!("cannot receive a state: {error}"))),
        }
    }
    match Message::decode(&bytes).map(|message| message.event) {
        Some(Event::State(state)) => Ok(Some(state)),
        _ => Err(Error::new("the monitor sent something that is not a state")),
    }
}
