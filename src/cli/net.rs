//! lxc-net: the bridge of the host's containers.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Arg, Command, value_parser};
use serde::Serialize;

use super::{Invocation, NameRule, Tool, errln, outln};
use crate::container::connected::{Connected, connected};
use crate::container::forward;
use crate::error::{Kind, Result};
use crate::exit::ExitCode;
use crate::network::forward::Active;
use crate::network::host::{Clients, HostNetwork, Settings, Status, standard_files};
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

/// What it can be told to do; the last three mean the same.
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
    let clients = network.clients()?;
    let names = clients.names.iter().flatten();
    let known =
        names.flat_map(|name| name.links.iter().map(|link| (link.as_str(), &name.container)));
    let links = status.members.as_deref().unwrap_or_default();
    let connected = connected(links, &known.collect())?;
    let code = if status.is_complete() { ExitCode::SUCCESS } else { ExitCode::from(NOT_RUNNING) };
    let all = All { status, clients, connected, forwards: forward::all()? };
    if json {
        super::output::json(&all)?;
    } else {
        print(&all);
    }
    Ok(code)
}

/// All that there is to say of the network.
#[derive(Serialize)]
struct All {
    #[serde(flatten)]
    status: Status,
    #[serde(flatten)]
    clients: Clients,
    /// The links on the bridge with their containers.
    connected: Vec<Connected>,
    /// The ports of the host that lead to containers, on this bridge and others.
    forwards: Vec<Active>,
}

fn print(all: &All) {
    let All { status, clients, connected, forwards } = all;
    let yes = |there: bool| if there { "yes" } else { "no" };
    let bridge = match &status.members {
        Some(members) => {
            let addresses = clients.addresses.join(" ");
            format!("{} {addresses}, {} links", status.bridge, members.len())
        }
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
    match &clients.names {
        Some(names) => outln!("Names:      {}", names.len()),
        None if status.started => {
            outln!("Names:      none: LXC's lxc-net started it; lxc-rs net restart serves them");
        }
        None => outln!("Names:      none"),
    }
    let mut rows: Vec<[String; 4]> = connected.iter().map(|one| row(one, clients)).collect();
    rows.extend(clients.others().map(|lease| {
        let name = lease.name.clone().unwrap_or_else(nothing);
        let address = match &lease.mac {
            Some(mac) => format!("{} ({mac})", lease.address),
            None => lease.address.to_string(),
        };
        [nothing(), nothing(), name, address]
    }));
    table(["LINK", "CONTAINER", "NAME", "ADDRESSES"], rows);
    let name = |one: &Active| one.lxcpath.join(&one.name).display().to_string();
    let forwards = forwards.iter().map(|one| [name(one), one.to_string()]);
    table(["CONTAINER", "FORWARD"], forwards.collect());
}

/// The text of a cell without a value.
fn nothing() -> String {
    "-".to_owned()
}

/// A link, its container, and the container's name and addresses.
fn row(one: &Connected, clients: &Clients) -> [String; 4] {
    let container = one.container.as_ref().map(|identity| identity.dir().display().to_string());
    let name = clients.name_of(&one.link);
    let addresses: Vec<String> =
        name.iter().flat_map(|name| &name.addresses).map(IpAddr::to_string).collect();
    let addresses = Some(addresses.join(" ")).filter(|text| !text.is_empty());
    [Some(one.link.clone()), container, name.map(|name| name.name.clone()), addresses]
        .map(|cell| cell.unwrap_or_else(nothing))
}

/// Prints a table after an empty line, if it has rows.
fn table<const N: usize>(titles: [&str; N], rows: Vec<[String; N]>) {
    if !rows.is_empty() {
        outln!("");
        super::output::table(titles, rows);
    }
}
