//! The container's side: names, addresses, routes, in its own network namespace.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use netlink_packet_route::address::{AddressAttribute, AddressFlags};
use nix::errno::Errno;
use rtnetlink::{LinkUnspec, RouteMessageBuilder};

use super::Link;
use super::netlink::Netlink;
use crate::config::{Config, Gateway, Net, NetKind};
use crate::error::{Context, Error, Result};
use crate::sys::link::bring_up;

/// The name of each link inside: the configured one, else the first free `ethN`.
pub(super) fn names(config: &Config) -> BTreeMap<u32, String> {
    let explicit = |name: &str| config.net.values().any(|net| net.name.as_deref() == Some(name));
    let mut free = (0u32..).map(|number| format!("eth{number}")).filter(|name| !explicit(name));
    config
        .net
        .iter()
        .map(|(index, net)| {
            let name = match (&net.kind, &net.name) {
                (NetKind::Empty | NetKind::None, _) => Some("lo".to_owned()),
                (_, Some(name)) => Some(name.clone()),
                (_, None) => free.next(),
            };
            (*index, name.unwrap_or_default())
        })
        .collect()
}

/// Configures `links` in the network namespace this process is in.
pub fn configure(config: &Config, links: &[Link]) -> Result<()> {
    let any_up = config.net.values().any(|net| net.up || net.kind == NetKind::Empty);
    if any_up {
        bring_up(c"lo").what(|| "cannot bring the container's loopback up")?;
    }
    let of = |link: &Link| config.net.get(&link.index).filter(|net| net.kind != NetKind::Empty);
    let mut links = links.iter().filter_map(|link| Some((link, of(link)?))).peekable();
    if links.peek().is_none() {
        return Ok(());
    }
    let netlink = Netlink::open()?;
    for (link, net) in links {
        configure_link(&netlink, net, link)?;
    }
    Ok(())
}

fn configure_link(netlink: &Netlink, net: &Net, link: &Link) -> Result<()> {
    let name = &link.inside_name;
    if !net.up && net.ipv4.is_empty() && net.ipv6.is_empty() {
        return Ok(());
    }
    let index = netlink.find(name)?.index;
    add_addresses(netlink, net, name, index)?;
    if !net.up {
        return Ok(());
    }
    let up = LinkUnspec::new_with_index(index).up().build();
    netlink
        .wait(netlink.handle().link().set(up).execute(), || format!("cannot bring {name} up"))
        .map_err(|error| error.at(net.origin("flags")))?;
    if let Some(gateway) = link.ipv4_gateway {
        add_ipv4_gateway(netlink, index, gateway)
            .map_err(|error| error.at(net.origin("ipv4.gateway")))?;
    }
    if let Some(gateway) = link.ipv6_gateway {
        add_ipv6_gateway(netlink, index, gateway)
            .map_err(|error| error.at(net.origin("ipv6.gateway")))?;
    }
    Ok(())
}

fn add_addresses(netlink: &Netlink, net: &Net, name: &str, index: u32) -> Result<()> {
    for one in &net.ipv4 {
        let mut request = netlink.handle().address().add(index, one.address.into(), one.prefix);
        let attributes = &mut request.message_mut().attributes;
        attributes.retain(|attribute| !matches!(attribute, AddressAttribute::Broadcast(_)));
        attributes.extend(one.broadcast.map(AddressAttribute::Broadcast));
        netlink
            .wait(request.execute(), || format!("cannot give {name} the address {}", one.address))
            .map_err(|error| error.at(one.origin.as_ref()))?;
    }
    for one in &net.ipv6 {
        let mut request = netlink.handle().address().add(index, one.address.into(), one.prefix);
        // The address is ours to give: there is nobody to ask whether it is taken, and asking would
        // keep it unusable for a second.
        request.message_mut().attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        netlink
            .wait(request.execute(), || format!("cannot give {name} the address {}", one.address))
            .map_err(|error| error.at(one.origin.as_ref()))?;
    }
    Ok(())
}

/// Adds a default route; a gateway outside the link's networks gets a route to itself first.
fn add_ipv4_gateway(netlink: &Netlink, index: u32, gateway: Gateway<Ipv4Addr>) -> Result<()> {
    let route = || RouteMessageBuilder::<Ipv4Addr>::new();
    let add = |message, what: String| {
        netlink.wait(netlink.handle().route().add(message).execute(), || what)
    };
    let Gateway::Address(address) = gateway else {
        return add(
            route().output_interface(index).build(),
            "cannot add a route to the link".into(),
        );
    };
    let default =
        || add(route().gateway(address).build(), format!("cannot add the gateway {address}"));
    match default() {
        Err(error) if error.is(Errno::ENETUNREACH) => {
            let to_gateway =
                route().destination_prefix(address, 32).output_interface(index).build();
            add(to_gateway, format!("cannot add a route to the gateway {address}"))?;
            default()
        }
        result => result,
    }
}

/// As [`add_ipv4_gateway`]; the kernel says that a gateway is out of reach in another way.
fn add_ipv6_gateway(netlink: &Netlink, index: u32, gateway: Gateway<Ipv6Addr>) -> Result<()> {
    let route = || RouteMessageBuilder::<Ipv6Addr>::new().output_interface(index);
    let add = |message, what: String| {
        netlink.wait(netlink.handle().route().add(message).execute(), || what)
    };
    let Gateway::Address(address) = gateway else {
        return add(route().build(), "cannot add a route to the link".into());
    };
    let default =
        || add(route().gateway(address).build(), format!("cannot add the gateway {address}"));
    match default() {
        Err(error) if unreachable(&error) => {
            let to_gateway = route().destination_prefix(address, 128).build();
            add(to_gateway, format!("cannot add a route to the gateway {address}"))?;
            default()
        }
        result => result,
    }
}

fn unreachable(error: &Error) -> bool {
    [Errno::ENETUNREACH, Errno::EHOSTUNREACH, Errno::EINVAL].iter().any(|errno| error.is(*errno))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Veth;

    #[test]
    fn links_without_a_name_take_what_the_named_ones_leave() {
        let mut config = Config::default();
        for (index, name) in [(0, None), (1, Some("eth0")), (2, None), (5, Some("lan"))] {
            let mut net = Net::new(NetKind::Veth(Veth::default()));
            net.name = name.map(str::to_owned);
            config.net.insert(index, net);
        }
        let names: Vec<String> = names(&config).into_values().collect();
        assert_eq!(names, ["eth1", "eth0", "eth2", "lan"]);
    }
}
