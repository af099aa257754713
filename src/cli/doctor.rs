//! lxc-rs doctor: what this host can do for containers, tried, and what to do about the rest.

use clap::Command;

use super::{Invocation, NameRule, Tool, outln, output};
use crate::doctor::{self, Finding, Report, Verdict};
use crate::error::Result;
use crate::exit::ExitCode;
use crate::paths;

pub(super) const TOOL: Tool = Tool {
    name: "doctor",
    about: "Try what this host can do for containers, and say how to fix the rest",
    name_rule: NameRule::Free,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    command.arg(output::format_option(&["text", "table", "json"]))
}

/// Exit code 2 if containers do not work here.
fn run(invocation: &Invocation) -> Result<ExitCode> {
    let report = doctor::examine(&invocation.lxcpath()?, &paths::default_config())?;
    match invocation.value("format") {
        Some("json") => output::json(&report)?,
        Some("table") => {
            let row = |one: &Finding| {
                let fix = one.fix.clone().unwrap_or_default();
                let (topic, verdict) = (one.topic.to_owned(), word(one.verdict).to_owned());
                [topic, one.what.clone(), verdict, in_one_line(&one.found), in_one_line(&fix)]
            };
            let titles = ["TOPIC", "WHAT", "VERDICT", "FOUND", "FIX"];
            output::table(titles, report.findings.iter().map(row));
        }
        _ => print(&report, invocation.flag("quiet")),
    }
    Ok(if report.usable { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Limited => "limited",
        Verdict::Fails => "fails",
    }
}

fn in_one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

/// Prints the results by topic, each with what can be done about it; `quiet`: only what is not well.
fn print(report: &Report, quiet: bool) {
    let mut topic = "";
    for finding in &report.findings {
        if quiet && finding.verdict == Verdict::Ok {
            continue;
        }
        if finding.topic != topic {
            topic = finding.topic;
            outln!("{topic}");
        }
        outln!("  {:<8} {}: {}", word(finding.verdict), finding.what, in_one_line(&finding.found));
        if let Some(fix) = &finding.fix {
            outln!("           fix: {}", in_one_line(fix));
        }
    }
    if !report.usable {
        outln!("containers do not work here until what fails above is fixed");
    }
}
