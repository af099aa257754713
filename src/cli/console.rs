//! lxc-console: the user's terminal on a tty of a container.

use clap::{Arg, Command};

use super::{Invocation, NameRule, Tool, errln};
use crate::container::console;
use crate::error::{Error, Result};
use crate::exit::ExitCode;
use crate::sys::process;
use crate::terminal::Escape;

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
    let greet = |number| {
        if let Some(escape) = escape {
            errln!("{}", console::greeting(number, escape));
        }
    };
    match console::connect(&identity, number, escape, greet)? {
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
