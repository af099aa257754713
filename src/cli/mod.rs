//! The command line: one file per command, shared options, output. The only module that prints.
//!
//! Each command is one [`Tool`]: its own options on top of the shared ones (`options`), and a
//! function that runs it and says the exit code. Errors come back as [`Error`](crate::Error) and are
//! printed here, once, as one block on standard error.

mod attach;
mod autostart;
mod cgroup;
mod check;
mod checkconfig;
mod checkpoint;
mod clonehostname;
mod commit;
mod config;
mod console;
mod copy;
mod cp;
mod create;
mod denials;
mod destroy;
mod device;
mod diff;
mod doctor;
mod ephemeral;
mod execute;
mod export;
mod forward;
mod freeze;
mod getopt;
mod images;
mod import;
mod info;
mod init;
mod ls;
mod monitor;
mod net;
mod options;
mod reference;
mod report;
mod run;
mod shift;
mod size;
mod snapshot;
mod start;
mod stop;
mod storage;
mod top;
mod unshare;
mod update_config;
mod usage;
mod usernsexec;
mod wait;

use options::flag;
pub use options::{Invocation, NameRule};

use crate::Result;
use crate::exit::ExitCode;
use crate::helper;
use crate::logging;
use crate::monitor::title;
use crate::monitord;
use crate::security::rexec;
use crate::sys::process;
use crate::version;

/// One command.
pub struct Tool {
    /// Its name after `lxc-`.
    pub name: &'static str,
    /// One line of help.
    pub about: &'static str,
    /// What its first argument that is not an option means.
    pub name_rule: NameRule,
    /// Adds its own options to the shared ones.
    pub options: fn(clap::Command) -> clap::Command,
    /// Runs it.
    pub run: fn(&Invocation) -> Result<ExitCode>,
    /// Prints what its help says beside its options.
    pub more_help: Option<fn(&clap::ArgMatches) -> Result<()>>,
}

/// All commands, by name.
const TOOLS: &[&Tool] = &[
    &attach::TOOL,
    &autostart::TOOL,
    &cgroup::TOOL,
    &check::TOOL,
    &checkconfig::TOOL,
    &checkpoint::TOOL,
    &commit::TOOL,
    &config::TOOL,
    &console::TOOL,
    &copy::TOOL,
    &cp::TOOL,
    &create::TOOL,
    &denials::TOOL,
    &destroy::TOOL,
    &device::TOOL,
    &diff::TOOL,
    &doctor::TOOL,
    &execute::TOOL,
    &export::TOOL,
    &forward::TOOL,
    &freeze::FREEZE,
    &freeze::UNFREEZE,
    &import::TOOL,
    &info::TOOL,
    &init::TOOL,
    &ls::TOOL,
    &monitor::TOOL,
    &net::TOOL,
    &reference::TOOL,
    &report::TOOL,
    &run::TOOL,
    &shift::TOOL,
    &snapshot::TOOL,
    &start::TOOL,
    &stop::TOOL,
    &storage::TOOL,
    &top::TOOL,
    &unshare::TOOL,
    &usernsexec::TOOL,
    &update_config::TOOL,
    &wait::TOOL,
];

/// The tools that enter containers, or have them as their children, whatever their options. `lxc-NAME` of
/// these is a link to the launcher (`security::rexec`).
const LAUNCHED: [&str; 5] = ["attach", "copy", "execute", "run", "start"];

/// Chooses the tool from the program's name or the first argument, and runs it.
pub fn main() -> ExitCode {
    // A caller that ignores SIGCHLD, as a daemon may, would keep this program from waiting for its
    // children.
    process::reset_signal_handler(libc::SIGCHLD);
    let mut args = std::env::args_os();
    let program = args.next().unwrap_or_default();
    let own_name = std::path::Path::new(&program).file_name().unwrap_or_default();
    rexec::recall(own_name);
    if title::is_monitor(&program) {
        return crate::container::start::monitor();
    }
    if let Some(code) = reference::completion::answer() {
        return code;
    }
    let program = std::path::Path::new(&program)
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    if program == helper::PROGRAM {
        return helper::obey();
    }
    if program == monitord::PROGRAM {
        return monitor::daemon(&args.collect::<Vec<_>>());
    }
    if program == clonehostname::PROGRAM {
        return clonehostname::run();
    }
    if program == init::PROGRAM {
        return run(&init::TOOL, args.collect());
    }
    let find = |name: &str| TOOLS.iter().copied().find(|tool| tool.name == name);
    if let Some(tool) = program.strip_prefix("lxc-").filter(|name| *name != "rs").and_then(find) {
        return run(tool, args.collect());
    }
    let first = args.next().map(|name| name.to_string_lossy().into_owned());
    if let Some(tool) = first.as_deref().and_then(find) {
        return run(tool, args.collect());
    }
    let rest: Vec<_> = args.collect();
    if first.as_deref() == Some(images::COMMAND) {
        return images::run(&rest);
    }
    let written = first.as_deref().and_then(|first| reference::run(first, &rest));
    written.unwrap_or_else(|| overview(first.as_deref()))
}

fn run(tool: &Tool, args: Vec<std::ffi::OsString>) -> ExitCode {
    // Before anything else: the program begins again, unless the launcher executed it.
    if ["attach", "execute", "run"].contains(&tool.name)
        && let Err(error) = rexec::rexec()
    {
        errln!("lxc-{}: {error}", tool.name);
        return ExitCode::FAILURE;
    }
    let invocation = match Invocation::parse(tool, args) {
        Ok(invocation) => invocation,
        Err(code) => return code,
    };
    let logging = || {
        let log = invocation.log()?;
        logging::start(&log, &invocation.tool, invocation.name.as_deref())
    };
    logging()
        .and_then(|()| invocation.check_rcfile(tool))
        .and_then(|()| (tool.run)(&invocation))
        .unwrap_or_else(|error| {
            invocation.complain(&error.to_string());
            ExitCode::FAILURE
        })
}

/// Says what commands there are; fails unless that was asked for.
fn overview(asked: Option<&str>) -> ExitCode {
    if matches!(asked, Some("--version")) {
        outln!("lxc-rs {} (LXC {})", version::OWN, version::LXC_RELEASE);
        return ExitCode::SUCCESS;
    }
    // Lists for packaging/install.
    let listed: Option<Vec<&str>> = match asked {
        Some("--list") => Some(TOOLS.iter().map(|tool| tool.name).collect()),
        Some("--list-launched") => Some(LAUNCHED.into()),
        _ => None,
    };
    if let Some(names) = listed {
        outln!("{}", names.join("\n"));
        return ExitCode::SUCCESS;
    }
    let wanted = matches!(asked, Some("-h" | "--help" | "help"));
    if let Some(asked) = asked.filter(|_| !wanted) {
        errln!("lxc-rs: no such command: {asked}\n");
    }
    errln!("Usage: lxc-rs COMMAND [OPTION]... [ARGUMENT]...\n\nKnown commands:");
    for tool in TOOLS {
        errln!("  {:<12} {}", tool.name, tool.about);
    }
    errln!("  {:<12} {}", images::COMMAND, images::ABOUT);
    if wanted { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints a line on standard output; a reader that went away ends the program quietly.
macro_rules! outln {
    ($($arg:tt)*) => { $crate::cli::output::line(&format!($($arg)*)) };
}
/// Prints a line on standard error, as far as somebody reads it.
macro_rules! errln {
    ($($arg:tt)*) => { $crate::cli::output::error_line(&format!($($arg)*)) };
}
pub(crate) use {errln, outln};

pub(crate) mod output;
