//! lxc-net: the bridge of the host's containers.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, Command, value_parser};

use super::{Invocation, NameRule, Tool, errln, outln};
use crate::error::{Kind, Result};
use crate::network::host::{HostNetwork, Settings, Status, standard_files};
use crate::paths;

pub(super) const TOOL: Tool = Tool {
    name: "net",
    about: "Start and stop the bridge of the containers",
    name_rule: NameRule::Free,
    options,
    run,
    more_help: None,
};

/// Exit code of a status that is "not running" (LSB, "Init Script Actions").
const NOT_RUNNING: u8 = 3;
/// Exit code of a wrong usage (LSB).
const USAGE: u8 = 2;

/// What it can be told to do; the last three are one.
const ACTIONS: [&str; 6] = ["start", "stop", "status", "restart", "reload", "force-reload"];

fn options(command: Command) -> Command {
    let path = |id: &'static str, name: &'static str| {
        Arg::new(id).long(id).value_name(name).value_parser(value_parser!(PathBuf))
    };
    command
        .arg(
            path("settings", "FILE")
                .help("Settings instead of /etc/default/lxc and /etc/default/lxc-net"),
        )
        .arg(path("run-dir", "DIR").help("Where the mark and the pid file are (default /run/lxc)"))
        .arg(super::output::format_option(&["text", "json"]))
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let action = match invocation.args.as_slice() {
        [action] => action.to_str().filter(|action| ACTIONS.contains(action)),
        _ => None,
    };
    let Some(action) = action else {
        if !invocation.flag("quiet") {
            errln!("Usage: lxc-net {{{}}}", ACTIONS.join("|"));
        }
        return Ok(ExitCode::from(USAGE));
    };
    let files = invocation.path("settings").map_or_else(standard_files, |file| vec![file.clone()]);
    let run_dir = invocation.path("run-dir").cloned();
    let network = HostNetwork::new(
        Settings::load(&files)?,
        run_dir.unwrap_or_else(|| paths::run_dir().join("lxc")),
    );
    match action {
        "start" => start(invocation, &network),
        "stop" => stop(&network),
        "status" => status(&network, invocation.value("format") == Some("json")),
        _ => {
            match network.stop() {
                Err(error) if error.kind == Kind::NotRunning => {}
                result => drop(result?),
            }
            start(invocation, &network)
        }
    }
}

fn start(invocation: &Invocation, network: &HostNetwork) -> Result<ExitCode> {
    let warnings = match network.start() {
        // Without a bridge there is nothing to start.
        Err(error) if error.kind == Kind::NotDefined => Vec::new(),
        result => result?,
    };
    if !invocation.flag("quiet") {
        for warning in warnings {
            errln!("lxc-net: warning: {warning}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn stop(network: &HostNetwork) -> Result<ExitCode> {
    if let Some(kept) = network.stop()? {
        errln!("lxc-net: the bridge is kept, {} on it", kept.members.join(" "));
    }
    Ok(ExitCode::SUCCESS)
}

fn status(network: &HostNetwork, json: bool) -> Result<ExitCode> {
    let status = network.status()?;
    if json {
        super::output::json(&status)?;
    } else {
        print(&status);
    }
    Ok(if status.is_complete() { ExitCode::SUCCESS } else { ExitCode::from(NOT_RUNNING) })
}

fn print(status: &Status) {
    let yes = |there: bool| if there { "yes" } else { "no" };
    let bridge = match &status.members {
        Some(members) => format!("{} {}, {} links", status.bridge, status.address, members.len()),
        None => format!("{} missing", status.bridge),
    };
    outln!("Started:    {}", yes(status.started));
    outln!("Bridge:     {bridge}");
    match status.dnsmasq {
        Some(pid) => outln!("dnsmasq:    process {pid}"),
        None => outln!("dnsmasq:    not running"),
    }
    outln!("nftables:   {}", if status.rules { "table inet lxc" } else { "no table" });
    outln!("Forwarding: {}", yes(status.forwarding));
}
