//! lxc-destroy: removes a container and its storage.

use std::process::ExitCode;

use clap::{Arg, ArgAction, Command};

use super::{Invocation, NameRule, Tool};
use crate::container::destroy::destroy;
use crate::error::Result;

pub(super) const TOOL: Tool = Tool {
    name: "destroy",
    about: "Remove a container",
    name_rule: NameRule::Required,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    command.arg(
        Arg::new("force")
            .long("force")
            .short('f')
            .action(ArgAction::SetTrue)
            .help("Kill it first if it runs"),
    )
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    destroy(&invocation.identity()?, invocation.flag("force"))?;
    Ok(ExitCode::SUCCESS)
}
