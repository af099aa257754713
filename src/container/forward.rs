//! Ports of the host that lead to a running container, in addition to those of its configuration.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::unistd::{Pid, geteuid, getpid, getppid};

use super::report::{Report, link_types};
use super::stop::runs_again;
use crate::config::{Config, Document, Forward, Namespace};
use crate::error::{Context, Error, Kind, Result};
use crate::identity::Identity;
use crate::monitor::client::{Client, Init, is_held};
use crate::namespace::set;
use crate::network::forward::{self as network, Active, Holder};
use crate::sys::process;
use crate::worker::Worker;

/// Checks that the container `identity` could have the forwards that `config` asks for.
pub(super) fn check(identity: &Identity, config: &Config) -> Result<()> {
    network::check(Holder { identity, runs: is_held }, config)
}

/// Forwards ports to the container until it stops, all or none: to its first usable address of either
/// family, and after a reboot to the address that it has then. Returns warnings about who cannot use
/// them.
///
/// Fails with [`Kind::NotRunning`] if it does not run.
pub fn add(identity: &Identity, forwards: &[Forward]) -> Result<Vec<String>> {
    if forwards.is_empty() {
        return Ok(Vec::new());
    }
    only_root()?;
    init_with_own_network(identity)?;
    let report = Report::of(identity)?;
    let found = network::addresses(&links_of(identity)?, &report.addresses()?)?;
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

/// Passes connections to ports of the host on to the container, in the way that is open to an ordinary
/// user, until it stops; a reboot does not end this. At each boot another process enters the container's
/// network.
///
/// Fails with [`Kind::NotRunning`] if it does not run.
pub fn relay(identity: &Identity, forwards: &[Forward]) -> Result<()> {
    let mut init = init_with_own_network(identity)?;
    let ports = network::listen(forwards.iter().map(|forward| (*forward, None)))?;
    let client = Client::new(identity);
    let own = getpid();
    loop {
        Worker::default().run(
            |_| Ok(()),
            || {
                let end = network::enter(init.pid)?;
                end_with(own)?;
                ports.serve(end.as_fd())
            },
        )?;
        if !runs_again(&client, &init.pidfd, None)? {
            return Ok(());
        }
        init = match init_with_own_network(identity) {
            Err(error) if error.kind == Kind::NotRunning => return Ok(()),
            result => result?,
        };
    }
}

/// Lets this process end with its parent `parent`. The kernel drops this setting at a change of
/// capabilities.
fn end_with(parent: Pid) -> Result<()> {
    process::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64)
        .context(|| "cannot tie a process to its parent")?;
    if getppid() == parent { Ok(()) } else { Err(Error::new("the parent is gone")) }
}

fn init_with_own_network(identity: &Identity) -> Result<Init> {
    let init = Client::new(identity).init_from_equal()?;
    let namespace = set::open(init.pid, Namespace::Net)?;
    if set::is_ours(namespace.as_fd(), Namespace::Net)? {
        return Err(Error::new(format!("{identity} shares the host's network"))
            .hint("what listens in it is reached at the host's addresses"));
    }
    Ok(init)
}

/// A configuration with the container's links as they are now: their bridges, fixed addresses and
/// forwards.
fn links_of(identity: &Identity) -> Result<Config> {
    let client = Client::new(identity);
    let mut text = String::new();
    let can_have_forwards = |(_, kind): &(u32, String)| matches!(kind.as_str(), "veth" | "empty");
    for (index, kind) in link_types(&client)?.into_iter().filter(can_have_forwards) {
        text += &format!("lxc.net.{index}.type = {kind}\n");
        for key in ["link", "ipv4.address", "ipv6.address", "forward"] {
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
    if geteuid().is_root() {
        return Ok(all()?.into_iter().filter(|one| one.is_of(identity)).collect());
    }
    let config = match links_of(identity) {
        Err(error) if error.kind == Kind::NotRunning => return Ok(Vec::new()),
        config => config?,
    };
    let forwards = config.net.values().flat_map(|net| &net.forwards);
    Ok(forwards.map(|forward| Active::relayed(identity, forward)).collect())
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
