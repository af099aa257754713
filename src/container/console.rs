//! Connecting the user's terminal with a terminal of a container.

use std::os::fd::AsFd;

use nix::sys::signal::Signal;

use crate::error::{Error, Kind, Result};
use crate::identity::Identity;
use crate::monitor::client::{Client, Tty};
use crate::sys::process;
use crate::terminal::relay::{self, Relay};
use crate::terminal::{Escape, Held, Raw};

/// Connects standard input and output with the terminal `number` of the container, 0 for its console, -1
/// for any, until the user leaves with `escape` or the terminal hangs up; `connected` is called with the
/// number. Returns the signal that ended the connection, which is still to take effect.
pub fn connect(
    identity: &Identity,
    number: i32,
    escape: Option<Escape>,
    connected: impl FnOnce(i32),
) -> Result<Option<Signal>> {
    let tty = Client::new(identity).tty(number).map_err(|error| match error.kind {
        Kind::NotRunning => {
            Error::new(format!("{} is not running", identity.name)).kind(Kind::NotRunning)
        }
        _ => error,
    })?;
    let Some(Tty { number, ptx, lease: _lease }) = tty else {
        return Err(Error::new("Denied access to tty").hint(
            "it is in use, or there are not so many: lxc.tty.max says how many; -t 0 is the console",
        ));
    };
    connected(number);
    let (input, output) = (process::standard(0), process::standard(1));
    let is_terminal = nix::unistd::isatty(input).unwrap_or(false);
    let signals = Held::new(&relay::SIGNALS)?;
    let _raw = is_terminal.then(|| Raw::enter(input)).transpose()?;
    let relay = Relay {
        input,
        output,
        ptx: ptx.as_fd(),
        until: None,
        escape,
        log: None,
        signals: &signals,
        interrupt: None,
    };
    relay.run()
}

/// The message to a user who is connected with the terminal `number`.
pub fn greeting(number: i32, escape: Escape) -> String {
    let letter = escape.letter();
    format!(
        "\nConnected to tty {number}\nType <Ctrl+{letter} q> to exit the console, \
         <Ctrl+{letter} Ctrl+{letter}> to enter Ctrl+{letter} itself"
    )
}
