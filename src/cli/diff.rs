//! lxc-rs diff: what is different in a container from what it was made from.

use clap::Command;

use super::{Invocation, NameRule, Tool};
use crate::container::commit::diff;
use crate::error::{Error, Result};
use crate::exit::ExitCode;

pub(super) const TOOL: Tool = Tool {
    name: "diff",
    about: "Show which files of a container were added, changed and deleted",
    name_rule: NameRule::Required,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    command.arg(super::commit::base())
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    if !invocation.args.is_empty() {
        return Err(Error::new("only a container can be named"));
    }
    diff(&invocation.identity()?, invocation.value("base")).map(ExitCode::from)
}
