//! lxc-rs check: what is wrong with a configuration, and whether it would start here.

use std::path::PathBuf;

use clap::Command;
use serde::Serialize;

use super::{Invocation, NameRule, Tool, outln};
use crate::config::{Finding, Severity};
use crate::container::check::check;
use crate::container::list::is_defined;
use crate::error::{Error, Result, errno_text};
use crate::exit::ExitCode;
use crate::identity::{ContainerName, Identity};

pub(super) const TOOL: Tool = Tool {
    name: "check",
    about: "Check the configuration of a container and this host, without starting anything",
    name_rule: NameRule::Required,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    command.arg(super::output::format_option(&["text", "json"]))
}

/// Prints what is wrong; exit code 0 for nothing, 1 for warnings, 2 for errors.
pub(super) fn run(invocation: &Invocation) -> Result<ExitCode> {
    let file = file(invocation)?;
    let findings = check(&file)?;
    if invocation.value("format") == Some("json") {
        super::output::json(&findings.iter().map(Shown::of).collect::<Vec<_>>())?;
    } else {
        for Finding { severity, error } in &findings {
            let word = if *severity == Severity::Error { "error" } else { "warning" };
            outln!("{word}: {error}\n");
        }
        let count = |wanted| findings.iter().filter(|one| one.severity == wanted).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        outln!("{}: {errors} errors, {warnings} warnings", file.display());
    }
    Ok(match findings.iter().map(|finding| finding.severity).max() {
        None => ExitCode::SUCCESS,
        Some(Severity::Warning) => ExitCode::from(1),
        Some(Severity::Error) => ExitCode::from(2),
    })
}

/// The configuration of the container of that name, else the file of that name.
fn file(invocation: &Invocation) -> Result<PathBuf> {
    if let Some(file) = invocation.path("rcfile") {
        return Ok(file.clone());
    }
    let name = invocation.name.clone().unwrap_or_default();
    if let Ok(name) = ContainerName::new(name.clone()) {
        let own = Identity::new(invocation.lxcpath()?, name);
        if is_defined(&own)? {
            return Ok(own.config_file());
        }
    }
    let file = PathBuf::from(&name);
    if file.exists() {
        return Ok(file);
    }
    Err(Error::new(format!("{name} is neither a container nor a file"))
        .hint("lxc-ls lists the containers there are"))
}

/// A finding, as JSON shows it.
#[derive(Serialize)]
struct Shown<'a> {
    severity: Severity,
    message: &'a str,
    errno: Option<String>,
    file: Option<&'a str>,
    line: Option<u32>,
    column: Option<usize>,
    text: Option<&'a str>,
    hint: Option<&'a str>,
    notes: &'a [String],
}

impl<'a> Shown<'a> {
    fn of(finding: &'a Finding) -> Self {
        let error = &finding.error;
        let origin = error.origin.as_ref();
        Self {
            severity: finding.severity,
            message: &error.what,
            errno: error.errno.map(errno_text),
            file: origin.map(|origin| &*origin.file),
            line: origin.map(|origin| origin.line),
            column: origin.map(crate::config::Origin::column),
            text: origin.map(|origin| origin.text.as_str()),
            hint: error.hint.as_deref(),
            notes: &error.notes,
        }
    }
}
