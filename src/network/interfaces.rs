//! What a network namespace holds, for the tools that show it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use serde::{Deserialize, Serialize};

use super::netlink::{Netlink, address_of};
use crate::error::Result;

/// A link and its addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// The link's name.
    pub name: String,
    /// Its number, which is the scope of its link-local addresses as well (ipv6(7)).
    #[serde(default)]
    pub index: u32,
    /// Its addresses that are valid beyond the link, IPv4 and IPv6.
    pub addresses: Vec<IpAddr>,
    /// The others: of the loopback, and link-local ones.
    #[serde(default)]
    pub local_addresses: Vec<IpAddr>,
}

/// The links of the network namespace `namespace` with their addresses.
pub fn of_namespace(namespace: BorrowedFd<'_>) -> Result<Vec<Interface>> {
    let netlink = Netlink::open_in(namespace)?;
    let addresses = netlink.addresses()?;
    let mut interfaces = Vec::new();
    for link in netlink.links()? {
        let name = link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name.clone()),
            _ => None,
        });
        let Some(name) = name else { continue };
        let index = link.header.index;
        let own = addresses.iter().filter(|message| message.header.index == index);
        let (addresses, local_addresses) = own.filter_map(address_of).partition(is_global);
        interfaces.push(Interface { name, index, addresses, local_addresses });
    }
    Ok(interfaces)
}

/// All addresses in the network namespace `namespace` that are valid beyond a link.
pub fn global_addresses(namespace: BorrowedFd<'_>) -> Result<Vec<IpAddr>> {
    let messages = Netlink::open_in(namespace)?.addresses()?;
    Ok(messages.iter().filter_map(address_of).filter(is_global).collect())
}

/// Whether it is valid beyond its link.
pub(super) fn is_global(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_loopback(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    }
}

/// Bytes that went over a link of the host, as the host counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Received, bytes.
    pub received: u64,
    /// Sent, bytes.
    pub sent: u64,
}

/// The counters of the links `names`, as far as they exist in this network namespace.
pub fn counters(names: &[String]) -> Result<Vec<(String, Counters)>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let netlink = Netlink::open()?;
    if let [name] = names {
        let link = netlink.get(name).ok();
        return Ok(link.iter().filter_map(named_counters).collect());
    }
    // All there are in one answer, in the order of `names`.
    let found: BTreeMap<String, Counters> =
        netlink.links()?.iter().filter_map(named_counters).collect();
    let known = |name: &String| Some((name.clone(), *found.get(name)?));
    Ok(names.iter().filter_map(known).collect())
}

fn named_counters(link: &LinkMessage) -> Option<(String, Counters)> {
    let name = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    });
    let counters = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Stats64(stats) => {
            Some(Counters { received: stats.rx_bytes, sent: stats.tx_bytes })
        }
        _ => None,
    });
    name.zip(counters)
}
