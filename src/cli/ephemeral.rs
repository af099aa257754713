//! `lxc-copy -e`: a copy that is started at once and destroyed when it stops.

use std::time::Duration;

use super::copy::{end_progress, request};
use super::{Invocation, output};
use crate::config::Document;
use crate::container::attach::{self, Ended, Environment, attach};
use crate::container::copy::ephemeral::{Ephemeral, Mount, random_name};
use crate::container::copy::{Request, copy};
use crate::container::destroy::destroy;
use crate::container::start::{self, Started, start};
use crate::container::stop;
use crate::error::{Error, Kind, Result};
use crate::exit::ExitCode;
use crate::identity::{ContainerName, Identity};
use crate::storage::{self, Backend};

/// How long a copy that ran its command may take to shut down before it is killed.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Copies `source` and starts the copy; with a command, runs that in it and stops it.
pub(super) fn run(invocation: &Invocation, source: &Identity) -> Result<ExitCode> {
    let ephemeral = options(invocation, source)?;
    let name = match invocation.value("newname") {
        Some(name) => ContainerName::new(name)?,
        None => random_name(&source.name)?,
    };
    let base = request(invocation, source, name)?;
    let target = base.target.clone();
    let extend = |document: &mut Document| ephemeral.extend(&target, document);
    let result = copy(&Request { snapshot: true, extend: Some(&extend), ..base });
    end_progress(invocation);
    super::start::warn(invocation, &result?);
    let started = output::try_text(&announcement(&target, source, ephemeral.tmpfs))
        .and_then(|()| {
            start(&start::Request {
                daemon: !invocation.flag("foreground"),
                ..start::Request::of(target.clone())
            })
        })
        .map_err(|error| match destroy(&target, false, None) {
            Err(problem) if problem.kind != Kind::NotDefined => {
                error.note(format!("cleaning up: {problem}"))
            }
            _ => error,
        })?;
    if let Started::Background(warnings) = started {
        super::start::warn(invocation, &warnings);
        if !invocation.args.is_empty() {
            run_command(invocation, &target)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn announcement(target: &Identity, source: &Identity, is_in_memory: bool) -> String {
    let mut text = format!("Created {target} as clone of {source}\n");
    if is_in_memory {
        text.push_str(
            "Container is placed on tmpfs.\n\
             Rebooting will cause all changes made to it to be lost!\n",
        );
    }
    text
}

fn options(invocation: &Invocation, source: &Identity) -> Result<Ephemeral> {
    let (keep_data, tmpfs) = (invocation.flag("keepdata"), invocation.flag("tmpfs"));
    if keep_data && tmpfs {
        return Err(
            Error::new("a container in memory cannot keep its data").hint("leave out -t or -D")
        );
    }
    if tmpfs && !Document::load(&source.config_file()).is_ok_and(|one| can_be_in_memory(&one)) {
        return Err(Error::new(format!("the storage of {source} is not a directory"))
            .hint("-t puts a layer in memory over a directory only"));
    }
    let mounts = invocation.values("mount").into_iter().map(Mount::parse_list);
    Ok(Ephemeral { keep_data, tmpfs, mounts: mounts.collect::<Result<Vec<_>>>()?.concat() })
}

fn can_be_in_memory(document: &Document) -> bool {
    let path = document.config.rootfs.path.as_ref();
    path.and_then(|path| storage::backend_of(path).ok()).is_some_and(Backend::snapshots_are_layers)
}

/// Runs the command in the copy with an environment of its own, and stops the copy. The command's exit
/// code is ignored, as in LXC.
fn run_command(invocation: &Invocation, target: &Identity) -> Result<()> {
    let result = attach(&attach::Request {
        command: invocation.args.clone(),
        environment: Environment::Clear(Vec::new()),
        ..attach::Request::of(target.clone())
    });
    if let Ok(Ended::Failed(error, _)) = &result {
        invocation.complain(&error.to_string());
    }
    match stop::shut_down(target, Some(TIMEOUT)) {
        Ok(true) => {}
        Ok(false) => stop::kill(target)?,
        Err(error) if error.kind == Kind::NotRunning => {}
        Err(error) => return Err(error),
    }
    result.map(drop)
}
