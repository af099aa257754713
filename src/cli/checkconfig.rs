//! lxc-checkconfig: what this kernel can do for containers.

use std::borrow::Cow;
use std::fmt::Write;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Command;
use serde::Serialize;

use super::{Invocation, NameRule, Tool, errln, output};
use crate::error::Result;
use crate::exit::ExitCode;
use crate::kernel::{self, Check, Report, SECTIONS, State};
use crate::programs;
use crate::sys::programs::is_set_user_id;
use crate::sys::visible::visible_text;
use crate::version::LXC_RELEASE;

pub(super) const TOOL: Tool = Tool {
    name: "checkconfig",
    about: "Check what the kernel can do for containers",
    name_rule: NameRule::Free,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    command
        .arg(output::format_option(&["text", "json"]))
        .after_help("CONFIG=FILE in the environment: check a kernel's configuration file instead")
}

/// Programs that an ordinary user's id maps need.
const MAPPERS: [&str; 2] = ["newuidmap", "newgidmap"];

/// Everything, as `--format json` prints it.
#[derive(Serialize)]
struct Findings<'a> {
    version: &'static str,
    #[serde(flatten)]
    report: &'a Report,
    cgroup_v1_mounts: &'a [String],
    cgroup_v2_mounts: &'a [String],
    /// Remarks on newuidmap and newgidmap.
    remarks: Vec<String>,
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let file = std::env::var_os("CONFIG").filter(|file| !file.is_empty()).map(PathBuf::from);
    let report = match &file {
        Some(file) => kernel::read(file)?,
        None => kernel::probe()?,
    };
    let (v1, v2) = (kernel::mount_points("cgroup"), kernel::mount_points("cgroup2"));
    if invocation.value("format") == Some("json") {
        output::json(&Findings {
            version: LXC_RELEASE,
            report: &report,
            cgroup_v1_mounts: &v1,
            cgroup_v2_mounts: &v2,
            remarks: remarks(),
        })?;
    } else {
        let painted = std::io::stdout().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let print = if painted { output::styled } else { output::bytes };
        print(text(&report, &v1, &v2, painted).as_bytes());
        if !invocation.flag("quiet") {
            explain(&report);
        }
    }
    Ok(if report.usable { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The report in LXC's form.
fn text(report: &Report, v1: &[String], v2: &[String], painted: bool) -> String {
    let mut text = format!("LXC version {LXC_RELEASE}\n");
    for section in SECTIONS {
        let checks = report.checks.iter().filter(|check| check.section == section);
        let mut checks = checks.peekable();
        if checks.peek().is_none() {
            continue;
        }
        let _ = writeln!(text, "\n--- {section} ---");
        for check in checks {
            let _ = writeln!(text, "{}: {}", check.name, state(check, painted));
            match check.name {
                "User namespace" if check.state == State::Enabled => {
                    text.extend(remarks().iter().map(|remark| format!("{remark}\n")));
                }
                "Cgroup namespace" => text.push_str(&cgroup_mounts(v1, v2, painted)),
                _ => {}
            }
        }
    }
    text.push_str("\nNote : Before booting a new kernel, you can check its configuration\n");
    text.push_str("usage : CONFIG=/path/to/config lxc-checkconfig\n\n");
    text
}

fn paint(word: &str, colour: &str, painted: bool) -> String {
    if painted { format!("\x1b[1;{colour}m{word}\x1b[0;39m") } else { word.to_owned() }
}

fn state(check: &Check, painted: bool) -> String {
    let word = match check.state {
        State::Enabled => paint("enabled", "32", painted),
        State::Missing if check.required => paint("required", "31", painted),
        State::Missing => paint("missing", "33", painted),
        State::Unknown => paint("unknown", "33", painted),
    };
    match check.loaded.filter(|_| check.state == State::Enabled) {
        Some(true) => word + ", loaded",
        Some(false) => word + ", not loaded",
        None => word,
    }
}

/// Where cgroups are mounted, and which v1 controllers are not.
fn cgroup_mounts(v1: &[String], v2: &[String], painted: bool) -> String {
    let mut text = String::new();
    for (version, points) in [(1, v1), (2, v2)] {
        let _ = writeln!(text, "Cgroup v{version} mount points: ");
        let shown = |point| if painted { visible_text(point) } else { Cow::Borrowed(point) };
        text.extend(points.iter().map(|point| format!(" - {}\n", shown(point.as_str()))));
    }
    if v2 == ["/sys/fs/cgroup"] {
        return text;
    }
    for controller in ["systemd", "freezer"] {
        if !v1.iter().any(|point| point.contains(&format!("/{controller}"))) {
            let word = paint("missing", "31", painted);
            let _ = writeln!(text, "Cgroup v1 {controller} controller: {word}");
        }
    }
    if v1.first().is_some_and(|point| Path::new(point).join("cgroup.clone_children").exists()) {
        let word = paint("enabled", "32", painted);
        let _ = writeln!(text, "Cgroup v1 clone_children flag: {word}");
    }
    text
}

/// What is wrong with the programs that write id maps.
fn remarks() -> Vec<String> {
    let remark = |name: &&str| match programs::find(name, "uidmap") {
        Err(_) => Some(format!("{name} is not installed")),
        Ok(path) => (!is_set_user_id(&path)).then(|| format!("Warning: {name} is not setuid-root")),
    };
    MAPPERS.iter().filter_map(remark).collect()
}

/// Says on standard error why something is missing and what can be done.
fn explain(report: &Report) {
    for check in &report.checks {
        let reason = check.reason.as_deref();
        match (reason, check.hint) {
            (None, None) => continue,
            (Some(reason), _) => errln!("{}: {reason}", check.name),
            (None, Some(_)) => errln!("{}: not there", check.name),
        }
        if let Some(hint) = check.hint {
            errln!("  hint: {hint}");
        }
    }
    if !report.usable {
        errln!("no container works without what is called required above");
    }
}
