//! lxc-cgroup: shows or changes a limit of a running container.

use clap::Command;

use super::{Invocation, NameRule, Tool, flag, outln, output};
use crate::container::cgroup;
use crate::error::{Error, Result};
use crate::exit::ExitCode;

pub(super) const TOOL: Tool = Tool {
    name: "cgroup",
    about: "Show or change a cgroup file of a container: NAME FILE [VALUE]",
    name_rule: NameRule::Required,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    command
        .arg(flag("save").help("Write the change into the container's configuration as well"))
        .arg(output::format_option(&["text", "json"]))
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let words: Vec<String> =
        invocation.args.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let identity = invocation.identity()?;
    match words.as_slice() {
        [file] if invocation.value("format") == Some("json") => {
            let content = cgroup::get(&identity, file)?;
            let value = content.strip_suffix('\n').unwrap_or(&content);
            output::json(&serde_json::json!({
                "name": identity.name, "file": file, "value": value,
            }))?;
        }
        // The file's own newline stays.
        [file] => outln!("{}", cgroup::get(&identity, file)?),
        [file, value, ..] => {
            let changed = cgroup::set(&identity, file, value)?;
            if let Some(translated) = changed.translated {
                invocation.complain(&format!("{file} is on this host: {translated}"));
            }
            if invocation.flag("save") {
                cgroup::save(&identity, &changed.key, value)?;
            }
        }
        [] => {
            return Err(Error::new("Missing state object")
                .hint(format!("write: lxc-cgroup -n {identity} FILE [VALUE]")));
        }
    }
    Ok(ExitCode::SUCCESS)
}
