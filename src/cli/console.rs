//! lxc-console: the user's terminal on a tty of a container.

use std::os::fd::AsFd;
use std::process::ExitCode;

use clap::{Arg, Command};

use super::{Invocation, NameRule, Tool, errln};
use crate::error::{Error, Kind, Result};
use crate::monitor::client::{Client, Tty};
use crate::sys::process;
use crate::terminal::relay::{self, Relay};
use crate::terminal::{Escape, Held, Raw};

pub(super) const TOOL: Tool = Tool {
    name: "console",
    about: "Connect to a tty of a container",
    name_rule: NameRule::Required,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    command
        .arg(
            Arg::new("tty")
                .long("tty")
                .short('t')
                .value_name("NUMBER")
                .value_parser(clap::value_parser!(i32).range(-1..))
                .allow_hyphen_values(true)
                .default_value("-1")
                .help("Number of the tty; 0 is the console, -1 the next free tty"),
        )
        .arg(
            Arg::new("escape")
                .long("escape")
                .short('e')
                .value_name("PREFIX")
                .allow_hyphen_values(true)
                .default_value("^a")
                .help("The key that, followed by q, leaves; -1 for none"),
        )
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let escape = escape(invocation.value("escape").unwrap_or_default())?;
    let identity = invocation.identity()?;
    let number = invocation.matches.get_one("tty").copied().unwrap_or(-1);
    let tty = Client::new(&identity).tty(number).map_err(|error| match error.kind {
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
    if let Some(letter) = escape.map(Escape::letter) {
        errln!(
            "\nConnected to tty {number}\nType <Ctrl+{letter} q> to exit the console, \
             <Ctrl+{letter} Ctrl+{letter}> to enter Ctrl+{letter} itself"
        );
    }
    let (input, output) = (process::standard(0), process::standard(1));
    let is_terminal = nix::unistd::isatty(input).unwrap_or(false);
    let signals = Held::new(&relay::SIGNALS)?;
    let raw = is_terminal.then(|| Raw::enter(input)).transpose()?;
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
    let signal = relay.run()?;
    drop(raw);
    match signal {
        Some(signal) => process::die_of(signal as i32),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// The escape key that `text` names; `None` for `-1`: all that is typed goes to the container.
fn escape(text: &str) -> Result<Option<Escape>> {
    if text == "-1" {
        return Ok(None);
    }
    Escape::parse(text).map(Some).ok_or_else(|| {
        Error::new(format!("invalid escape character '{text}'"))
            .hint("write a letter: -e b or -e ^b for Ctrl-b; or -e -1 for none")
    })
}
