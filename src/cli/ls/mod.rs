//! lxc-ls: lists containers.

mod table;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use clap::{Arg, Command};
use regex::Regex;

use super::{Invocation, NameRule, Tool, errln, flag, outln};
use crate::cgroup::statistics::Part;
use crate::config::Config;
use crate::container::forward;
use crate::container::list::{active, defined, is_genuine};
use crate::container::nested;
use crate::container::report::Report;
use crate::container::running;
use crate::error::{Error, Kind, Result};
use crate::exit::ExitCode;
use crate::identity::{ContainerName, Identity};
use crate::security::rexec;
use crate::shares::{Whose, in_shares};
use crate::state::State;
use crate::sys::process;
use table::{Column, Row};

pub(super) const TOOL: Tool = Tool {
    name: "ls",
    about: "List containers",
    name_rule: NameRule::Free,
    options,
    run,
    more_help: None,
};

/// The number of levels that `--nesting` without a value shows.
const DEFAULT_LEVELS: &str = "5";

/// Narrowest name in the plain list.
const NAME_WIDTH: usize = 4;

fn options(command: Command) -> Command {
    command
        .arg(flag("line").short('1').help("One name a line"))
        .arg(flag("fancy").short('f').help("A table"))
        .arg(
            Arg::new("fancy-format")
                .long("fancy-format")
                .short('F')
                .value_name("COLUMNS")
                .help("Columns of the table, separated by commas"),
        )
        .arg(flag("active").help("Only those that run or are frozen"))
        .arg(flag("running").help("Only those that run"))
        .arg(flag("frozen").help("Only those that are frozen"))
        .arg(flag("stopped").help("Only those that do not run"))
        .arg(flag("defined").help("Only those with a configuration"))
        .arg(
            Arg::new("nesting")
                .long("nesting")
                .value_name("LEVELS")
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value(DEFAULT_LEVELS)
                .help("Also those in containers, so many levels deep (default 5)"),
        )
        .arg(
            Arg::new("groups")
                .long("groups")
                .short('g')
                .value_name("GROUPS")
                .help("Only those in all of these groups"),
        )
        .arg(
            Arg::new("filter")
                .long("filter")
                .value_name("REGEX")
                .help("Only those whose name matches"),
        )
        .arg(super::output::format_option(&["text", "json", "csv"]))
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let levels = levels(invocation)?;
    if levels > 0 {
        // lxc-ls enters containers, so this comes before anything is open.
        rexec::rexec()?;
    }
    let lxcpath = invocation.lxcpath()?;
    let list = |columns: &[Column]| {
        list(invocation, &lxcpath, columns, Place { is_asleep: false, is_inside: false, levels })
    };
    let format = invocation.value("format").filter(|format| *format != "text");
    let rows = if let Some(format) = format {
        let all = Column::ALL.map(|(_, column)| column);
        let rows = list(&all)?;
        if format == "json" {
            super::output::json(&rows)?;
        } else {
            let titles = Column::ALL.map(|(title, _)| title);
            let values = |row: &Row| all.map(|column| column.value(row));
            super::output::csv(&titles, rows.iter().map(values))?;
        }
        rows
    } else if invocation.flag("fancy") {
        let columns = invocation.value("fancy-format").unwrap_or(Column::DEFAULT);
        let mut parsed = Vec::new();
        for word in columns.split(',') {
            let Some(column) = Column::parse(word) else {
                errln!("Invalid key: {word}");
                return Ok(ExitCode::SUCCESS);
            };
            parsed.push(column);
        }
        let rows = list(&parsed)?;
        table::print(&rows, &parsed);
        rows
    } else {
        let rows = list(&[])?;
        if invocation.flag("line") {
            for row in &rows {
                outln!("{}", row.path());
            }
        } else {
            print_names(&rows);
        }
        rows
    };
    let is_complete = !rows.iter().any(|row| row.incomplete);
    Ok(if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How many levels of containers in containers to show.
fn levels(invocation: &Invocation) -> Result<u32> {
    let Some(text) = invocation.value("nesting") else { return Ok(0) };
    text.parse().map_err(|_| Error::new(format!("{text} is not a number of levels")))
}

/// Where the list is made.
#[derive(Clone, Copy)]
struct Place {
    /// In the root filesystem of a container that does not run: nothing in it does.
    is_asleep: bool,
    /// In a container, whatever it runs.
    is_inside: bool,
    /// How many levels below it are looked at.
    levels: u32,
}

/// The containers that the options ask for, each followed by those in it.
fn list(
    invocation: &Invocation,
    lxcpath: &Path,
    columns: &[Column],
    place: Place,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let identity = |name| Identity::new(lxcpath, name);
    let identities: Vec<Identity> =
        select(invocation, lxcpath, place)?.into_iter().map(identity).collect();
    let made = |share: &[Identity]| {
        let mut reports = if needs_report(columns, place) && !place.is_asleep {
            Report::of_all(share)
        } else {
            Vec::new()
        }
        .into_iter();
        share.iter().map(|identity| row(identity, columns, place, reports.next())).collect()
    };
    let made: Vec<(Row, Vec<String>)> = if place.is_inside {
        made(&identities)
    } else {
        in_shares(&identities, |share, whose| {
            if whose == Whose::Threads {
                process::own_descriptors();
            }
            made(share)
        })
    };
    // Nothing of a container's is run to ask for its own.
    let forwards = if needs(columns, &[Column::Forwards]) && !place.is_inside {
        forward::all()?
    } else {
        Vec::new()
    };
    for (identity, (mut row, complaints)) in identities.into_iter().zip(made) {
        for complaint in complaints {
            errln!("{complaint}");
        }
        row.forwards = forwards.iter().filter(|one| one.is_of(&identity)).cloned().collect();
        let state = row.state;
        rows.push(row);
        let Some(state) = state.filter(|_| place.levels > 0) else { continue };
        let is_asleep = state == State::Stopped;
        let below = Place { is_asleep, is_inside: true, levels: place.levels - 1 };
        let look = || list(invocation, lxcpath, columns, below);
        let found = if is_asleep {
            nested::in_storage(&identity, look)
        } else {
            nested::in_running(&identity, look)
        };
        // A container that cannot be looked into shows nothing.
        let found: Vec<Row> = found.unwrap_or_else(|error| {
            log::warn!("{identity}: cannot look for containers in it: {error}");
            Vec::new()
        });
        rows.extend(found.into_iter().map(|mut row| {
            row.parents.insert(0, identity.to_string());
            row
        }));
    }
    Ok(rows)
}

/// The names that the options ask for. Nobody is asked for more than the options need.
fn select(invocation: &Invocation, lxcpath: &Path, place: Place) -> Result<Vec<ContainerName>> {
    let wants = |id: &str| invocation.flag(id);
    let active = || if place.is_asleep { Ok(BTreeSet::new()) } else { active(lxcpath) };
    let only_active = wants("active") || wants("running") || wants("frozen");
    let running = if wants("defined") { BTreeSet::new() } else { active()? };
    let is_genuine = |name: &ContainerName| is_genuine(&Identity::new(lxcpath, name.clone()));
    let mut names = if only_active {
        running.iter().filter(|name| is_genuine(name)).cloned().collect()
    } else {
        defined(lxcpath)?
    };
    if wants("stopped") {
        let running = if wants("defined") { active()? } else { running };
        names.retain(|name| !running.contains(name));
    } else if !only_active {
        let others: Vec<ContainerName> =
            running.into_iter().filter(|name| !names.contains(name) && is_genuine(name)).collect();
        names.extend(others);
    }
    // One argument is a pattern; several are none, as in LXC.
    let pattern = match invocation.args.as_slice() {
        [pattern] => Some(pattern.to_string_lossy().into_owned()),
        _ => None,
    };
    let patterns = pattern.iter().map(String::as_str).chain(invocation.value("filter"));
    for pattern in patterns {
        let regex = Regex::new(pattern)
            .map_err(|error| Error::new(format!("{pattern}: no regular expression: {error}")))?;
        names.retain(|name| regex.is_match(name.as_str()));
    }
    let mut names: Vec<ContainerName> = names.into_iter().collect();
    if wants("frozen") {
        let identity = |name: &ContainerName| Identity::new(lxcpath, name.clone());
        let identities: Vec<Identity> = names.iter().map(identity).collect();
        let is_frozen = |report: Result<Report>| report.is_ok_and(|it| it.state == State::Frozen);
        let mut frozen = Report::of_all(&identities).into_iter().map(is_frozen);
        names.retain(|_| frozen.next() == Some(true));
    }
    if let Some(groups) = invocation.value("groups") {
        let groups: Vec<&str> = groups.split(',').filter(|group| !group.is_empty()).collect();
        names.retain(|name| {
            let config = configuration(&Identity::new(lxcpath, name.clone()), place);
            groups.iter().all(|group| config.start.groups.iter().any(|own| own == group))
        });
    }
    Ok(names)
}

/// The configuration of a container: of its file or else, if it runs, of its monitor; the default one if
/// neither can be read.
fn configuration(identity: &Identity, place: Place) -> Config {
    let of_monitor = || {
        let asked = (!place.is_asleep).then(|| running::configuration(identity))?;
        asked.ok().flatten()
    };
    nested::configuration(identity).or_else(of_monitor).unwrap_or_default()
}

/// Whether some of `wanted` are among `columns`.
fn needs(columns: &[Column], wanted: &[Column]) -> bool {
    wanted.iter().any(|column| columns.contains(column))
}

const OF_NETWORK: [Column; 3] = [Column::Interface, Column::Ipv4, Column::Ipv6];
const OF_USAGE: [Column; 2] = [Column::Ram, Column::Swap];

/// Whether the columns need to know more than the configuration says.
fn needs_report(columns: &[Column], place: Place) -> bool {
    let of_state = [Column::State, Column::Pid];
    place.levels > 0 || [&OF_NETWORK[..], &OF_USAGE, &of_state].iter().any(|of| needs(columns, of))
}

/// What the columns need of a container, and what is to be complained of; `asked`: what its monitor said, if that is
/// needed.
fn row(
    identity: &Identity,
    columns: &[Column],
    place: Place,
    asked: Option<Result<Report>>,
) -> (Row, Vec<String>) {
    let needs = |wanted: &[Column]| needs(columns, wanted);
    let needs_config = needs(&[Column::Autostart, Column::Groups, Column::Unprivileged]);
    let needs_usage = needs(&OF_USAGE);
    let config = if needs_config { configuration(identity, place) } else { Config::default() };
    let mut incomplete = false;
    let mut complaints = Vec::new();
    let mut say = |error: &Error| {
        complaints.push(format!("lxc-ls: {identity}: {error}"));
        // Anybody can hold the address of a container that does not run.
        incomplete = error.kind != Kind::Impostor;
    };
    let state = match &asked {
        None => Some(State::Stopped),
        Some(Ok(report)) => Some(report.state),
        Some(Err(error)) => {
            if error.kind != Kind::Denied {
                say(error);
            }
            None
        }
    };
    let report = asked.and_then(Result::ok).filter(|report| report.state != State::Stopped);
    let network = report.as_ref().filter(|_| needs(&OF_NETWORK));
    let found = network.map(|report| links_and_addresses(report, needs(&[Column::Interface])));
    let found = found.transpose().unwrap_or_else(|error| {
        say(&error);
        None
    });
    let (interfaces, addresses) = found.unwrap_or_default();
    let usage = report.as_ref().filter(|_| needs_usage);
    let memory = usage.map(|report| report.statistics(&[Part::Memory]).memory).unwrap_or_default();
    let (ipv4, ipv6) = addresses.into_iter().partition(IpAddr::is_ipv4);
    let pid = report.as_ref().filter(|_| needs(&[Column::Pid]));
    let row = Row {
        name: identity.to_string(),
        parents: Vec::new(),
        state,
        pid: pid.and_then(Report::pid).map(nix::unistd::Pid::as_raw),
        ram_bytes: memory.usage_bytes,
        swap_bytes: memory.swap_bytes,
        autostart: config.start.auto,
        groups: config.start.groups.clone(),
        interfaces,
        ipv4,
        ipv6,
        unprivileged: config.is_unprivileged(),
        forwards: Vec::new(),
        incomplete,
    };
    (row, complaints)
}

/// The names of a container's links, unless `with_names` is false, and its addresses. Without names the kernel need not be
/// asked for the links.
fn links_and_addresses(report: &Report, with_names: bool) -> Result<(Vec<String>, Vec<IpAddr>)> {
    if !with_names {
        return Ok((Vec::new(), report.addresses()?));
    }
    let interfaces = report.interfaces()?;
    let addresses = interfaces.iter().flat_map(|one| one.addresses.iter().copied()).collect();
    Ok((interfaces.into_iter().map(|one| one.name).collect(), addresses))
}

/// As many padded names in a line as the terminal has room for; without a terminal one.
fn print_names(rows: &[Row]) {
    // With a blank more for each level, as in LXC.
    let length = |row: &Row| row.path().chars().count() + row.parents.len();
    let longest = rows.iter().map(length).max().unwrap_or(0);
    let width = longest.max(NAME_WIDTH);
    let per_line = terminal_width().map_or(1, |columns| (columns / (width + 1)).max(1));
    for line in rows.chunks(per_line) {
        let cells: Vec<String> = line.iter().map(|row| format!("{:<width$}", row.path())).collect();
        if per_line == 1 {
            outln!("{}", cells.concat());
        } else {
            outln!("{} ", cells.join(" "));
        }
    }
}

fn terminal_width() -> Option<usize> {
    let stdout = process::standard(1);
    let (_, columns) = crate::sys::pty::window_size(stdout)?;
    Some(usize::from(columns)).filter(|columns| *columns > 0)
}
