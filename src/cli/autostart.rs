//! lxc-autostart: starts, stops or reboots the containers of a host in their order.

use std::time::Duration;

use clap::{Arg, ArgAction, Command};

use super::{Invocation, NameRule, Tool, errln, flag, outln, output};
use crate::container::autostart::{Action, Selected, Selection, Turn, run as take_turns};
use crate::error::{Error, Result};
use crate::exit::ExitCode;
use crate::identity::ContainerName;

/// How long a container may take to shut down before it is killed, seconds (lxc-autostart(1)).
const DEFAULT_TIMEOUT: &str = "60";
/// The exit code when some failed, but not all.
const SOME_FAILED: u8 = 2;

pub(super) const TOOL: Tool = Tool {
    name: "autostart",
    about: "Start, stop or reboot the containers that start with the host",
    name_rule: NameRule::Free,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    command
        .arg(flag("kill").short('k').help("Kill them instead of starting them"))
        .arg(flag("list").short('L').help("List them and their delays instead"))
        .arg(flag("reboot").short('r').help("Reboot them instead of starting them"))
        .arg(flag("shutdown").short('s').help("Shut them down instead of starting them"))
        .arg(flag("all").short('a').help("Whatever their groups"))
        .arg(flag("ignore-auto").short('A').help("Those without lxc.start.auto too"))
        .arg(
            Arg::new("groups")
                .long("groups")
                .short('g')
                .value_name("GROUP[,GROUP]...")
                .action(ArgAction::Append)
                .help("These groups, one after the other; an empty one: those without a group"),
        )
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .short('t')
                .value_name("SECONDS")
                .default_value(DEFAULT_TIMEOUT)
                .allow_hyphen_values(true)
                .help("How long a shutdown may take before it is killed; -1 for ever"),
        )
        .arg(
            Arg::new("jobs")
                .long("jobs")
                .short('j')
                .value_name("NUMBER")
                .help("How many at once, of one lxc.start.order (default: the processors)"),
        )
        .arg(output::format_option(&["text", "json", "csv"]))
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let action = action(invocation)?;
    let selection = Selection {
        lxcpath: invocation.lxcpath()?,
        groups: (!invocation.flag("all")).then(|| groups(&invocation.values("groups"))),
        ignore_auto: invocation.flag("ignore-auto"),
    };
    let timeout = invocation.value("timeout").unwrap_or(DEFAULT_TIMEOUT);
    let timeout: i64 = timeout
        .parse()
        .ok()
        .filter(|timeout| *timeout >= -1)
        .ok_or_else(|| Error::new(format!("Invalid timeout {timeout}")))?;
    let timeout = u64::try_from(timeout).ok().map(Duration::from_secs);
    let tell = |name: &ContainerName, error: &Error| {
        log::error!("{name}: {error}");
        if !invocation.flag("quiet") {
            errln!("{}: {name}: {error}", invocation.tool);
        }
    };
    let Selected { turns, unknown, unreadable } = selection.select(action)?;
    for (identity, error) in unknown.iter().chain(&unreadable) {
        tell(&identity.name, error);
    }
    if invocation.flag("list") {
        list(invocation, action, &turns)?;
        return Ok(ExitCode::SUCCESS);
    }
    let jobs = jobs(invocation, action)?;
    let tell = |turn: &Turn, error: &Error| tell(&turn.identity.name, error);
    let attempted = turns.len() + unknown.len();
    let failed = take_turns(&turns, action, jobs, timeout, tell) + unknown.len();
    Ok(match failed {
        0 => ExitCode::SUCCESS,
        failed if failed == attempted => ExitCode::FAILURE,
        _ => ExitCode::from(SOME_FAILED),
    })
}

fn action(invocation: &Invocation) -> Result<Action> {
    let actions =
        [("kill", Action::Kill), ("reboot", Action::Reboot), ("shutdown", Action::Shutdown)];
    let asked: Vec<Action> = actions
        .into_iter()
        .filter(|(id, _)| invocation.flag(id))
        .map(|(_, action)| action)
        .collect();
    match asked.as_slice() {
        [] => Ok(Action::Start),
        [action] => Ok(*action),
        _ => Err(Error::new("-k, -r and -s are different things to do").hint("give one of them")),
    }
}

/// The groups in the order of the command line, each once; without any the containers that have none.
fn groups(words: &[&str]) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    for group in words.iter().flat_map(|word| word.split(',')) {
        if !groups.iter().any(|known| known == group) {
            groups.push(group.to_owned());
        }
    }
    if groups.is_empty() { vec![String::new()] } else { groups }
}

/// How many at once: a shutdown is waiting, not work, so all containers of a batch may go together.
fn jobs(invocation: &Invocation, action: Action) -> Result<usize> {
    match invocation.value("jobs") {
        Some(text) => text
            .parse()
            .ok()
            .filter(|jobs| *jobs > 0)
            .ok_or_else(|| Error::new(format!("{text} is not a number of jobs"))),
        None if action == Action::Shutdown => Ok(usize::MAX),
        None => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
    }
}

fn list(invocation: &Invocation, action: Action, turns: &[Turn]) -> Result<()> {
    match invocation.value("format") {
        Some("json") => return output::json(&turns),
        Some("csv") => output::csv(
            &["name", "order", "delay", "group"],
            turns.iter().map(|turn| {
                let group = turn.group.clone().unwrap_or_default();
                [turn.name.clone(), turn.order.to_string(), turn.delay.to_string(), group]
            }),
        )?,
        _ => {
            for turn in turns {
                match action {
                    Action::Start | Action::Reboot => outln!("{} {}", turn.name, turn.delay),
                    Action::Shutdown | Action::Kill => outln!("{}", turn.name),
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::groups;

    #[test]
    fn groups_keep_their_order_and_the_empty_one() {
        assert_eq!(groups(&[]), [""]);
        assert_eq!(groups(&["onboot,"]), ["onboot", ""]);
        assert_eq!(groups(&["dns,web,", "onboot", "web"]), ["dns", "web", "", "onboot"]);
    }
}
