//! lxc-start: boots a container.

use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, value_parser};

use super::{Invocation, NameRule, Tool, errln, flag};
use crate::config::Document;
use crate::container::start::{Request, Started, start_with};
use crate::error::{Context, Error, Kind, Result};
use crate::exit::ExitCode;
use crate::monitor::{Ended, Exit};
use crate::security::rexec;

pub(super) const TOOL: Tool = Tool {
    name: "start",
    about: "Start a container",
    name_rule: NameRule::Required,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    let path = |id: &'static str, short| {
        Arg::new(id).long(id).short(short).value_name("FILE").value_parser(value_parser!(PathBuf))
    };
    define(share(command))
        .mut_arg("rcfile", |arg| arg.short('f'))
        .arg(flag("daemon").short('d').help("Run in the background (the default)"))
        .arg(
            flag("foreground")
                .short('F')
                .help("Stay in the foreground, with this terminal as console"),
        )
        .arg(path("pidfile", 'p').help("Write the monitor's pid to FILE"))
        .arg(path("console", 'c').help("Terminal or file for the console"))
        .arg(path("console-log", 'L').help("Append the console's output to FILE"))
        .arg(flag("close-all-fds").short('C').help("Close inherited descriptors"))
        .arg(flag("check").help("Check the configuration and this host, and start nothing"))
        .arg(super::output::format_option(&["text", "json"]).requires("check"))
}

/// `-s KEY=VAL`, of all tools that start a container.
pub(super) fn define(command: Command) -> Command {
    command.arg(
        Arg::new("define")
            .long("define")
            .short('s')
            .value_name("KEY=VAL")
            .action(ArgAction::Append)
            .help("Set a configuration value for this start"),
    )
}

/// `--share-*`, of all tools that start a container.
pub(super) fn share(mut command: Command) -> Command {
    for (id, kind) in SHARED {
        command = command.arg(
            Arg::new(id)
                .long(id)
                .value_name("NAME|PID")
                .help(format!("Join the {kind} namespace of another container or process")),
        );
    }
    command
}

const SHARED: [(&str, &str); 4] =
    [("share-net", "net"), ("share-ipc", "ipc"), ("share-uts", "uts"), ("share-pid", "pid")];

/// The overrides of the command line, in the order in which they apply.
pub(super) fn overrides(invocation: &Invocation) -> Result<Vec<(String, String)>> {
    let mut defines = Vec::new();
    for define in invocation.values("define") {
        let (key, value) = define
            .split_once('=')
            .ok_or_else(|| Error::new(format!("-s {define}: write -s KEY=VALUE")))?;
        defines.push((key.trim().to_owned(), value.trim().to_owned()));
    }
    for (id, kind) in SHARED {
        if let Some(whose) = invocation.value(id) {
            defines.push((format!("lxc.namespace.share.{kind}"), whose.to_owned()));
        }
    }
    defines.extend(log_overrides(invocation)?);
    Ok(defines)
}

/// The overrides of `-o` and `-l`: the monitor logs there, too.
pub(super) fn log_overrides(invocation: &Invocation) -> Result<Vec<(String, String)>> {
    let mut defines = Vec::new();
    let log = invocation.log()?;
    // A file that only follows from -l gives way to the configured one.
    let is_configured = invocation.value("logfile").is_none() && configures_log(invocation);
    if let Some(file) = log.file.as_ref().filter(|_| !is_configured) {
        defines.push(("lxc.log.file".to_owned(), file.display().to_string()));
    }
    if let Some(level) = log.level {
        defines.push(("lxc.log.level".to_owned(), level.to_string()));
    }
    Ok(defines)
}

/// Whether the configuration names a file for the log.
fn configures_log(invocation: &Invocation) -> bool {
    let own = || invocation.identity().ok().map(|identity| identity.config_file());
    let file = invocation.path("rcfile").cloned().or_else(own);
    // Errors in the configuration are reported by the start.
    let document = file.and_then(|file| Document::load(&file).ok());
    document.is_some_and(|document| document.config.log.file.is_some())
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    if invocation.flag("check") {
        return super::check::run(invocation);
    }
    let mut defines = overrides(invocation)?;
    for (id, key) in [("console", "lxc.console.path"), ("console-log", "lxc.console.logfile")] {
        if let Some(path) = invocation.path(id) {
            defines.push((key.to_owned(), path.display().to_string()));
        }
    }
    let foreground = invocation.flag("foreground");
    if foreground {
        rexec::rexec()?;
    }
    if invocation.flag("close-all-fds") {
        crate::sys::process::close_from(3).context(|| "cannot close inherited descriptors")?;
    }
    let pidfile = invocation
        .path("pidfile")
        .map(|path| {
            std::path::absolute(path).context(|| format!("cannot resolve {}", path.display()))
        })
        .transpose()?;
    let request = Request {
        rcfile: invocation.path("rcfile").cloned(),
        defines,
        command: invocation.args.clone(),
        daemon: !foreground,
        pidfile,
        ..Request::of(invocation.identity()?)
    };
    match start_with(&request, &mut |warning| warn(invocation, &[warning.to_owned()])) {
        Ok(Started::Background(warnings)) => {
            warn(invocation, &warnings);
            Ok(ExitCode::SUCCESS)
        }
        // Whatever its init returned: the container ran and ended.
        Ok(Started::Ended(ended)) => {
            say_killed(invocation, &ended);
            Ok(ExitCode::SUCCESS)
        }
        Err(error) if error.kind == Kind::AlreadyRunning => {
            invocation.complain(&error.to_string());
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(error),
    }
}

/// Says that the kernel killed processes of the container that ended, if it did.
pub(super) fn say_killed(invocation: &Invocation, ended: &Ended) {
    match (ended.memory_kills, ended.exit) {
        (0, _) => {}
        (1, Exit::Signal(libc::SIGKILL)) => {
            invocation.complain("init was killed by the memory limit");
        }
        (1, _) => invocation.complain("a process was killed by the memory limit"),
        (kills, _) => {
            invocation.complain(&format!("{kills} processes were killed by the memory limit"));
        }
    }
}

/// Warns about the parts of the configuration that have no effect.
pub(super) fn warn(invocation: &Invocation, warnings: &[String]) {
    if !invocation.flag("quiet") {
        for warning in warnings {
            errln!(
                "{}: {}: warning: {warning}",
                invocation.tool,
                invocation.name.as_deref().unwrap_or_default()
            );
        }
    }
}
