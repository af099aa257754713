//! lxc-rs report: all that a bug report about a container needs, in one archive.

use std::path::PathBuf;

use clap::Command;
use jiff::ZonedDateTime;

use super::{Invocation, NameRule, Tool, errln, flag, outln, output};
use crate::config::write_whole;
use crate::container::list::require_defined;
use crate::doctor::Bundle;
use crate::error::{Error, Result};
use crate::exit::ExitCode;

pub(super) const TOOL: Tool = Tool {
    name: "report",
    about: "Collect what a bug report about a container needs, without its secrets",
    name_rule: NameRule::Required,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    command
        .arg(flag("list").help("Only say what would be in the archive"))
        .arg(output::format_option(&["text", "json"]))
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let identity = invocation.identity()?;
    let name = &identity.name;
    let file = match invocation.args.as_slice() {
        [] => {
            let now = ZonedDateTime::now().strftime("%Y%m%d-%H%M%S");
            PathBuf::from(format!("lxc-report-{name}-{now}.tar.gz"))
        }
        [file] => PathBuf::from(file),
        _ => return Err(Error::new("only one file can be named")),
    };
    require_defined(&identity)?;
    let bundle = Bundle::of(&identity);
    // Shown before the archive is written: whoever sends it must know what is in it.
    if invocation.value("format") == Some("json") {
        output::json(&bundle.entries)?;
    } else {
        for entry in &bundle.entries {
            outln!("{:>9}  {}", entry.bytes, entry.path);
        }
    }
    if invocation.flag("list") {
        return Ok(ExitCode::SUCCESS);
    }
    let archive = bundle.archive(&format!("lxc-report-{name}"))?;
    write_whole(&file, &archive)?;
    errln!(
        "{} is written; {} secrets were removed. Read it before you give it away: tar -xzf {0}",
        file.display(),
        bundle.removed
    );
    Ok(ExitCode::SUCCESS)
}
