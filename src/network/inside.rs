//! The container's side: names, addresses, routes, in its own network namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netlink_packet_route::address::{AddressAttribute, AddressFlags};
use nix::errno::Errno;
use rtnetlink::LinkUnspec;

use super::netlink::{Found, Netlink};
use super::{Link, kind};
use crate::config::{Config, Net};
use crate::error::{Context, Error, Result};
use crate::sys::link::bring_up;

/// The name of each link inside: the configured one, in which `%d` becomes the first number that is free, else
/// the first free `ethN`.
pub(super) fn names(config: &Config) -> BTreeMap<u32, String> {
    let mut names = BTreeMap::new();
    let mut patterns = Vec::new();
    for (index, net) in &config.net {
        let kind = kind::of(net);
        let name = if kind.is_link() {
            net.name.as_deref().or_else(|| kind.default_name(net))
        } else {
            Some("lo")
        };
        match name.map(|name| (name, name.split_once(NUMBER))) {
            None => patterns.push((true, *index, ("eth", ""))),
            Some((_, Some(pattern))) => patterns.push((false, *index, pattern)),
            Some((name, None)) => drop(names.insert(*index, name.to_owned())),
        }
    }
    // Those without a name come last, as in LXC.
    patterns.sort_unstable();
    let mut taken: BTreeSet<String> = names.values().cloned().collect();
    for (_, index, (before, after)) in patterns {
        let mut candidates = (0u32..).map(|number| format!("{before}{number}{after}"));
        let free = candidates.find(|name| taken.insert(name.clone())).unwrap_or_default();
        names.insert(index, free);
    }
    names
}

/// What becomes a number in a name, as in the kernel (`dev_alloc_name`).
const NUMBER: &str = "%d";

/// Checks that the kernel can make a name of `name`, which `lxc.net.N.name` says.
pub(super) fn check_name(net: &Net, name: &str) -> Result<()> {
    let error = |what: &str, hint: &str| Err(Error::new(what).at(net.origin("name")).hint(hint));
    match name {
        "lo" => error("no link can be called lo inside", "that is the container's loopback"),
        _ if name.replacen(NUMBER, "", 1).contains('%') => error(
            &format!("no link can be called {name} inside"),
            "a name may have one %d, which becomes a number",
        ),
        _ => Ok(()),
    }
}

/// Configures `links` in the network namespace this process is in.
pub fn configure(config: &Config, links: &[Link]) -> Result<()> {
    let any_up = config.net.values().any(|net| net.up || kind::of(net).brings_loopback_up());
    if any_up {
        bring_up(c"lo").context(|| "cannot bring the container's loopback up")?;
    }
    let of = |link: &Link| config.net.get(&link.index).filter(|net| kind::of(net).is_link());
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
    let mac = link.mac.or(net.hwaddr);
    let has_attributes = mac.is_some() || net.mtu.is_some();
    if !net.up && net.ipv4.is_empty() && net.ipv6.is_empty() && !has_attributes {
        return Ok(());
    }
    let found = netlink.find(name)?;
    set_attributes(netlink, (net, mac), name, &found)?;
    let index = found.index;
    add_addresses(netlink, net, name, index)?;
    if !net.up {
        return Ok(());
    }
    let up = LinkUnspec::new_with_index(index).up().build();
    netlink
        .wait(netlink.handle().link().set(up).execute(), || format!("cannot bring {name} up"))
        .map_err(|error| error.at(net.origin("flags")))?;
    for route in &link.default_routes {
        route.add(netlink, index).map_err(|error| error.at(net.origin(route.key())))?;
    }
    Ok(())
}

/// Sets the hardware address and the MTU of a link that was not made with them: a link of the host, and one
/// of lxc-user-nic.
fn set_attributes(
    netlink: &Netlink,
    (net, mac): (&Net, Option<[u8; 6]>),
    name: &str,
    found: &Found,
) -> Result<()> {
    if let Some(address) = mac.filter(|address| found.address != *address) {
        let set = LinkUnspec::new_with_index(found.index).address(address.to_vec()).build();
        netlink
            .wait(netlink.handle().link().set(set).execute(), || {
                format!("cannot give {name} its hardware address")
            })
            .map_err(|error| error.at(net.origin("hwaddr")).hint(kind::HWADDR_HINT))?;
    }
    if let Some(mtu) = net.mtu.filter(|mtu| found.mtu != Some(*mtu)) {
        let set = LinkUnspec::new_with_index(found.index).mtu(mtu).build();
        netlink
            .wait(netlink.handle().link().set(set).execute(), || {
                format!("cannot give {name} the MTU {mtu}")
            })
            .map_err(|error| error.at(net.origin("mtu")).hint(kind::MTU_HINT))?;
    }
    Ok(())
}

fn add_addresses(netlink: &Netlink, net: &Net, name: &str, index: u32) -> Result<()> {
    let ipv4 = net
        .ipv4
        .iter()
        .map(|one| (IpAddr::from(one.address), one.prefix, one.broadcast, one.origin.as_ref()));
    let ipv6 = net
        .ipv6
        .iter()
        .map(|one| (IpAddr::from(one.address), one.prefix, None, one.origin.as_ref()));
    for (address, prefix, broadcast, origin) in ipv4.chain(ipv6) {
        let mut request = netlink.handle().address().add(index, address, prefix);
        let attributes = &mut request.message_mut().attributes;
        attributes.retain(|attribute| !matches!(attribute, AddressAttribute::Broadcast(_)));
        attributes.extend(broadcast.map(AddressAttribute::Broadcast));
        if address.is_ipv6() {
            // The address is ours to give: there is nobody to ask whether it is taken, and asking
            // would keep it unusable for a second.
            attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
        netlink
            .wait(request.execute(), || format!("cannot give {name} the address {address}"))
            .map_err(|error| match Errno::EEXIST {
                errno if error.is(errno) => {
                    error.at(origin).hint("the link has it already: remove the line")
                }
                _ => error.at(origin),
            })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{NetKind, Veth};

    #[test]
    fn links_without_a_name_take_what_the_named_ones_leave() {
        let mut config = Config::default();
        let configured =
            [None, Some("eth0"), None, Some("lan"), Some("eth%d"), Some("a%db"), Some("a%db")];
        for (index, name) in (0..).zip(configured) {
            let mut net = Net::new(NetKind::Veth(Veth::default()));
            net.name = name.map(str::to_owned);
            config.net.insert(index, net);
        }
        let names: Vec<String> = names(&config).into_values().collect();
        assert_eq!(names, ["eth2", "eth0", "eth3", "lan", "eth1", "a0b", "a1b"]);
    }
}
