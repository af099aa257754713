//! lxc-rs forward: ports of the host that lead to containers.

use clap::{Arg, ArgAction, Command};
use nix::unistd::geteuid;

use super::{Invocation, NameRule, Tool, errln};
use crate::config::Forward;
use crate::container::forward::{add, all, of, relay, remove};
use crate::error::{Error, Result};
use crate::exit::ExitCode;
use crate::identity::{ContainerName, Identity};
use crate::network::forward::Active;

pub(super) const TOOL: Tool = Tool {
    name: "forward",
    about: "Forward ports of the host to a running container, or list what is forwarded",
    name_rule: NameRule::Free,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    command
        .arg(
            Arg::new("delete")
                .long("delete")
                .value_name("PORTS")
                .action(ArgAction::Append)
                .help("Forward these ports no more"),
        )
        .arg(super::output::format_option(&["text", "json"]))
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let words = invocation.args.iter().map(|word| word.to_string_lossy().into_owned());
    let mut words = invocation.name.clone().into_iter().chain(words);
    let lxcpath = invocation.lxcpath()?;
    let identity = match words.next() {
        Some(name) => Some(Identity::new(&lxcpath, ContainerName::new(name)?)),
        None => None,
    };
    let forwards: Vec<Forward> = words.map(|word| parse(&word)).collect::<Result<_>>()?;
    let deleted: Vec<Forward> =
        invocation.values("delete").into_iter().map(parse).collect::<Result<_>>()?;
    if forwards.is_empty() && deleted.is_empty() {
        return list(invocation, identity.as_ref());
    }
    let Some(identity) = identity else {
        return Err(Error::new("No container name specified"));
    };
    for forward in &deleted {
        remove(&identity, forward)?;
    }
    if !forwards.is_empty() && !geteuid().is_root() {
        return relay(&identity, &forwards).map(|()| ExitCode::SUCCESS);
    }
    for warning in add(&identity, &forwards)? {
        errln!("lxc-forward: {identity}: warning: {warning}");
    }
    Ok(ExitCode::SUCCESS)
}

fn parse(word: impl AsRef<str>) -> Result<Forward> {
    let word = word.as_ref();
    Forward::parse_word(word)
        .map_err(|refusal| Error::new(format!("{word} names no ports")).hint(refusal.hint))
}

/// Prints all forwards, or those of one container.
fn list(invocation: &Invocation, identity: Option<&Identity>) -> Result<ExitCode> {
    let found = identity.map_or_else(all, of)?;
    if invocation.value("format") == Some("json") {
        super::output::json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let lxcpath = invocation.lxcpath()?;
    // A container in another directory is shown by its path.
    let name = |one: &Active| {
        if one.lxcpath == lxcpath {
            one.name.clone()
        } else {
            one.lxcpath.join(&one.name).display().to_string()
        }
    };
    let rows = found.iter().map(|one| [name(one), one.to_string()]);
    super::output::table(["NAME", "FORWARD"], rows);
    Ok(ExitCode::SUCCESS)
}
