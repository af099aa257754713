//! What a forward needs of the host beside the packet filter.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netlink_packet_route::link::LinkAttribute;
use rtnetlink::LinkBridgePort;

use super::super::netlink::{Netlink, address_of};
use super::Wanted;
use crate::error::{Context, Result};

/// A network that the host has an address in.
#[derive(Clone, Debug)]
pub(super) struct Network {
    /// The link, usually a bridge.
    pub link: String,
    /// The host's address.
    own: IpAddr,
    /// The network's first address.
    pub base: IpAddr,
    /// Its prefix length.
    pub prefix: u8,
}

impl Network {
    /// That of the host's address `own` of `link`.
    pub fn of(link: String, own: IpAddr, prefix: u8) -> Self {
        Self { link, own, base: first_of(own, prefix), prefix }
    }

    /// Whether `address` is in it, and not the host's own.
    pub fn has_other(&self, address: &IpAddr) -> bool {
        self.has(address) && self.own != *address
    }

    /// Whether `address` is the host's own.
    pub fn is_own(&self, address: &IpAddr) -> bool {
        self.own == *address
    }

    /// Whether `address` is in it.
    pub fn has(&self, address: &IpAddr) -> bool {
        self.base.is_ipv4() == address.is_ipv4() && first_of(*address, self.prefix) == self.base
    }
}

/// The first address of the network of `address`.
fn first_of(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

/// The networks of the host, the smallest first.
pub(super) fn networks(netlink: &Netlink) -> Result<Vec<Network>> {
    let links = netlink.links()?;
    let name_of = |index: u32| {
        let link = links.iter().find(|link| link.header.index == index)?;
        link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name.clone()),
            _ => None,
        })
    };
    let addresses = netlink.addresses()?;
    let mut networks: Vec<Network> = addresses
        .iter()
        .filter_map(|message| {
            let link = name_of(message.header.index)?;
            Some(Network::of(link, address_of(message)?, message.header.prefix_len))
        })
        .collect();
    networks.sort_by_key(|network| std::cmp::Reverse(network.prefix));
    Ok(networks)
}

/// The sysctl by which answers to the loopback's addresses are taken from a link.
pub(super) fn localnet(link: &str) -> String {
    format!("ipv4/conf/{link}/route_localnet")
}

/// Whether the sysctl `name`, below `net/`, is on.
pub(super) fn is_on(name: &str) -> bool {
    std::fs::read_to_string(format!("/proc/sys/net/{name}")).is_ok_and(|text| text.trim() != "0")
}

/// Turns the sysctl `name`, below `net/`, on or off; off also where its link is gone.
pub(super) fn turn(name: &str, on: bool) -> Result<()> {
    let path = format!("/proc/sys/net/{name}");
    match std::fs::write(&path, if on { "1" } else { "0" }) {
        Err(error) if !on && error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result.context(|| format!("cannot write {path}")),
    }
}

/// Where bridged packets go through the packet filter (module br_netfilter), a packet of a container to itself
/// leaves the bridge by the port by which it came: allows that.
pub(super) fn let_reach_itself(netlink: &Netlink, links: &[&str]) -> Result<()> {
    if !["iptables", "ip6tables"].iter().any(|one| is_on(&format!("bridge/bridge-nf-call-{one}"))) {
        return Ok(());
    }
    for name in links {
        let found = netlink.get(name)?;
        let is_port = |attribute: &LinkAttribute| matches!(attribute, LinkAttribute::Controller(_));
        if found.attributes.iter().any(is_port) {
            let message = LinkBridgePort::new(found.header.index).hairpin(true).build();
            netlink.wait(netlink.handle().link().set_port(message).execute(), || {
                format!("the container does not reach its own forwarded ports: link {name}")
            })?;
        }
    }
    Ok(())
}

/// A warning where the host passes nothing on from others.
pub(super) fn not_forwarding(all: &[Wanted<'_>]) -> Option<String> {
    let is_local =
        |one: &&Wanted<'_>| one.forward.address.is_some_and(|address| address.is_loopback());
    let sysctl = |to: IpAddr| match to {
        IpAddr::V4(_) => "ipv4/ip_forward",
        IpAddr::V6(_) => "ipv6/conf/all/forwarding",
    };
    let needed: BTreeSet<&str> =
        all.iter().filter(|one| !is_local(one)).filter_map(|one| one.to.map(sysctl)).collect();
    let off = needed.into_iter().find(|name| !is_on(name))?.replace('/', ".");
    Some(format!("only this host reaches the forwarded ports: the sysctl net.{off} is 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_their_addresses() {
        let network =
            |base: &str, prefix| Network::of(String::new(), base.parse().unwrap(), prefix);
        for (base, prefix, address, wanted) in [
            ("10.0.3.0", 24, "10.0.3.5", true),
            ("10.0.3.0", 24, "10.0.4.5", false),
            ("10.0.3.5", 32, "10.0.3.5", true),
            ("0.0.0.0", 0, "10.0.3.5", true),
            ("fd00::", 64, "fd00::5", true),
            ("fd00::", 64, "10.0.3.5", false),
            ("::", 0, "fd00::5", true),
        ] {
            assert_eq!(
                network(base, prefix).has(&address.parse().unwrap()),
                wanted,
                "{base} {address}"
            );
        }
    }
}
