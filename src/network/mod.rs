//! The container's network: links made on the host, moved or created inside, configured inside, and
//! taken away at the end.
//!
//! One file per kind of link in [`kind`]. The monitor makes links ([`create`]), or, for an ordinary user,
//! has them made by lxc-user-nic ([`user_nic`]); the container's first process gives them addresses and
//! routes in its own namespace ([`configure_inside`]), so this works where only a user namespace has the
//! right to; [`mod@interfaces`] reads the links for the tools.

mod driver;
pub mod forward;
pub mod host;
mod host_end;
mod inside;
mod interfaces;
mod kind;
mod netlink;
mod nft;
mod ovs;
pub mod probe;
mod proxy;
mod route;
mod sysctl;
pub mod transfer;
pub mod user_nic;
mod wireless;

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::config::{Config, Net};
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::sys::process::{self, CloneOptions, Cloned};

pub use inside::configure as configure_inside;
pub use interfaces::{Counters, Interface, counters, global_addresses, of_namespace as interfaces};
use netlink::Lazy;
pub use route::DefaultRoute;
use wireless::Radio;

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
    /// Its hardware address, where it was chosen here.
    #[serde(default)]
    pub mac: Option<[u8; 6]>,
    /// Its number inside, where it is given back from there.
    #[serde(default)]
    pub number: Option<u32>,
    /// The MTU that a link of the host had there, bytes.
    #[serde(default)]
    pub mtu_on_host: Option<u32>,
    /// The radio that it is on, if it is a wireless link of the host.
    #[serde(default)]
    pub(in crate::network) radio: Option<Radio>,
}

/// The links of a container, to be given back.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// Whose they are.
    pub identity: &'a Identity,
    /// What they were made by.
    pub config: &'a Config,
    /// The links.
    pub links: &'a [Link],
    /// The container's network namespace, where [`needs_namespace`] says so.
    pub namespace: Option<BorrowedFd<'a>>,
}

impl Link {
    /// The link that `request` asks for, with nothing on the host.
    fn without_host_end(request: &kind::Request<'_>) -> Self {
        Self {
            index: request.index,
            inside_name: request.inside_name.to_owned(),
            host_name: None,
            default_routes: Vec::new(),
            mac: None,
            number: None,
            mtu_on_host: None,
            radio: None,
        }
    }
}

/// Replaces each `lxc.net.N.link` that is not a name by the link of the host that it means now.
pub fn choose_links(config: &mut Config) -> Result<()> {
    for net in config.net.values_mut() {
        if let Some(name) = kind::of(net).chosen(net)? {
            net.link = Some(name);
        }
    }
    Ok(())
}

/// Checks that all that the configured links need is there, before anything is made.
pub fn check(config: &Config) -> Result<()> {
    for (index, net) in &config.net {
        kind::of(net).check(*index, net, config)?;
        host_end::check(*index, net)?;
        proxy::check(*index, net)?;
        check_gateways(*index, net)?;
    }
    check_doubles(config)
}

/// The names on the host that the configuration fixes.
pub fn fixed_host_names(config: &Config) -> impl Iterator<Item = &str> {
    config.net.values().filter_map(|net| kind::of(net).fixed_host_name())
}

/// Whether a link can only be given back by somebody who has the container's network namespace.
pub fn needs_namespace(config: &Config) -> bool {
    config.net.values().any(|net| kind::of(net).needs_namespace())
}

/// Whether the next start needs what the links of `config` have on the host: their release is waited for.
pub fn is_awaited(config: &Config) -> bool {
    let have_fixed_name = fixed_host_names(config).next().is_some();
    have_fixed_name || needs_namespace(config) || config.net.values().any(|net| net.l2proxy)
}

/// The links that take a port of the bridge `lxc.net.N.link`.
pub fn bridge_ports(config: &Config) -> impl Iterator<Item = &Net> {
    config.net.values().filter(|net| kind::of(net).takes_port())
}

/// The first link that CRIU cannot write down.
pub fn not_checkpointable(config: &Config) -> Option<&Net> {
    config.net.values().find(|net| !kind::of(net).can_be_checkpointed())
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
        let kind = kind::of(net);
        if !kind.is_link() {
            continue;
        }
        if let Some(name) = &net.name {
            inside::check_name(net, name)?;
        }
        let names = [
            ("name", net.name.as_deref().filter(|name| !name.contains('%'))),
            ("veth.pair", kind.fixed_host_name()),
        ];
        let names = names.into_iter().filter_map(|(key, name)| Some((key, name?)));
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

/// Makes the links of the container `identity` for the process `init`, which has the network namespace.
/// Each is given to `made` as soon as it is there; on failure those are left.
pub fn create(
    identity: &Identity,
    config: &Config,
    init: Pid,
    made: &mut dyn FnMut(Link) -> Result<()>,
) -> Result<()> {
    if config.net.is_empty() {
        return Ok(());
    }
    let names = inside::names(config);
    let netlink = Lazy::default();
    for (index, net) in &config.net {
        let inside_name = names.get(index).map(String::as_str).unwrap_or_default();
        let request = kind::Request { identity, index: *index, net, inside_name, init };
        made(kind::of(net).create(&netlink, request)?)?;
        proxy::add_all(&netlink, net)?;
    }
    Ok(())
}

/// Does on the host what can be done only once `links`, made from `config`, are set up inside.
pub fn complete(config: &Config, links: &[Link]) -> Result<()> {
    let netlink = Lazy::default();
    let nets = links.iter().filter_map(|link| Some((link, config.net.get(&link.index)?)));
    for (link, net) in nets {
        kind::of(net).complete(&netlink, link).map_err(|error| error.at(net.origin("type")))?;
    }
    Ok(())
}

/// Returns when no link called `name` exists any more; says whether that was before `deadline`.
pub fn wait_until_gone(name: &str, deadline: Instant) -> bool {
    while nix::net::if_::if_nametoindex(name).is_ok() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

/// Gives the host back what it has of the links. What fails does not keep the rest from being given back.
pub fn release(given: &Given<'_>) -> Result<()> {
    let netlink = Lazy::default();
    let mut released = Ok(());
    for link in given.links {
        if let Some(net) = given.config.net.get(&link.index) {
            released = released.and(proxy::remove_all(&netlink, net));
            released = released.and(kind::of(net).release(&netlink, net, link, given));
        }
    }
    released
}

/// Gives the host back what it has of the links that a killed monitor of `identity` made from `config`, whose
/// namespace is gone.
pub fn reclaim(identity: &Identity, config: &Config) -> Result<()> {
    let netlink = Lazy::default();
    host_end::reclaim(identity)?;
    config.net.values().try_for_each(|net| {
        proxy::remove_all(&netlink, net).and(kind::of(net).reclaim(&netlink, identity, net))
    })
}

/// As [`release`], in a process of its own, for nobody waits for it: the kernel takes some 20 ms to delete
/// a link. Failures there are logged.
pub fn release_in_background(given: &Given<'_>) -> Result<()> {
    if given.links.iter().all(|link| link.host_name.is_none()) {
        return Ok(());
    }
    let cloned = process::clone3(0, CloneOptions::default())
        .context(|| "cannot make a process that deletes the links")?;
    if let Cloned::Child = cloned {
        // A reader of our output need not wait for its end either.
        let result = process::silence_stdio()
            .context(|| "cannot open /dev/null")
            .and_then(|()| release(given));
        if let Err(error) = &result {
            log::error!("{error}");
        }
        process::exit_now(i32::from(result.is_err()));
    }
    Ok(())
}
