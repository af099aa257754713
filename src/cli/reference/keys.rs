//! lxc-rs reference: the configuration keys, as a manual page, a list or JSON.

use clap::{Arg, Command};

use crate::cli::output;
use crate::cli::{Invocation, NameRule, Tool, outln};
use crate::config::key;
use crate::error::Result;
use crate::exit::ExitCode;

pub(in crate::cli) const TOOL: Tool = Tool {
    name: "reference",
    about: "Print the reference of configuration keys",
    name_rule: NameRule::Free,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    command.mut_arg("args", |arg| arg.hide(true)).arg(
        Arg::new("as")
            .long("as")
            .value_name("FORM")
            .value_parser(["man", "keys", "examples", "json"])
            .default_value("man")
            .help("A manual page, the names, a line of each, or all there is to know"),
    )
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    match invocation.value("as") {
        Some("keys") => {
            outln!("lxc.include");
            for key in key::all() {
                outln!("{}", key.name.trim_end_matches('*'));
            }
        }
        Some("examples") => {
            for line in key::all().filter_map(key::Key::sample_line) {
                outln!("{line}");
            }
        }
        Some("json") => output::json(&key::all().collect::<Vec<_>>())?,
        _ => outln!("{}", super::configuration::container().render().trim_end()),
    }
    Ok(ExitCode::SUCCESS)
}
