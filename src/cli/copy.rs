//! lxc-copy: copies, renames or starts a throw-away copy of a container.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, value_parser};

use super::{Invocation, NameRule, Tool, flag};
use crate::container::copy::{self, Request, copy};
use crate::error::{Error, Result};
use crate::exit::ExitCode;
use crate::identity::{ContainerName, Identity, absolute_lxcpath};
use crate::storage::Specification;
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
        .arg(flag("snapshot").short('s').help("Share with the container what neither changes"))
        .arg(flag("allowrunning").short('a').help("Even if the container runs"))
        .arg(text("backingstorage", 'B', "BACKEND").help("Storage back-end of the copy"))
        .arg(text("fssize", 'L', "SIZE").help("Size of a block device for the copy"))
        .arg(flag("rename").short('R').help("Rename the container instead"))
        .arg(flag("ephemeral").short('e').help("Start a copy that is destroyed when it stops"))
        .arg(
            text("mount", 'm', "MOUNTS")
                .action(ArgAction::Append)
                .help("With -e: mount {bind,overlay}=/FROM[:/TO] as well"),
        )
        .arg(flag("tmpfs").short('t').help("With -e: keep what it writes in memory"))
        .arg(flag("keepdata").short('D').help("With -e: do not destroy it when it stops"))
        .arg(flag("foreground").short('F').help("With -e: stay in the foreground"))
        .arg(flag("daemon").short('d').help("With -e: run in the background (the default)"))
        .arg(flag("keepname").short('K').help("Keep the host name"))
        .arg(super::options::own_ids().help("auto: ids of its own for the copy"))
        .arg(flag("keepmac").short('M').help("Keep the MAC addresses"))
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let source = invocation.identity()?;
    if let Some(path) = invocation.path("newpath")
        && !path.is_absolute()
    {
        return Err(Error::new(format!("the path {} of the copy is not absolute", path.display())));
    }
    // Of several options that say what to do the last one decides.
    let last = |id: &str| {
        invocation.flag(id).then(|| invocation.matches.index_of(id)).flatten().unwrap_or(0)
    };
    if last("rename") > last("snapshot").max(last("ephemeral")) {
        return rename(invocation, &source);
    }
    if invocation.flag("ephemeral") {
        return super::ephemeral::run(invocation, &source);
    }
    let request = Request {
        snapshot: invocation.flag("snapshot"),
        hook_arguments: invocation
            .args
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect(),
        ..request(invocation, &source, new_name(invocation)?)?
    };
    let warnings = copy(&request);
    end_progress(invocation);
    super::start::warn(invocation, &warnings?);
    Ok(ExitCode::SUCCESS)
}

fn new_name(invocation: &Invocation) -> Result<ContainerName> {
    let name = invocation.value("newname");
    ContainerName::new(name.ok_or_else(|| {
        Error::new("You must provide a NEWNAME for the clone").hint("write it after -N")
    })?)
}

fn rename(invocation: &Invocation, source: &Identity) -> Result<ExitCode> {
    let name = new_name(invocation)?;
    let warnings = copy::rename(source, name.clone()).map_err(|error| Error {
        what: format!("Renaming container {source} to {name} failed: {}", error.what),
        ..error
    })?;
    super::start::warn(invocation, &warnings);
    Ok(ExitCode::SUCCESS)
}

/// What the options say of every kind of copy, for one called `name`.
pub(super) fn request(
    invocation: &Invocation,
    source: &Identity,
    name: ContainerName,
) -> Result<Request<'static>> {
    let lxcpath = match invocation.path("newpath") {
        Some(path) => absolute_lxcpath(path)?,
        None => source.lxcpath.clone(),
    };
    Ok(Request {
        backend: invocation.value("backingstorage").map(str::to_owned),
        storage: Specification {
            size: invocation.value("fssize").map(str::to_owned),
            ..Specification::default()
        },
        keep_name: invocation.flag("keepname"),
        keep_mac: invocation.flag("keepmac"),
        own_ids: invocation.value("idmap").is_some(),
        allow_running: invocation.flag("allowrunning"),
        report: progress(invocation),
        ..Request::new(source.clone(), Identity::new(lxcpath, name))
    })
}

/// Whether standard error is a terminal on which progress is shown.
pub(super) fn shows_progress(invocation: &Invocation) -> bool {
    std::io::stderr().is_terminal() && !invocation.flag("quiet")
}

/// The callback for progress: a line on the terminal, if there is one.
pub(super) fn progress(invocation: &Invocation) -> Option<&'static (dyn Fn(Progress) + Sync)> {
    shows_progress(invocation).then_some(&show)
}

fn show(progress: Progress) {
    let mebibytes = progress.bytes >> 20;
    super::output::error_text(&format!("\rcopied {} entries, {mebibytes} MiB", progress.entries));
}

/// Removes the line that shows the progress.
pub(super) fn end_progress(invocation: &Invocation) {
    if shows_progress(invocation) {
        super::output::error_text("\r\x1b[K");
    }
}
