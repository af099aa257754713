//! lxc-info: everything about one container.

use std::net::IpAddr;

use clap::{Arg, ArgAction, Command};
use nix::unistd::Pid;
use serde::Serialize;

use super::size::{scaled, seconds};
use super::{Invocation, NameRule, Tool, errln, flag, outln};
use crate::cgroup::statistics::{Part, Statistics};
use crate::config::{Document, get};
use crate::container::forward;
use crate::container::list::is_defined;
use crate::container::report::{LinkUse, Report};
use crate::container::size;
use crate::error::{Error, Result};
use crate::exit::ExitCode;
use crate::identity::Identity;
use crate::monitor::client::Asked;
use crate::network::forward::Active;
use crate::state::State;
use crate::storage::size::Usage;

pub(super) const TOOL: Tool = Tool {
    name: "info",
    about: "Show information about a container",
    name_rule: NameRule::Required,
    options,
    run,
    more_help: None,
};

/// The parts of the statistics that the text output shows.
const SHOWN: &[Part] = &[Part::Cpu, Part::Io, Part::Memory];

fn options(command: Command) -> Command {
    command
        .arg(
            Arg::new("config")
                .long("config")
                .short('c')
                .value_name("KEY")
                .action(ArgAction::Append)
                .help("Show the value of a configuration key"),
        )
        .arg(flag("ips").short('i').help("Show the addresses"))
        .arg(flag("pid").short('p').help("Show the pid of init"))
        .arg(flag("stats").short('S').help("Show what it uses"))
        .arg(flag("no-humanize").short('H').help("Show plain numbers"))
        .arg(flag("state").short('s').help("Show the state"))
        .arg(super::output::format_option(&["text", "json"]))
}

/// Everything at once, for programs.
#[derive(Serialize)]
struct Everything {
    name: String,
    state: State,
    pid: Option<i32>,
    ips: Vec<IpAddr>,
    #[serde(flatten)]
    statistics: Statistics,
    links: Vec<LinkUse>,
    forwards: Vec<Active>,
    /// The use of its root filesystem, if that has a limit.
    storage: Option<Usage>,
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let identity = invocation.identity()?;
    let [of_state, pid, ips, stats] =
        ["state", "pid", "ips", "stats"].map(|id| invocation.flag(id));
    let keys = invocation.values("config");
    let all = !(of_state || pid || ips || stats) && keys.is_empty();
    let json = invocation.value("format") == Some("json");
    let (report, sources) = if all || stats || json {
        let (report, sources) = Report::of_whole(&identity)?;
        (report, Some(sources))
    } else {
        (Report::of(&identity)?, None)
    };
    if report.state == State::Stopped && !is_defined(&identity)? {
        errln!("{identity} doesn't exist");
        return Ok(ExitCode::FAILURE);
    }
    let sources = sources.filter(|_| report.state != State::Stopped);
    if json {
        return print_json(&identity, &report, sources);
    }
    let filters = u8::from(of_state) + u8::from(pid) + u8::from(ips) + 5 * u8::from(stats);
    let plain = invocation.flag("no-humanize");
    let view = View { plain, bare: plain && filters == 1 };
    if all {
        view.line("Name:", &identity.to_string());
    }
    if all || of_state {
        view.line("State:", report.state.word());
    }
    if all || pid {
        report.pid().iter().for_each(|pid| view.line("PID:", &pid.to_string()));
    }
    if all || ips {
        for address in report.addresses()? {
            view.line("IP:", &address.to_string());
        }
    }
    if let Some(asked) = sources {
        view.usage(&report.sources_once(asked, SHOWN).totals());
        report.links().iter().for_each(|link| view.link(link));
    }
    if (all || stats)
        && let Ok(Some(usage)) = size::of(&identity)
    {
        view.size("Disk use:", usage.used_bytes);
        view.size("Disk limit:", usage.limit_bytes);
    }
    if all {
        for forward in forward::of(&identity)? {
            view.line("Forward:", &forward.to_string());
        }
    }
    if !keys.is_empty() {
        print_keys(invocation, &report, &keys, plain && keys.len() == 1)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_json(
    identity: &Identity,
    report: &Report,
    sources: Option<Result<Asked>>,
) -> Result<ExitCode> {
    let statistics = sources.map(|asked| report.sources_once(asked, Part::ALL).read());
    let everything = Everything {
        name: identity.to_string(),
        state: report.state,
        pid: report.pid().map(Pid::as_raw),
        ips: report.addresses()?,
        statistics: statistics.unwrap_or_default(),
        links: report.links(),
        forwards: forward::of(identity)?,
        storage: size::of(identity).ok().flatten(),
    };
    super::output::json(&everything)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the values of `keys` in the container's file or, if that cannot be read and it runs, in its
/// running configuration.
fn print_keys(invocation: &Invocation, report: &Report, keys: &[&str], bare: bool) -> Result<()> {
    let own = invocation.identity()?.config_file();
    let file = invocation.path("rcfile").unwrap_or(&own);
    let document = match Document::load(file) {
        Err(error) if *file == own && report.state != State::Stopped => {
            errln!("{}: {error}", invocation.tool);
            None
        }
        result => Some(result?),
    };
    for key in keys {
        let value = match &document {
            Some(document) => get(&document.config, key),
            None => report.running_value(key),
        };
        match value {
            Ok(value) if bare => outln!("{value}"),
            Ok(value) if value.is_empty() => outln!("{key} ="),
            Ok(value) => outln!("{key} = {value}"),
            Err(Error { what, .. }) => errln!("{what}"),
        }
    }
    Ok(())
}

/// How values are shown.
#[derive(Clone, Copy)]
struct View {
    /// Plain numbers.
    plain: bool,
    /// The value alone.
    bare: bool,
}

impl View {
    fn line(self, label: &str, value: &str) {
        if self.bare {
            outln!("{value}");
        } else {
            outln!("{label:<15} {value}");
        }
    }

    fn size(self, label: &str, bytes: u64) {
        if self.plain {
            self.line(label, &bytes.to_string());
        } else {
            self.line(label, &humanize(bytes));
        }
    }

    fn usage(self, usage: &Statistics) {
        if let Some(nanoseconds) = usage.cpu.usage_nanoseconds {
            if self.plain {
                self.line("CPU use:", &nanoseconds.to_string());
            } else {
                self.line("CPU use:", &format!("{} seconds", seconds(nanoseconds)));
            }
        }
        usage.io.listed_bytes.iter().for_each(|bytes| self.size("BlkIO use:", *bytes));
        let memory = &usage.memory;
        if let (Some(bytes), Some(kernel)) = (memory.shown_by_info(), memory.kernel_bytes) {
            self.size("Memory use:", bytes);
            self.size("KMem use:", kernel);
        }
        if let Some(kills) = memory.oom_kills.filter(|kills| *kills > 0) {
            self.line("Memory kills:", &format!("{kills} killed by the memory limit"));
        }
    }

    fn link(self, link: &LinkUse) {
        self.line("Link:", &link.name);
        self.size(" TX bytes:", link.sent);
        self.size(" RX bytes:", link.received);
        self.size(" Total bytes:", link.sent + link.received);
    }
}

/// A size as people read it.
fn humanize(bytes: u64) -> String {
    match scaled(bytes) {
        Some((whole, hundredths, unit)) => format!("{whole}.{hundredths:02} {unit}"),
        None => format!("{bytes} bytes"),
    }
}
