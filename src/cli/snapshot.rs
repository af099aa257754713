//! lxc-snapshot: takes, lists, restores and destroys snapshots of a container.

use std::path::PathBuf;

use clap::{Arg, Command, value_parser};
use serde::Serialize;

use super::copy::{end_progress, progress};
use super::{Invocation, NameRule, Tool, flag, outln};
use crate::container::list::{self, Snapshot};
use crate::container::snapshot;
use crate::error::{Context, Error, Result};
use crate::exit::ExitCode;
use crate::identity::ContainerName;

pub(super) const TOOL: Tool = Tool {
    name: "snapshot",
    about: "Take, list, restore and destroy snapshots",
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
        .arg(flag("list").short('L').help("List the snapshots"))
        .arg(flag("showcomments").short('C').help("With their comments"))
        .arg(
            text("comment", 'c', "FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Keep the content of FILE as the comment"),
        )
        .arg(text("restore", 'r', "SNAPSHOT").help("Restore it"))
        .arg(text("newname", 'N', "NEWNAME").help("Name of the restored container"))
        .arg(text("destroy", 'd', "SNAPSHOT").help("Destroy it; ALL for all"))
        .arg(super::output::format_option(&["text", "json"]))
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let identity = invocation.identity()?;
    if let Some(name) = invocation.value("destroy") {
        snapshot::remove(&identity, name)?;
        return Ok(ExitCode::SUCCESS);
    }
    if invocation.flag("list") {
        return list(invocation);
    }
    let report = progress(invocation);
    let done = if let Some(name) = invocation.value("restore") {
        let word = invocation.args.first().map(|word| word.to_string_lossy().into_owned());
        let new = invocation.value("newname").map(str::to_owned).or(word);
        let new = new.map(ContainerName::new).transpose()?;
        snapshot::restore(&identity, name, new, report)
    } else {
        let comment = invocation.path("comment").map(PathBuf::as_path);
        snapshot::take(&identity, comment, report).map(|(_, warnings)| warnings)
    };
    end_progress(invocation);
    super::start::warn(invocation, &done?);
    Ok(ExitCode::SUCCESS)
}

/// A snapshot as JSON.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    path: PathBuf,
    time: String,
    comment: Option<String>,
}

fn list(invocation: &Invocation) -> Result<ExitCode> {
    let identity = invocation.identity()?;
    if !list::is_defined(&identity)? {
        return Err(Error::new("Container is not defined"));
    }
    let all = list::snapshots(&identity)?;
    if invocation.value("format") == Some("json") {
        let rows = all.iter().map(row).collect::<Result<Vec<Row>>>()?;
        super::output::json(&rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    if all.is_empty() {
        outln!("No snapshots");
    }
    for one in &all {
        outln!("{} ({}) {}", one.identity.name, one.identity.lxcpath.display(), one.time);
        if invocation.flag("showcomments") {
            super::output::bytes(&comment(one)?.unwrap_or_default());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn row(snapshot: &Snapshot) -> Result<Row> {
    Ok(Row {
        name: snapshot.identity.name.to_string(),
        path: snapshot.identity.dir(),
        time: snapshot.time.clone(),
        comment: comment(snapshot)?.map(|text| String::from_utf8_lossy(&text).into_owned()),
    })
}

fn comment(snapshot: &Snapshot) -> Result<Option<Vec<u8>>> {
    let read =
        |path: &PathBuf| std::fs::read(path).context(|| format!("cannot read {}", path.display()));
    snapshot.comment.as_ref().map(read).transpose()
}
