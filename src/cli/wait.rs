//! lxc-wait: blocks until a container is in some state.

use std::time::Duration;

use clap::{Arg, Command};

use super::{Invocation, NameRule, Tool};
use crate::container::wait::wait;
use crate::error::{Error, Result};
use crate::exit::ExitCode;
use crate::state::State;

pub(super) const TOOL: Tool = Tool {
    name: "wait",
    about: "Wait for a state of a container",
    name_rule: NameRule::Required,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    command
        .arg(
            Arg::new("state")
                .long("state")
                .short('s')
                .value_name("STATE[|STATE]...")
                .help("States to wait for"),
        )
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .short('t')
                .value_name("SECONDS")
                .allow_hyphen_values(true)
                .help("Wait at most so long; -1 for ever (the default)"),
        )
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let words = invocation.value("state").ok_or_else(|| {
        Error::new("missing state option to wait for")
            .hint("write -s RUNNING, or -s 'STOPPED|FROZEN'")
    })?;
    let states = words
        .split('|')
        .map(str::parse::<State>)
        .collect::<std::result::Result<Vec<_>, ()>>()
        .map_err(|()| {
            let known = State::ALL.map(State::word).join(" ");
            Error::new(format!("invalid state '{words}'")).hint(format!("there are: {known}"))
        })?;
    let timeout = invocation.value("timeout").unwrap_or("-1");
    let timeout: i64 =
        timeout.parse().map_err(|_| Error::new(format!("invalid timeout '{timeout}'")))?;
    let timeout = u64::try_from(timeout).ok().map(Duration::from_secs);
    let reached = wait(&invocation.identity()?, &states, timeout)?;
    Ok(if reached { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
