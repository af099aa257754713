//! lxc-destroy: removes a container and its storage.

use clap::Command;

use super::copy::{end_progress, shows_progress};
use super::{Invocation, NameRule, Tool, flag};
use crate::container::destroy::{destroy, destroy_with_dependents};
use crate::error::Result;
use crate::exit::ExitCode;
use crate::storage::tree::Report;

pub(super) const TOOL: Tool = Tool {
    name: "destroy",
    about: "Remove a container",
    name_rule: NameRule::Required,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    command
        .arg(flag("force").short('f').help("Kill it first if it runs"))
        .arg(flag("snapshots").short('s').help("Its snapshots and clones as well"))
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let destroy = if invocation.flag("snapshots") { destroy_with_dependents } else { destroy };
    let report: Report<'_> = if shows_progress(invocation) { Some(&show) } else { None };
    let destroyed = destroy(&invocation.identity()?, invocation.flag("force"), report);
    end_progress(invocation);
    destroyed?;
    Ok(ExitCode::SUCCESS)
}

fn show(removed: u64) {
    super::output::error_text(&format!("\rremoved {removed} entries"));
}
