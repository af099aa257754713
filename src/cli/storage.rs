//! lxc-rs storage: the size of a root filesystem, and what is left of killed operations.

use clap::Command;

use super::{Invocation, NameRule, Tool, flag, outln};
use crate::config::bytes;
use crate::container::leftovers::{self, Leftover, Outcome, Remedy};
use crate::container::size;
use crate::error::{Error, Result};
use crate::exit::ExitCode;
use crate::identity::{ContainerName, Identity};

pub(super) const TOOL: Tool = Tool {
    name: "storage",
    about: "Limit how much of the disk a container takes; find and fix what was left",
    name_rule: NameRule::Free,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    command
        .arg(flag("fix").help("Complete or remove what is found, if no data goes with it"))
        .arg(flag("remove").help("With --fix: remove also storage that no container has"))
        .arg(super::output::format_option(&["text", "table", "json"]))
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
        ["check", ref names @ ..] => check(invocation, names),
        _ => Err(Error::new("what is to be done is missing, or not known").hint(
            "write: lxc-rs storage size NAME [SIZE | none], or lxc-rs storage check [NAME]...",
        )),
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

/// Exit code 0 if nothing is left, 2 if something is.
fn check(invocation: &Invocation, names: &[&str]) -> Result<ExitCode> {
    let names: Vec<ContainerName> =
        names.iter().map(|name| ContainerName::new(*name)).collect::<Result<_>>()?;
    let mut found = leftovers::find(&invocation.lxcpath()?, &names)?;
    if invocation.flag("fix") {
        for leftover in &mut found {
            leftovers::fix(leftover, invocation.flag("remove"));
        }
    }
    match invocation.value("format") {
        Some("json") => super::output::json(&found)?,
        Some("table") if found.is_empty() => {}
        Some("table") => {
            let row = |one: &Leftover| {
                let name = one.name.clone().unwrap_or_default();
                [name, one.path.display().to_string(), one.what.clone(), outcome(one)]
            };
            super::output::table(["NAME", "PATH", "LEFT", "OUTCOME"], found.iter().map(row));
        }
        _ => {
            for one in &found {
                outln!("{}: {}: {}", one.path.display(), one.what, outcome(one));
            }
        }
    }
    let is_left = found.iter().any(|one| one.outcome != Outcome::Fixed);
    Ok(if is_left { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

/// What became of the leftover, or what can be done about it.
fn outcome(one: &Leftover) -> String {
    match (one.outcome, one.remedy) {
        (Outcome::Fixed, Remedy::Complete) => "completed".to_owned(),
        (Outcome::Fixed, _) => "removed".to_owned(),
        (Outcome::Failed, _) => one.error.clone().unwrap_or_default(),
        (Outcome::Left, Remedy::Complete) => "--fix completes it".to_owned(),
        (Outcome::Left, Remedy::Remove) => "--fix removes it".to_owned(),
        (Outcome::Left, Remedy::RemoveData) => {
            "--fix --remove removes it, with its data".to_owned()
        }
        (Outcome::Left, Remedy::Nothing) => "left alone".to_owned(),
    }
}
