//! lxc-copy: copies, renames or starts a throw-away copy of a container.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, Command, value_parser};

use super::{Invocation, NameRule, Tool};
use crate::container::copy::{Request, copy};
use crate::error::{Error, Result};
use crate::identity::{ContainerName, Identity, absolute_lxcpath};
use crate::storage::copy::Progress;

pub(super) const TOOL: Tool = Tool {
    name: "copy",
    about: "Copy a container",
    name_rule: NameRule::Required,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    let flag =
        |id: &'static str, short| Arg::new(id).long(id).short(short).action(ArgAction::SetTrue);
    let text = |id: &'static str, short, name: &'static str| {
        Arg::new(id).long(id).short(short).value_name(name)
    };
    command
        .arg(text("newname", 'N', "NEWNAME").help("Name of the copy"))
        .arg(
            text("newpath", 'p', "NEWPATH")
                .value_parser(value_parser!(PathBuf))
                .help("Directory of containers for the copy"),
        )
        .arg(flag("snapshot", 's').help("Share with the container what neither changes"))
        .arg(flag("allowrunning", 'a').help("Even if the container runs"))
        .arg(text("backingstorage", 'B', "BACKEND").help("Storage back-end of the copy"))
        .arg(text("fssize", 'L', "SIZE").help("Size of a block device for the copy"))
        .arg(flag("keepname", 'K').help("Keep the host name"))
        .arg(flag("keepmac", 'M').help("Keep the MAC addresses"))
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let source = invocation.identity()?;
    let name = invocation
        .value("newname")
        .ok_or_else(|| Error::new("You must provide a NEWNAME for the clone").hint("-N NEWNAME"))?;
    let lxcpath = match invocation.path("newpath") {
        Some(path) => absolute_lxcpath(path)?,
        None => source.lxcpath.clone(),
    };
    let request = Request {
        target: Identity::new(lxcpath, ContainerName::new(name)?),
        source,
        snapshot: invocation.flag("snapshot"),
        backend: invocation.value("backingstorage").map(str::to_owned),
        keep_name: invocation.flag("keepname"),
        keep_mac: invocation.flag("keepmac"),
        allow_running: invocation.flag("allowrunning"),
        hook_arguments: invocation
            .args
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect(),
        report: progress(invocation),
    };
    let warnings = copy(&request);
    end_progress(invocation);
    super::start::warn(invocation, &warnings?);
    Ok(ExitCode::SUCCESS)
}

fn shows_progress(invocation: &Invocation) -> bool {
    std::io::stderr().is_terminal() && !invocation.flag("quiet")
}

/// Who is told the progress: a line on the terminal, if somebody sits there.
pub(super) fn progress(invocation: &Invocation) -> Option<&'static (dyn Fn(Progress) + Sync)> {
    shows_progress(invocation).then_some(&show)
}

fn show(progress: Progress) {
    let mebibytes = progress.bytes >> 20;
    super::output::error_text(&format!("\rcopied {} entries, {mebibytes} MiB", progress.entries));
}

/// Takes the line away.
pub(super) fn end_progress(invocation: &Invocation) {
    if shows_progress(invocation) {
        super::output::error_text("\r\x1b[K");
    }
}
