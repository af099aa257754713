//! Ports of the host that lead to a running container, beside those of its configuration.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::unistd::geteuid;

use super::report::{Report, addresses};
use crate::config::{Config, Document, Forward, Namespace};
use crate::error::{Error, Kind, Result};
use crate::identity::Identity;
use crate::monitor::client::{Client, is_held};
use crate::namespace::set;
use crate::network::forward::{self as network, Active, Holder};

/// Checks that the container `identity` could have the forwards that `config` asks for.
pub(super) fn check(identity: &Identity, config: &Config) -> Result<()> {
    network::check(Holder { identity, runs: is_held }, config)
}

/// Forwards ports to the container until it stops, all or none: to its first usable address of either
/// family. Returns warnings: who cannot use them.
///
/// Fails with [`Kind::NotRunning`] if it does not run.
pub fn add(identity: &Identity, forwards: &[Forward]) -> Result<Vec<String>> {
    if forwards.is_empty() {
        return Ok(Vec::new());
    }
    only_root()?;
    let pid = Client::new(identity).init_from_equal()?.pid;
    let namespace = set::open(pid, Namespace::Net)?;
    if set::is_ours(namespace.as_fd(), Namespace::Net)? {
        return Err(Error::new(format!("{identity} shares the host's network"))
            .hint("what listens in it is reached at the host's addresses"));
    }
    let report = Report::of(identity)?;
    let found = network::addresses(&links_of(identity)?, &addresses(&report.interfaces()?))?;
    let mut wanted = Vec::new();
    for forward in forwards {
        if !network::want(&mut wanted, forward, &found)? {
            return Err(Error::new(format!(
                "{identity} has no address that {forward} could lead to"
            ))
            .hint(format!("its addresses are shown by: lxc-info -n {identity} -i")));
        }
    }
    let links = report.link_names();
    let links: Vec<&str> = links.iter().map(String::as_str).collect();
    network::add(Holder { identity, runs: is_held }, &wanted, &links)
}

/// A configuration with its links of type veth, as they are: their bridges and fixed addresses.
fn links_of(identity: &Identity) -> Result<Config> {
    let client = Client::new(identity);
    let mut text = String::new();
    let types = client.config_item("lxc.net")?.unwrap_or_default();
    let is_veth = |(_, kind): &(usize, &str)| *kind == "veth";
    for (index, _) in types.lines().enumerate().filter(is_veth) {
        text += &format!("lxc.net.{index}.type = veth\n");
        for key in ["link", "ipv4.address", "ipv6.address"] {
            let key = format!("lxc.net.{index}.{key}");
            let values = client.config_item(&key)?.unwrap_or_default();
            let lines = values.lines().filter(|value| !value.is_empty());
            text.extend(lines.map(|value| format!("{key} = {value}\n")));
        }
    }
    let file = format!("configuration of the running {identity}");
    Document::parse(text, &file).map(|document| document.config)
}

/// Forwards ports to the container no more. Fails with `ENOENT` if they were not.
pub fn remove(identity: &Identity, forward: &Forward) -> Result<()> {
    only_root()?;
    if network::remove(identity, forward)? {
        return Ok(());
    }
    Err(Error::new(format!("{forward} is not forwarded to {identity}"))
        .errno(Errno::ENOENT)
        .hint("what is forwarded is listed by: lxc-rs forward"))
}

/// All forwards there are; none where this user may not look.
pub fn all() -> Result<Vec<Active>> {
    network::all()
}

/// Those that lead to the container.
pub fn of(identity: &Identity) -> Result<Vec<Active>> {
    Ok(all()?.into_iter().filter(|one| one.is_of(identity)).collect())
}

fn only_root() -> Result<()> {
    if geteuid().is_root() {
        return Ok(());
    }
    Err(Error::new("only root forwards ports of the host")
        .errno(Errno::EPERM)
        .kind(Kind::Denied)
        .hint("run it as root"))
}
