//! lxc-stop: shuts a container down, kills it, or reboots it.

use std::time::Duration;

use clap::{Arg, Command};

use super::{Invocation, NameRule, Tool, errln, flag};
use crate::container::stop::{kill, reboot, require_running, shut_down, to_its_end};
use crate::error::{Error, Kind, Result};
use crate::exit::ExitCode;

/// How long a clean shutdown may take before the container is killed (lxc-stop(1)).
const DEFAULT_TIMEOUT: i64 = 60;
/// The exit code for a container that does not run.
const NOT_RUNNING: u8 = 2;

pub(super) const TOOL: Tool = Tool {
    name: "stop",
    about: "Stop a container",
    name_rule: NameRule::Required,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    command
        .arg(flag("reboot").short('r').help("Reboot the container"))
        .arg(flag("nowait").short('W').help("Do not wait for it to end"))
        .arg(flag("kill").short('k').help("Kill it instead of asking for a clean shutdown"))
        .arg(flag("nokill").help("Do not kill it when it does not shut down in time"))
        .arg(flag("nolock").help("Take no lock (with -k)"))
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .short('t')
                .value_name("SECONDS")
                .allow_hyphen_values(true)
                .help("How long to wait before it is killed; -1 for ever (default 60)"),
        )
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let identity = invocation.identity()?;
    let timeout = match invocation.value("timeout") {
        None => None,
        Some(text) => {
            let number = text.parse::<i64>().ok();
            Some(number.ok_or_else(|| Error::new(format!("Invalid timeout {text}")))?)
        }
    };
    let wants = |id| invocation.flag(id);
    let refuse = |why: &str| Err(Error::new(why));
    if wants("kill") {
        if wants("nokill") {
            return refuse("-k can't be used with --nokill");
        }
        if wants("reboot") {
            return refuse("-k can't be used with -r");
        }
        if timeout.is_some_and(|timeout| timeout != 0) {
            return refuse("-k doesn't allow timeouts");
        }
    } else if wants("nolock") {
        return refuse("--nolock may only be used with -k");
    }
    let seconds = if wants("nowait") { 0 } else { timeout.unwrap_or(DEFAULT_TIMEOUT) };
    let timeout = u64::try_from(seconds).ok().map(Duration::from_secs);
    let result = require_running(&identity).and_then(|()| {
        if seconds < -1 {
            return Err(
                Error::new(format!("Invalid timeout {seconds}")).hint("-t -1 waits for ever")
            );
        }
        if wants("reboot") {
            let rebooted = reboot(&identity, timeout)?;
            if !rebooted && !invocation.flag("quiet") {
                errln!("{}: {identity} did not reboot in time", invocation.tool);
            }
            return Ok(rebooted);
        }
        if seconds == 0 && !wants("kill") {
            return shut_down(&identity, timeout).map(|_| true);
        }
        to_its_end(&identity, || {
            if !wants("kill") {
                if shut_down(&identity, timeout)? {
                    return Ok(true);
                }
                if wants("nokill") {
                    return Ok(false);
                }
            }
            kill(&identity).map(|()| true)
        })
    });
    match result {
        Ok(done) => Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        Err(error) if error.kind == Kind::NotRunning => {
            if !invocation.flag("quiet") {
                errln!("{}: {identity} is not running", invocation.tool);
            }
            Ok(ExitCode::from(NOT_RUNNING))
        }
        Err(error) => Err(error),
    }
}
