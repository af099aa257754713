//! Telling lxc-monitord, through its fifo, what happens to a container.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use super::protocol::Message;
use crate::identity::Identity;
use crate::state::State;

/// Tells it that the container `identity` is in `state`.
pub(crate) fn state(identity: &Identity, state: State) {
    write(identity, &Message::state(&identity.name, state));
}

/// Tells it how the init of `identity` ended (the status of wait(2)).
pub(super) fn exit(identity: &Identity, status: i32) {
    write(identity, &Message::exit(&identity.name, status));
}

/// Without a reader of the fifo nobody wants to know.
fn write(identity: &Identity, message: &Message) {
    let path = crate::paths::monitor_fifo(&identity.lxcpath);
    let fifo =
        OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path);
    if let Ok(mut fifo) = fifo {
        // One write below PIPE_BUF is atomic (pipe(7)). It is lost if the reader is gone or lets the
        // pipe run full: nobody may hold the container up.
        let _ = fifo.write_all(&message.encode());
    }
}
