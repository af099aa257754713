//! lxc-rs cp: files into containers, and out of them.

use clap::Command;

use super::{Invocation, NameRule, Tool, flag};
use crate::container::cp::{Request, Side, copy};
use crate::error::{Error, Result};
use crate::exit::ExitCode;

pub(super) const TOOL: Tool = Tool {
    name: "cp",
    about: "Copy files between the host and a container",
    name_rule: NameRule::Free,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    command
        .arg(
            flag("archive")
                .short('a')
                .help("Keep owners, by the ids that they have in the container"),
        )
        .arg(
            flag("follow-link")
                .short('L')
                .help("Copy what a source that is a symbolic link leads to"),
        )
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let [source, target] = invocation.args.as_slice() else {
        return Err(Error::new("a source and a target are needed")
            .hint("write SOURCE TARGET; one of them is NAME:PATH"));
    };
    let lxcpath = invocation.lxcpath()?;
    let side = |word: &std::ffi::OsString| Side::parse(word, &lxcpath);
    let request = Request {
        source: side(source)?,
        target: side(target)?,
        keep_owners: invocation.flag("archive"),
        follow: invocation.flag("follow-link"),
    };
    let has_container = |side: &Side| matches!(side, Side::Container(..));
    if !has_container(&request.source) && !has_container(&request.target) {
        return Err(Error::new("neither the source nor the target is a container's")
            .hint("write NAME:PATH for one of them"));
    }
    copy(&request).map(ExitCode::from)
}
