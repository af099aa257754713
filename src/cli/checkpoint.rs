//! lxc-checkpoint: writes a running container to files, and makes it again from them.

use std::path::PathBuf;

use clap::{Arg, Command, value_parser};

use super::start::warn;
use super::{Invocation, NameRule, Tool, flag};
use crate::container::checkpoint::{self, dump};
use crate::container::list::is_defined;
use crate::container::start::{self, Started};
use crate::criu::Images;
use crate::error::{Context, Error, Kind, Result};
use crate::exit::ExitCode;

pub(super) const TOOL: Tool = Tool {
    name: "checkpoint",
    about: "Write a running container to files, or restore it from them",
    name_rule: NameRule::Required,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    let path = |id: &'static str| Arg::new(id).long(id).value_parser(value_parser!(PathBuf));
    command
        .arg(
            path("checkpoint-dir").short('D').value_name("DIR").help("Directory of the checkpoint"),
        )
        .arg(flag("restore").short('r').help("Restore the container"))
        .arg(flag("stop").short('s').help("Stop the container then"))
        .arg(flag("verbose").short('v').help("Let CRIU log everything"))
        .arg(
            path("action-script")
                .short('A')
                .value_name("FILE")
                .help("Program that CRIU calls at each stage"),
        )
        .arg(
            flag("pre-dump")
                .short('p')
                .help("Write the memory only; the next checkpoint writes what changed"),
        )
        .arg(
            path("predump-dir").value_name("DIR").help("Images of the dump before, relative to -D"),
        )
        .arg(flag("daemon").short('d').help("Restore in the background (the default)"))
        .arg(flag("foreground").short('F').help("Restore in the foreground"))
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let restore = invocation.flag("restore");
    let conflicts = [
        (restore && invocation.flag("stop"), "-s not compatible with -r"),
        (!restore && invocation.flag("daemon"), "-d not compatible without -r"),
        (!restore && invocation.flag("foreground"), "-F not compatible without -r"),
        (restore && invocation.flag("pre-dump"), "-p not compatible with -r"),
    ];
    if let Some((_, conflict)) = conflicts.iter().find(|(conflict, _)| *conflict) {
        return Err(Error::new(*conflict));
    }
    let dir = invocation
        .path("checkpoint-dir")
        .ok_or_else(|| Error::new("-D is required").hint("name the checkpoint's directory"))?;
    let absolute = |path: &PathBuf| {
        std::path::absolute(path).context(|| format!("cannot resolve {}", path.display()))
    };
    let images = Images {
        dir: absolute(dir)?,
        verbose: invocation.flag("verbose"),
        action_script: invocation.path("action-script").map(absolute).transpose()?,
    };
    let identity = invocation.identity()?;
    let rcfile = invocation.path("rcfile").cloned();
    if rcfile.is_none() && !is_defined(&identity)? {
        return Err(Error::new(format!("{} is not defined", identity.name)).kind(Kind::NotDefined));
    }
    if !nix::unistd::geteuid().is_root() {
        return Err(Error::new("only root can checkpoint and restore containers"));
    }
    if !restore {
        let request = checkpoint::Request {
            stop: invocation.flag("stop"),
            pre_dump: invocation.flag("pre-dump"),
            previous: invocation.path("predump-dir").cloned(),
            ..checkpoint::Request::to(images)
        };
        dump(&identity, &request).map_err(|error| match error.kind {
            Kind::NotRunning => {
                Error { what: format!("{} not running, not checkpointing", identity.name), ..error }
            }
            _ => error,
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    checkpoint::check_restore(&identity, &images)?;
    let request = start::Request {
        rcfile,
        defines: super::start::log_overrides(invocation)?,
        daemon: !invocation.flag("foreground"),
        restore: Some(images),
        ..start::Request::of(identity)
    };
    if let Started::Background(warnings) = start::start(&request)? {
        warn(invocation, &warnings);
    }
    Ok(ExitCode::SUCCESS)
}
