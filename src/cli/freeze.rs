//! lxc-freeze and lxc-unfreeze.

use std::time::Duration;

use clap::{Arg, Command, value_parser};

use super::{Invocation, NameRule, Tool};
use crate::container::freeze::{WITHIN, freeze, unfreeze};
use crate::container::list::is_defined;
use crate::error::{Error, Kind, Result};
use crate::exit::ExitCode;

pub(super) const FREEZE: Tool = Tool {
    name: "freeze",
    about: "Freeze all processes of a container",
    name_rule: NameRule::Required,
    options: freeze_options,
    run: run_freeze,
    more_help: None,
};

pub(super) const UNFREEZE: Tool = Tool {
    name: "unfreeze",
    about: "Thaw all processes of a container",
    name_rule: NameRule::Required,
    options: no_options,
    run: run_unfreeze,
    more_help: None,
};

fn freeze_options(command: Command) -> Command {
    command.arg(
        Arg::new("timeout")
            .long("timeout")
            .short('t')
            .value_name("SECONDS")
            .value_parser(value_parser!(u64))
            .help("Thaw again if not all is frozen by then (default 10)"),
    )
}

fn no_options(command: Command) -> Command {
    command
}

fn run_freeze(invocation: &Invocation) -> Result<ExitCode> {
    let identity = invocation.identity()?;
    let seconds = invocation.matches.get_one::<u64>("timeout").copied();
    let within = seconds.map_or(WITHIN, Duration::from_secs);
    freeze(&identity, within).map_err(|error| explain(invocation, "freeze", error))?;
    Ok(ExitCode::SUCCESS)
}

fn run_unfreeze(invocation: &Invocation) -> Result<ExitCode> {
    let identity = invocation.identity()?;
    match unfreeze(&identity) {
        // A container that does not run is not frozen.
        Err(error) if error.kind == Kind::NotRunning && is_defined(&identity)? => {}
        result => result.map_err(|error| explain(invocation, "unfreeze", error))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn explain(invocation: &Invocation, what: &str, error: Error) -> Error {
    let place = invocation
        .identity()
        .map(|identity| format!("{}:{}", identity.lxcpath.display(), identity.name));
    Error {
        what: format!("Failed to {what} {}: {}", place.unwrap_or_default(), error.what),
        ..error
    }
}
