//! lxc-rs storage: the size of a root filesystem, and what is left of killed operations.

use std::process::ExitCode;

use clap::Command;

use super::{Invocation, NameRule, Tool, outln};
use crate::config::bytes;
use crate::container::size;
use crate::error::{Error, Result};
use crate::identity::{ContainerName, Identity};

pub(super) const TOOL: Tool = Tool {
    name: "storage",
    about: "Show or change how much of the disk a container may take",
    name_rule: NameRule::Free,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    command.arg(super::output::format_option(&["text", "json"]))
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let words = invocation.args.iter().map(|word| word.to_string_lossy().into_owned());
    let words: Vec<String> = invocation.name.clone().into_iter().chain(words).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["size", name] => show_size(invocation, &identity(invocation, name)?),
        ["size", name, size] => {
            size::set(&identity(invocation, name)?, parse_size(size)?).map(|()| ExitCode::SUCCESS)
        }
        _ => Err(Error::new("what is to be done is missing, or not known")
            .hint("write: lxc-rs storage size NAME [SIZE | none]")),
    }
}

fn identity(invocation: &Invocation, name: &str) -> Result<Identity> {
    Ok(Identity::new(invocation.lxcpath()?, ContainerName::new(name)?))
}

/// A size as `lxc.rootfs.size` has it, or `none`.
pub(super) fn parse_size(word: &str) -> Result<Option<u64>> {
    if word == "none" {
        return Ok(None);
    }
    let refused = |refusal: crate::config::Refusal| {
        Error::new(format!("{word} is not a size")).hint(refusal.hint)
    };
    bytes(word).map(Some).map_err(refused)
}

fn show_size(invocation: &Invocation, identity: &Identity) -> Result<ExitCode> {
    let usage = size::of(identity)?;
    if invocation.value("format") == Some("json") {
        super::output::json(&usage)?;
        return Ok(ExitCode::SUCCESS);
    }
    match usage {
        Some(usage) => outln!("{identity}: {} of {} bytes", usage.used_bytes, usage.limit_bytes),
        None => outln!("{identity}: no limit"),
    }
    Ok(ExitCode::SUCCESS)
}
