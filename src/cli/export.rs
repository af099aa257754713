//! lxc-rs export: a container in one archive.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Arg, Command};

use super::{Invocation, NameRule, Tool, flag};
use crate::container::export::{Request, export};
use crate::error::{Error, Result};
use crate::exit::ExitCode;

pub(super) const TOOL: Tool = Tool {
    name: "export",
    about: "Write a container to an archive",
    name_rule: NameRule::Required,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    let text = |id: &'static str, name: &'static str| Arg::new(id).long(id).value_name(name);
    command
        .arg(
            text("format", "FORMAT")
                .value_parser(["lxc", "oci"])
                .default_value("lxc")
                .help("A container, or an image of one layer"),
        )
        .arg(compression(&["none", "gzip", "zstd", "xz"]))
        .arg(text("tag", "TAG").help("Tag of the image (default: the container's name)"))
        .arg(flag("snapshots").help("With its snapshots"))
        .arg(allow_running())
}

/// The option for what an archive or a layer is compressed with.
pub(super) fn compression(words: &[&'static str]) -> Arg {
    Arg::new("compress")
        .long("compress")
        .value_name("HOW")
        .value_parser(words.to_vec())
        .help("Compress with this")
}

/// The option for a container that runs.
pub(super) fn allow_running() -> Arg {
    flag("allowrunning").help("Even if the container runs")
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let file = match invocation.args.as_slice() {
        [] => None,
        [file] if file == "-" => None,
        [file] => Some(PathBuf::from(file)),
        _ => return Err(Error::new("only one file can be named")),
    };
    if file.is_none() && std::io::stdout().is_terminal() {
        return Err(Error::new("standard output is a terminal").hint("name a file"));
    }
    let format = invocation.value("format").unwrap_or("lxc");
    let chosen = invocation.value("compress");
    if format == "oci" && chosen == Some("xz") {
        return Err(Error::new("a layer cannot be compressed with xz")
            .hint("there are none, gzip and zstd"));
    }
    if format == "oci" && invocation.flag("snapshots") {
        return Err(Error::new("an image has no snapshots").hint("leave --snapshots away"));
    }
    let by_name = file.as_deref().filter(|_| format == "lxc").map_or("none", of_name);
    let request = Request {
        identity: invocation.identity()?,
        compression: chosen.unwrap_or(by_name).to_owned(),
        format: format.to_owned(),
        file,
        tag: invocation.value("tag").map(str::to_owned),
        allow_running: invocation.flag("allowrunning"),
        snapshots: invocation.flag("snapshots"),
    };
    export(&request).map(ExitCode::from)
}

/// How a file of this name is compressed.
fn of_name(file: &Path) -> &'static str {
    match file.extension().and_then(|end| end.to_str()) {
        Some("gz" | "tgz") => "gzip",
        Some("zst" | "tzst") => "zstd",
        Some("xz" | "txz") => "xz",
        _ => "none",
    }
}
