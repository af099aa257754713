//! The container's network: links made on the host, moved or created inside, configured inside, and
//! taken away at the end.
//!
//! One file per kind of link. The monitor makes links ([`create`]); the container's first process
//! gives them addresses and routes in its own namespace ([`configure_inside`]), so this works where
//! only a user namespace has the right to; [`interfaces`] reads what there is for the tools.

mod driver;
pub mod host;
mod inside;
mod interfaces;
mod netlink;
pub mod probe;
mod route;
pub mod transfer;
mod veth;

use std::collections::BTreeMap;

use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::config::{Config, Net, NetKind};
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::sys::process::{self, CloneOptions, Cloned};

pub use inside::configure as configure_inside;
pub use interfaces::{Counters, Interface, counters, of_namespace as interfaces};
use netlink::Netlink;
pub use route::DefaultRoute;

/// A link of a running container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The N of `lxc.net.N`.
    pub index: u32,
    /// Its name inside.
    pub inside_name: String,
    /// The name of its other end on the host, if it has one.
    pub host_name: Option<String>,
    /// `lxc.net.N.ipv4.gateway` and `lxc.net.N.ipv6.gateway`, with `auto` resolved.
    pub default_routes: Vec<DefaultRoute>,
}

/// Checks that all that the configured links need is there, before anything is made.
pub fn check(config: &Config) -> Result<()> {
    for (index, net) in &config.net {
        match &net.kind {
            NetKind::Empty => {}
            NetKind::None if config.net.values().all(|net| net.kind == NetKind::None) => {}
            NetKind::None => {
                return Err(Error::new("a link of type none cannot be beside others")
                    .at(net.origin("type"))
                    .hint("type none shares the host's network: make it the only link"));
            }
            NetKind::Veth(settings) => veth::check(*index, net, settings)?,
            NetKind::Macvlan { .. }
            | NetKind::Ipvlan { .. }
            | NetKind::Vlan { .. }
            | NetKind::Phys => {
                return Err(Error::new("this type of link is not supported")
                    .at(net.origin("type"))
                    .hint("there are: veth, empty, none"));
            }
        }
        check_gateways(*index, net)?;
    }
    check_doubles(config)
}

/// Moves the link `name` of this network namespace into that of process `pid`.
pub fn move_into(name: &str, pid: Pid) -> Result<()> {
    let netlink = Netlink::open()?;
    let message = rtnetlink::LinkUnspec::new_with_name(name)
        .setns_by_pid(pid.as_raw().unsigned_abs())
        .build();
    netlink.wait(netlink.handle().link().set(message).execute(), || {
        format!("cannot move the interface {name} into the new network namespace")
    })
}

fn check_gateways(index: u32, net: &Net) -> Result<()> {
    for (key, everything, _) in route::gateways(net) {
        let has_address =
            if everything.is_ipv4() { !net.ipv4.is_empty() } else { !net.ipv6.is_empty() };
        let (missing, key_of_it) = match (net.up, has_address) {
            (true, true) => continue,
            (true, false) => ("address", key.replace("gateway", "address")),
            (false, _) => ("flags = up", "flags = up".to_owned()),
        };
        return Err(Error::new(format!("link {index} has a gateway and no {missing}"))
            .at(net.origin(key))
            .hint(format!("add lxc.net.{index}.{key_of_it}")));
    }
    Ok(())
}

/// Refuses what two links cannot both have: a name, and the default route of a family.
fn check_doubles(config: &Config) -> Result<()> {
    let mut taken: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for (index, net) in &config.net {
        let NetKind::Veth(veth) = &net.kind else { continue };
        if net.name.as_deref() == Some("lo") {
            return Err(Error::new(format!("link {index} cannot be called lo inside"))
                .at(net.origin("name"))
                .hint("that is the name of the container's loopback link"));
        }
        let names = [("name", &net.name), ("veth.pair", &veth.pair)];
        let names = names.into_iter().filter_map(|(key, name)| Some((key, name.as_deref()?)));
        let gateways = route::gateways(net).into_iter().map(|(key, ..)| (key, ""));
        for (key, value) in names.chain(gateways) {
            let Some(other) = taken.insert((key, value), *index) else { continue };
            let error = match key {
                "name" => Error::new(format!("links {other} and {index} are both called {value}")),
                "veth.pair" => Error::new(format!(
                    "links {other} and {index} are both called {value} on the host"
                )),
                _ => Error::new(format!("links {other} and {index} both have a default gateway"))
                    .hint("remove one, or add its route in a hook"),
            };
            return Err(error.at(net.origin(key)));
        }
    }
    Ok(())
}

/// Makes the container's links for the process `init`, which has the network namespace. `on_up` is
/// called for each when it is there. On failure none is left.
pub fn create(
    _identity: &Identity,
    config: &Config,
    init: Pid,
    on_up: &mut dyn FnMut(&Link) -> Result<()>,
) -> Result<Vec<Link>> {
    let mut links = Vec::new();
    if config.net.is_empty() {
        return Ok(links);
    }
    let result = create_all(config, init, on_up, &mut links);
    match result {
        Ok(()) => Ok(links),
        Err(error) => Err(match remove(&links) {
            Ok(()) => error,
            Err(problem) => error.note(format!("cleaning up: {problem}")),
        }),
    }
}

fn create_all(
    config: &Config,
    init: Pid,
    on_up: &mut dyn FnMut(&Link) -> Result<()>,
    links: &mut Vec<Link>,
) -> Result<()> {
    let names = inside::names(config);
    let mut netlink = None;
    for (index, net) in &config.net {
        let name = names.get(index).cloned().unwrap_or_default();
        let link = match &net.kind {
            NetKind::Veth(settings) => {
                let netlink = match &mut netlink {
                    Some(netlink) => netlink,
                    none => none.insert(Netlink::open()?),
                };
                veth::create(netlink, *index, net, settings, name, init)?
            }
            _ => Link {
                index: *index,
                inside_name: name,
                host_name: None,
                default_routes: Vec::new(),
            },
        };
        links.push(link);
        if let Some(link) = links.last() {
            on_up(link)?;
        }
    }
    Ok(())
}

/// Deletes the host's ends in a process of its own, for nobody waits for it: the kernel takes some
/// 20 ms for it. Failures there are logged.
pub fn remove_behind(links: &[Link]) -> Result<()> {
    if links.iter().all(|link| link.host_name.is_none()) {
        return Ok(());
    }
    let cloned = process::clone3(0, CloneOptions::default())
        .context(|| "cannot make a process that deletes the links")?;
    if let Cloned::Child = cloned {
        // A reader of our output need not wait for its end either.
        let result = process::silence_stdio()
            .context(|| "cannot open /dev/null")
            .and_then(|()| remove(links));
        if let Err(error) = &result {
            log::error!("{error}");
        }
        process::exit_now(i32::from(result.is_err()));
    }
    Ok(())
}

/// Deletes the host's ends. Those that are gone already, with their namespace, are fine.
pub fn remove(links: &[Link]) -> Result<()> {
    let names: Vec<&str> = links.iter().filter_map(|link| link.host_name.as_deref()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let netlink = Netlink::open()?;
    let mut first = None;
    for name in names {
        match netlink.delete(name) {
            Err(error) if !error.is(nix::errno::Errno::ENODEV) => {
                first.get_or_insert(error);
            }
            _ => {}
        }
    }
    first.map_or(Ok(()), Err)
}
