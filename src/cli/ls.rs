//! lxc-ls: lists containers.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;

use clap::{Arg, ArgAction, Command};
use regex::Regex;
use serde::Serialize;
use tabled::builder::Builder;
use tabled::settings::{Alignment, Padding, Style};

use super::{Invocation, NameRule, Tool, errln, outln};
use crate::cgroup::statistics::Part;
use crate::config::{Config, Document};
use crate::container::list::{active, defined};
use crate::container::report::Report;
use crate::error::{Error, Result};
use crate::identity::{ContainerName, Identity};
use crate::state::State;

pub(super) const TOOL: Tool = Tool {
    name: "ls",
    about: "List containers",
    name_rule: NameRule::Free,
    options,
    run,
    more_help: None,
};

/// Narrowest name in the plain list.
const NAME_WIDTH: usize = 4;

/// What a cell says that has nothing to say.
const NONE: &str = "-";

fn options(command: Command) -> Command {
    let flag = |id: &'static str| Arg::new(id).long(id).action(ArgAction::SetTrue);
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

/// A container in the list.
#[derive(Clone, Debug, Serialize)]
struct Row {
    name: String,
    state: State,
    pid: Option<i32>,
    ram_bytes: Option<u64>,
    swap_bytes: Option<u64>,
    autostart: bool,
    groups: Vec<String>,
    interfaces: Vec<String>,
    ipv4: Vec<IpAddr>,
    ipv6: Vec<IpAddr>,
    unprivileged: bool,
}

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Name,
    State,
    Pid,
    Ram,
    Swap,
    Autostart,
    Groups,
    Interface,
    Ipv4,
    Ipv6,
    Unprivileged,
}

impl Column {
    const ALL: [(&'static str, Self); 11] = [
        ("NAME", Self::Name),
        ("STATE", Self::State),
        ("PID", Self::Pid),
        ("RAM", Self::Ram),
        ("SWAP", Self::Swap),
        ("AUTOSTART", Self::Autostart),
        ("GROUPS", Self::Groups),
        ("INTERFACE", Self::Interface),
        ("IPV4", Self::Ipv4),
        ("IPV6", Self::Ipv6),
        ("UNPRIVILEGED", Self::Unprivileged),
    ];
    const DEFAULT: &'static str = "NAME,STATE,AUTOSTART,GROUPS,IPV4,IPV6,UNPRIVILEGED";

    fn parse(word: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(title, _)| title.eq_ignore_ascii_case(word.trim()));
        found.map(|(_, column)| *column)
    }

    fn title(self) -> &'static str {
        Self::ALL.iter().find(|(_, column)| *column == self).map_or("", |(title, _)| title)
    }

    fn cell(self, row: &Row) -> String {
        let joined = |words: Vec<String>| {
            if words.is_empty() { NONE.to_owned() } else { words.join(", ") }
        };
        let addresses = |list: &[IpAddr]| joined(list.iter().map(IpAddr::to_string).collect());
        match self {
            Self::Name => row.name.clone(),
            Self::State => row.state.to_string(),
            Self::Pid => row.pid.map_or(NONE.into(), |pid| pid.to_string()),
            Self::Ram => mebibytes(row.ram_bytes),
            Self::Swap => mebibytes(row.swap_bytes),
            Self::Autostart => u8::from(row.autostart).to_string(),
            Self::Groups => joined(row.groups.clone()),
            Self::Interface => joined(row.interfaces.clone()),
            Self::Ipv4 => addresses(&row.ipv4),
            Self::Ipv6 => addresses(&row.ipv6),
            Self::Unprivileged => row.unprivileged.to_string(),
        }
    }

    /// The cell for programs: what is missing is empty, sizes are bytes.
    fn value(self, row: &Row) -> String {
        let number = |number: Option<u64>| number.map(|number| number.to_string());
        match self {
            Self::Ram => number(row.ram_bytes).unwrap_or_default(),
            Self::Swap => number(row.swap_bytes).unwrap_or_default(),
            _ => Some(self.cell(row)).filter(|cell| cell != "-").unwrap_or_default(),
        }
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Ram | Self::Swap)
    }
}

fn mebibytes(bytes: Option<u64>) -> String {
    bytes.map_or(NONE.into(), |bytes| {
        let hundredths = (u128::from(bytes) * 100 + (1 << 19)) >> 20;
        format!("{}.{:02}MB", hundredths / 100, hundredths % 100)
    })
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let lxcpath = invocation.lxcpath()?;
    let names = select(invocation, &lxcpath)?;
    let format = invocation.value("format").filter(|format| *format != "text");
    if let Some(format) = format {
        let all = Column::ALL.map(|(_, column)| column);
        let rows = rows(&lxcpath, names, &all);
        if format == "json" {
            super::output::json(&rows)?;
        } else {
            let titles = Column::ALL.map(|(title, _)| title);
            let values = |row: &Row| all.map(|column| column.value(row));
            super::output::csv(&titles, rows.iter().map(values))?;
        }
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
        print_table(&rows(&lxcpath, names, &parsed), &parsed);
    } else if invocation.flag("line") {
        for name in &names {
            outln!("{name}");
        }
    } else {
        print_names(&names);
    }
    Ok(ExitCode::SUCCESS)
}

/// The names that the options ask for. Nobody is asked for more than the options need.
fn select(invocation: &Invocation, lxcpath: &Path) -> Result<Vec<ContainerName>> {
    let wants = |id: &str| invocation.flag(id);
    let only_active = wants("active") || wants("running") || wants("frozen");
    let running = if wants("defined") { BTreeSet::new() } else { active(lxcpath) };
    let mut names = if only_active { running.clone() } else { defined(lxcpath)? };
    if wants("stopped") {
        let running = if wants("defined") { active(lxcpath) } else { running };
        names.retain(|name| !running.contains(name));
    } else if !only_active {
        names.extend(running);
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
        names.retain(|name| state(lxcpath, name) == State::Frozen);
    }
    if let Some(groups) = invocation.value("groups") {
        let groups: Vec<&str> = groups.split(',').filter(|group| !group.is_empty()).collect();
        names.retain(|name| {
            let config = configuration(lxcpath, name);
            groups.iter().all(|group| config.start.groups.iter().any(|own| own == group))
        });
    }
    Ok(names)
}

fn state(lxcpath: &Path, name: &ContainerName) -> State {
    let identity = Identity::new(lxcpath, name.clone());
    Report::of(&identity).map_or(State::Stopped, |report| report.state)
}

/// A container without a readable configuration has the default one.
fn configuration(lxcpath: &Path, name: &ContainerName) -> Config {
    let identity = Identity::new(lxcpath, name.clone());
    Document::load(&identity.config_file()).map(|document| document.config).unwrap_or_default()
}

/// What the columns need of each container.
fn rows(lxcpath: &Path, names: Vec<ContainerName>, columns: &[Column]) -> Vec<Row> {
    let needs = |wanted: &[Column]| wanted.iter().any(|column| columns.contains(column));
    let needs_config = needs(&[Column::Autostart, Column::Groups, Column::Unprivileged]);
    let needs_network = needs(&[Column::Interface, Column::Ipv4, Column::Ipv6]);
    let needs_usage = needs(&[Column::Ram, Column::Swap]);
    names
        .into_iter()
        .map(|name| {
            let identity = Identity::new(lxcpath, name.clone());
            let config =
                if needs_config { configuration(lxcpath, &name) } else { Config::default() };
            // A monitor that does not answer is shown as what it is: none.
            let report = Report::of(&identity).ok();
            let state = report.as_ref().map_or(State::Stopped, |report| report.state);
            let report = report.filter(|_| state != State::Stopped);
            let network = report.as_ref().filter(|_| needs_network);
            let interfaces = network.map(Report::interfaces).unwrap_or_default();
            let usage = report.as_ref().filter(|_| needs_usage);
            let memory = usage.map(|report| report.statistics(&[Part::Memory]).memory);
            let memory = memory.unwrap_or_default();
            let addresses: Vec<IpAddr> =
                interfaces.iter().flat_map(|one| one.addresses.iter().copied()).collect();
            let (ipv4, ipv6) = addresses.into_iter().partition(IpAddr::is_ipv4);
            let pid = report.as_ref().filter(|_| needs(&[Column::Pid]));
            Row {
                name: name.as_str().to_owned(),
                state,
                pid: pid.and_then(Report::pid).map(nix::unistd::Pid::as_raw),
                ram_bytes: memory.usage_bytes,
                swap_bytes: memory.swap_bytes,
                autostart: config.start.auto,
                groups: config.start.groups.clone(),
                interfaces: interfaces.into_iter().map(|one| one.name).collect(),
                ipv4,
                ipv6,
                unprivileged: config.is_unprivileged(),
            }
        })
        .collect()
}

/// Each cell is padded to its column's width, and a blank follows.
fn print_table(rows: &[Row], columns: &[Column]) {
    if rows.is_empty() {
        return;
    }
    let mut builder = Builder::default();
    builder.push_record(columns.iter().map(|column| column.title()));
    for row in rows {
        builder.push_record(columns.iter().map(|column| column.cell(row)));
    }
    let mut table = builder.build();
    table.with(Style::empty()).with(Padding::new(0, 1, 0, 0));
    for (index, column) in columns.iter().enumerate().filter(|(_, column)| column.is_number()) {
        for (line, row) in rows.iter().enumerate() {
            if column.cell(row) != NONE {
                table.modify((line + 1, index), Alignment::right());
            }
        }
    }
    outln!("{table}");
}

/// As many padded names in a line as the terminal has room for; without a terminal one.
fn print_names(names: &[ContainerName]) {
    let longest = names.iter().map(|name| name.as_str().chars().count()).max().unwrap_or(0);
    let width = longest.max(NAME_WIDTH);
    let per_line = terminal_width().map_or(1, |columns| (columns / (width + 1)).max(1));
    for line in names.chunks(per_line) {
        let cells: Vec<String> =
            line.iter().map(|name| format!("{:<width$}", name.as_str())).collect();
        if per_line == 1 {
            outln!("{}", cells.concat());
        } else {
            outln!("{} ", cells.join(" "));
        }
    }
}

fn terminal_width() -> Option<usize> {
    let stdout = crate::sys::process::standard(1);
    let (_, columns) = crate::sys::pty::window_size(stdout)?;
    Some(usize::from(columns)).filter(|columns| *columns > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_in_any_case() {
        assert_eq!(Column::parse(" ipv4"), Some(Column::Ipv4));
        assert_eq!(Column::parse("nope"), None);
        for (title, column) in Column::ALL {
            assert_eq!(column.title(), title);
        }
        assert_eq!(mebibytes(Some(912_261)), "0.87MB");
        assert_eq!(mebibytes(None), "-");
    }
}
