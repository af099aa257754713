//! Who is told about states: clients of the command socket that wait for one, and lxc-monitord
//! through its fifo.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use super::protocol::{Message, StateRequest};
use crate::identity::Identity;
use crate::state::State;
use crate::sys::scm;

/// A connection on which a client waits for one of some states.
#[derive(Debug)]
pub struct Listener {
    /// The connection.
    pub socket: OwnedFd,
    /// The states it waits for.
    pub wanted: StateRequest,
}

/// All who wait, and the container they wait for.
#[derive(Debug)]
pub struct Listeners {
    identity: Identity,
    waiting: Vec<Listener>,
}

impl Listeners {
    /// Nobody waits yet.
    pub fn new(identity: Identity) -> Self {
        Self { identity, waiting: Vec::new() }
    }

    /// Adds one who waits.
    pub fn add(&mut self, listener: Listener) {
        self.waiting.push(listener);
    }

    /// Those who wait.
    pub fn waiting(&self) -> &[Listener] {
        &self.waiting
    }

    /// Forgets the one at `index`, who went away.
    pub fn forget(&mut self, index: usize) {
        self.waiting.swap_remove(index);
    }

    /// Tells those who wait for `state`; each is told once, and its connection closed.
    pub fn tell(&mut self, state: State) {
        let message = Message::state(&self.identity.name, state).encode();
        self.waiting.retain(|listener| {
            if !listener.wanted.wants(state) {
                return true;
            }
            // A client that went away need not be told.
            let _ = scm::send_fds(listener.socket.as_fd(), &message, &[]);
            false
        });
    }

    /// Tells lxc-monitord of a state.
    pub fn publish(&self, state: State) {
        publish(&self.identity, state);
    }

    /// Tells lxc-monitord how init ended (the status of wait(2)).
    pub fn publish_exit(&self, status: i32) {
        write_fifo(&self.identity, &Message::exit(&self.identity.name, status));
    }

    /// At the end of a life that is not a reboot: the end of the stream is what those understand who
    /// wait for STOPPED.
    pub fn close_all(&mut self) {
        self.waiting.clear();
    }

    /// At a reboot: all are told STOPPED, but those who wait for the container to run again.
    pub fn tell_reboot(&mut self) {
        let message = Message::state(&self.identity.name, State::Stopped).encode();
        self.waiting.retain(|listener| {
            if listener.wanted.survives_reboot() {
                return true;
            }
            if listener.wanted.wants(State::Stopped) {
                let _ = scm::send_fds(listener.socket.as_fd(), &message, &[]);
            }
            false
        });
    }
}

/// Tells lxc-monitord that the container `identity` is in `state`. Who freezes a container tells it:
/// its monitor has no part in that.
pub fn publish(identity: &Identity, state: State) {
    write_fifo(identity, &Message::state(&identity.name, state));
}

/// Without a reader of the fifo nobody wants to know.
fn write_fifo(identity: &Identity, message: &Message) {
    let path = crate::paths::monitor_fifo(&identity.lxcpath);
    let fifo =
        OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path);
    if let Ok(mut fifo) = fifo {
        // One write below PIPE_BUF is atomic (pipe(7)); a reader that went away meanwhile or
        // let the pipe run full does not hold the container up.
        let _ = fifo.write_all(&message.encode());
    }
}
