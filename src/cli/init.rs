//! lxc-init: the small init of lxc-execute as a program, pid 1 of whatever calls it.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::Path;

use clap::Command;
use nix::mount::{MsFlags, mount};

use super::{Invocation, NameRule, Tool};
use crate::error::{Context, Error, Result};
use crate::exit::ExitCode;
use crate::init::command;
use crate::init::reaper;
use crate::sys::process;

pub(super) const TOOL: Tool = Tool {
    name: "init",
    about: "Run a command as the child of a small init",
    name_rule: NameRule::Free,
    options: |command: Command| command,
    run,
    more_help: None,
};

/// The name that distributions give it; users do not run it by this name.
pub(super) const PROGRAM: &str = "init.lxc";

fn run(invocation: &Invocation) -> Result<ExitCode> {
    if invocation.name.is_none() {
        return Err(Error::new("missing container name, use --name option"));
    }
    if invocation.args.is_empty() {
        return Err(Error::new("missing command to run"));
    }
    // The container may have no /proc; the reaper does without one, its command may not.
    if !Path::new("/proc/self").exists() {
        let _ = mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), None::<&str>);
    }
    let Err(error) = reaper::run(&reaper::image()?, "init.lxc", || {
        let Err(error) = become_command(&invocation.args);
        invocation.complain(&error.to_string());
        reaper::CANNOT_EXECUTE
    });
    Err(error)
}

fn become_command(words: &[OsString]) -> Result<Infallible> {
    nix::unistd::setsid().context(|| "cannot start a session")?;
    // Only where standard input is a terminal, and that may be somebody else's.
    let _ = process::set_controlling_terminal(process::standard(0));
    Err(command::execute_with_own_environment(words))
}
