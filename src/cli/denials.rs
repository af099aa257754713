//! lxc-rs denials: what the kernel denied to a container, and the line that would allow it.

use clap::Command;
use jiff::Timestamp;
use serde::Serialize;

use super::{Invocation, NameRule, Tool, outln};
use crate::container::denials::find;
use crate::error::Result;
use crate::exit::ExitCode;
use crate::security::denials::{Denial, Effect, Line, Place, Report, Source};

pub(super) const TOOL: Tool = Tool {
    name: "denials",
    about: "Show what the kernel denied to a container, and which line would allow it",
    name_rule: NameRule::Required,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    command.arg(super::output::format_option(&["text", "json"]))
}

/// The report with the container it is about, for programs.
#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    #[serde(flatten)]
    report: &'a Report,
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let identity = invocation.identity()?;
    let report = find(&identity)?;
    if invocation.value("format") == Some("json") {
        super::output::json(&Shown { name: identity.name.as_str(), report: &report })?;
    } else {
        print(identity.name.as_str(), &report);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(name: &str, report: &Report) {
    let count: usize =
        report.denials.iter().map(|denial| denial.count).sum::<usize>() + report.more;
    let since = match report.since {
        Some(since) => format!(" since {}", time(since)),
        None => " (not running; what is certainly about it)".to_owned(),
    };
    outln!("{name}: {count} denials{since}");
    for denial in &report.denials {
        outln!("");
        print_denial(denial);
    }
    if report.more > 0 {
        outln!("\n{} more of other kinds", report.more);
    }
    if !report.unseen.is_empty() {
        outln!("\nNot to be seen here:");
        for line in &report.unseen {
            outln!("  {line}");
        }
    }
}

fn print_denial(denial: &Denial) {
    let source = match denial.source {
        Source::AppArmor => "AppArmor",
        Source::SeLinux => "SELinux",
        Source::Seccomp => "seccomp",
        Source::Devices => "device rules",
    };
    let effect = match denial.effect {
        Effect::Refused => "refused",
        Effect::Killed => "killed",
        Effect::Trapped => "trapped",
        Effect::Notified => "answered by a program",
        Effect::Logged => "only logged",
    };
    outln!("{source}: {}: {effect}", denial.what);
    let times = if denial.count == 1 {
        format!("once, {}", time(denial.first))
    } else {
        format!("{} times, {} to {}", denial.count, time(denial.first), time(denial.last))
    };
    match denial.commands.join(", ") {
        commands if commands.is_empty() => outln!("  {times}"),
        commands => outln!("  {times}, by {commands}"),
    }
    if !denial.certain {
        outln!("  perhaps by another container: its process is gone, and nothing else tells");
    }
    for line in &denial.allow {
        outln!("  {}", describe(line));
    }
    if let Some(note) = &denial.note {
        outln!("  {note}");
    }
}

fn describe(line: &Line) -> String {
    let verb = if line.remove { "remove" } else { "add" };
    let place = match (line.place, &line.file, line.number) {
        (_, Some(file), Some(number)) => format!("{file}:{number}"),
        (_, Some(file), None) => file.clone(),
        (Place::Policy, ..) => "the SELinux policy".to_owned(),
        _ => "the configuration".to_owned(),
    };
    let word = if line.remove { "from" } else { "to" };
    format!("{verb} {word} {place}: {}", line.text)
}

fn time(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.unwrap_or_default().strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
