//! The filter of what a container sends: nftables rules where the host receives from it, so that frames in a
//! name that is not its own get no further, neither to the host nor to others on a bridge.
//!
//! Rules let through what is known to be its own, and drop the rest of the family: a packet whose sender
//! cannot be read is not an exception. Frames of other protocols, in which addresses could be hidden, are dropped
//! where addresses are filtered: among them those with VLAN tags, unless the port is in tagged VLANs; the
//! kernel takes one tag off before the rules see a frame, so then they hold inside it.
//!
//! A link's table has only this. Older kernels remove its chain with the link, others (6.16) keep it for a
//! link of the same name, and the table stays in any case: so it is removed by name.

use std::fmt::Display;
use std::net::Ipv6Addr;

use super::super::nft;
use super::HostEnd;
use crate::config::{Net, show_mac};
use crate::error::{Error, Result};
use crate::hash::fnv1a64;
use crate::identity::Identity;
use crate::programs;

/// Checks that there are addresses to hold link `index` to.
pub(super) fn check(index: u32, net: &Net) -> Result<()> {
    let filter = net.host_end.filter;
    let refused = |word: &str, hint: &str| {
        Err(Error::new(format!("filter = {word}: link {index} has no fixed {word} address"))
            .at(net.origin("filter"))
            .hint(format!("{hint}: lxc.net.{index}.{word}.address = ...")))
    };
    if filter.ipv4 && net.ipv4.is_empty() {
        return refused("ipv4", "one from DHCP is not known before; write it");
    }
    if filter.ipv6 && net.ipv6.is_empty() {
        return refused("ipv6", "one that the container chooses is not known before; write it");
    }
    Ok(())
}

/// Filters what comes in over `end` from now on.
pub(super) fn load(end: &HostEnd<'_>) -> Result<()> {
    let table = table(end.identity, end.index);
    let rules = ruleset(&table, end);
    nft::apply(&rules).map_err(|error| {
        error
            .at(end.net.origin("filter"))
            .hint("the kernel needs CONFIG_NF_TABLES_NETDEV, and root of the host")
    })
}

/// Removes the filter of link `index` of a container, if there is one.
pub(super) fn remove(identity: &Identity, index: u32) -> Result<()> {
    nft::apply(&removal(&table(identity, index)))
}

/// Removes the filters of all links of a container.
pub(super) fn remove_all(identity: &Identity) -> Result<()> {
    // Without the program there was never one.
    if programs::find("nft", "nftables").is_err() {
        return Ok(());
    }
    let (begin, end) = words(identity);
    let is_own = |table: &String| {
        let index = table.strip_prefix(begin.as_str()).and_then(|rest| rest.strip_suffix(&end));
        index.is_some_and(|index| index.parse::<u32>().is_ok())
    };
    let tables = nft::tables("netdev").unwrap_or_else(|error| {
        // Such as a kernel without tables.
        log::warn!("{error}");
        Vec::new()
    });
    let own: String = tables.iter().filter(|one| is_own(one)).map(|one| removal(one)).collect();
    if own.is_empty() { Ok(()) } else { nft::apply(&own) }
}

/// The name of the table of a link: for those who read it, and unique.
fn table(identity: &Identity, index: u32) -> String {
    let (begin, end) = words(identity);
    format!("{begin}{index}{end}")
}

/// What is before the number of the link, and what is after it.
fn words(identity: &Identity) -> (String, String) {
    let path = identity.lxcpath.as_os_str().as_encoded_bytes();
    let hash = fnv1a64(&[path, b"/", identity.name.as_str().as_bytes()].concat());
    let is_word = |one: &char| one.is_ascii_alphanumeric() || matches!(one, '-' | '_' | '.');
    let name: String = identity.name.as_str().chars().filter(is_word).take(64).collect();
    (format!("lxc-{name}-"), format!("-{hash:016x}"))
}

/// Declaring a table first makes its removal valid also where there is none.
fn removal(table: &str) -> String {
    format!("table netdev {table} {{}}\ndelete table netdev {table}\n")
}

fn ruleset(table: &str, end: &HostEnd<'_>) -> String {
    let filter = end.net.host_end.filter;
    let mut rules = Vec::new();
    if filter.mac {
        let mac = show_mac(&end.mac);
        rules.push(format!("ether saddr != {mac} drop"));
        // A sender in another's name inside the frame.
        rules.push(format!("arp saddr ether != {mac} drop"));
    }
    if filter.ipv4 || filter.ipv6 {
        if end.veth.vlan_tagged.is_empty() {
            rules.push("ether type { 8021q, 8021ad } drop".to_owned());
        }
        rules.push("meta protocol != { ip, ip6, arp } drop".to_owned());
    }
    if filter.ipv4 {
        rules.extend(ipv4(end));
    }
    if filter.ipv6 {
        rules.extend(ipv6(end));
    }
    format!(
        "{}table netdev {table} {{\n  chain in {{\n    \
         type filter hook ingress device \"{}\" priority filter; policy accept;\n    {}\n  }}\n}}\n",
        removal(table),
        end.name,
        rules.join("\n    ")
    )
}

/// A set of `items` in braces.
fn set<T: Display>(items: impl Iterator<Item = T>) -> String {
    let items: Vec<String> = items.map(|item| item.to_string()).collect();
    format!("{{ {} }}", items.join(", "))
}

fn ipv4(end: &HostEnd<'_>) -> Vec<String> {
    let own: Vec<String> = end.net.ipv4.iter().map(|one| one.address.to_string()).collect();
    let routed = end.veth.ipv4_routes.iter().map(|one| format!("{}/{}", one.0, one.1));
    // What the host routes to it is its own as well. It asks for nobody's hardware address in that name.
    let sources = set(own.iter().cloned().chain(routed));
    vec![
        format!("ip saddr {sources} accept"),
        "meta protocol ip drop".to_owned(),
        format!("arp saddr ip {} accept", set(own.iter())),
        "meta protocol arp drop".to_owned(),
    ]
}

/// ICMPv6 types (RFC 4861).
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const REDIRECT: u8 = 137;

fn ipv6(end: &HostEnd<'_>) -> Vec<String> {
    let configured = end.net.ipv6.iter().map(|one| one.address);
    let own: Vec<Ipv6Addr> = configured.chain([link_local(end.mac)]).collect();
    let routed = end.veth.ipv6_routes.iter().map(|one| format!("{}/{}", one.0, one.1));
    let sources = set(own.iter().map(Ipv6Addr::to_string).chain(routed));
    // The header of ICMPv6 is found behind any others; its target address comes after 8 bytes.
    let icmp = |kind: u8| format!("meta protocol ip6 meta l4proto ipv6-icmp @th,0,8 {kind}");
    let about = |kind: u8, address: &Ipv6Addr| {
        format!("{} @th,64,128 0x{:032x}", icmp(kind), u128::from_be_bytes(address.octets()))
    };
    let mut rules = vec![
        // It is nobody's router.
        format!("{} drop", icmp(ROUTER_ADVERTISEMENT)),
        format!("{} drop", icmp(REDIRECT)),
    ];
    for address in &own {
        // Whether somebody has it already; and that it has.
        rules.push(format!("ip6 saddr :: {} accept", about(NEIGHBOUR_SOLICITATION, address)));
        let announced = about(NEIGHBOUR_ADVERTISEMENT, address);
        rules.push(format!("ip6 saddr {sources} {announced} accept"));
    }
    rules.push(format!("{} drop", icmp(NEIGHBOUR_ADVERTISEMENT)));
    rules.push(format!("ip6 saddr {sources} accept"));
    rules.push("meta protocol ip6 drop".to_owned());
    rules
}

/// The address that a link gives itself by its hardware address (RFC 4291, appendix A).
fn link_local(mac: [u8; 6]) -> Ipv6Addr {
    let mut address = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 0];
    address[8..11].copy_from_slice(&mac[..3]);
    address[13..].copy_from_slice(&mac[3..]);
    address[8] ^= 2;
    Ipv6Addr::from(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::ContainerName;

    #[test]
    fn a_link_local_address_is_made_from_the_hardware_address() {
        let address = link_local([0x10, 0x66, 0x6a, 0x4f, 0, 0x1d]);
        assert_eq!(address.to_string(), "fe80::1266:6aff:fe4f:1d");
    }

    #[test]
    fn names_of_tables_are_words_of_nft_and_unique() {
        let of = |path: &str, name: &str| {
            table(&Identity::new(path, ContainerName::new(name).unwrap()), 0)
        };
        assert_ne!(of("/a", "web"), of("/b", "web"));
        assert_ne!(of("/a", "web{"), of("/a", "web"));
        let strange = of("/a", &format!("{{;\" ü{}", "x".repeat(200)));
        assert!(strange.len() < 128 && strange.starts_with("lxc-xx"), "{strange}");
    }
}
