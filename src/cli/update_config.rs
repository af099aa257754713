//! lxc-update-config: rewrites a configuration with names of before LXC 2.1.

use std::path::PathBuf;

use clap::{Arg, Command, value_parser};

use super::{Invocation, NameRule, Tool, outln};
use crate::config;
use crate::error::{Context, Result};
use crate::exit::ExitCode;
use crate::storage;

pub(super) const TOOL: Tool = Tool {
    name: "update-config",
    about: "Rewrite a configuration with names of before LXC 2.1",
    name_rule: NameRule::Free,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    let config = Arg::new("config").long("config").short('c').value_name("FILE");
    command.arg(
        config
            .value_parser(value_parser!(PathBuf))
            .help("The file; what it was before is kept as FILE.backup"),
    )
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let Some(file) = invocation.path("config") else {
        outln!("Usage: lxc-update-config -c FILE");
        return Ok(ExitCode::SUCCESS);
    };
    let text = std::fs::read(file).context(|| format!("cannot read {}", file.display()))?;
    // A file that is up to date keeps the backup of when it was not.
    let Some(updated) = config::update(&text, storage::DEFAULT.name(), storage::was_known) else {
        return Ok(ExitCode::SUCCESS);
    };
    let mut backup = file.clone().into_os_string();
    backup.push(".backup");
    let backup = PathBuf::from(backup);
    let is_new = !backup.exists();
    config::write_whole(&backup, &text)?;
    let write = || {
        let mode =
            file.metadata().context(|| format!("cannot read {}", file.display()))?.permissions();
        std::fs::set_permissions(&backup, mode)
            .context(|| format!("cannot change {}", backup.display()))?;
        config::write_whole(file, &updated)
    };
    write().inspect_err(|_| {
        if is_new {
            let _ = std::fs::remove_file(&backup);
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
