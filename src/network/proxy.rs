//! Entries by which the host answers ARP and NDP on a link for addresses that are elsewhere (ip-neighbour(8),
//! `proxy`): `lxc.net.N.l2proxy`, and the gateways of a container that the host routes to.

use std::net::IpAddr;

use netlink_packet_route::neighbour::NeighbourFlags;
use nix::errno::Errno;

use super::netlink::{Lazy, Netlink};
use super::sysctl;
use crate::config::Net;
use crate::error::{Error, Result};

/// Checks that the kernel heeds what `lxc.net.N.l2proxy` of link `index` adds.
pub(super) fn check(index: u32, net: &Net) -> Result<()> {
    if !net.l2proxy {
        return Ok(());
    }
    let Some(link) = net.link.as_deref() else {
        log::warn!("lxc.net.{index}.l2proxy has no effect on a link without lxc.net.{index}.link");
        return Ok(());
    };
    if !nix::unistd::geteuid().is_root() {
        return Err(Error::new("an ordinary user can have the host answer for no address")
            .errno(Errno::EPERM)
            .at(net.origin("l2proxy"))
            .hint("remove the line"));
    }
    let ipv4 = [("ipv4", "forwarding")].iter().filter(|_| !net.ipv4.is_empty());
    let ipv6 = [("ipv6", "proxy_ndp"), ("ipv6", "forwarding")];
    let ipv6 = ipv6.iter().filter(|_| !net.ipv6.is_empty());
    for (family, name) in ipv4.chain(ipv6) {
        if !sysctl::is_on(&format!("{family}/conf/{link}/{name}")) {
            let key = format!("net.{family}.conf.{link}.{name}");
            return Err(Error::new(format!(
                "the host answers for no address on {link}: {key} is 0"
            ))
            .at(net.origin("l2proxy"))
            .hint(format!("sysctl -w {key}=1")));
        }
    }
    Ok(())
}

/// Has the host answer on `lxc.net.N.link` for the addresses of `net`, where `l2proxy` asks for it. On failure it
/// answers for none.
pub(super) fn add_all(netlink: &Lazy, net: &Net) -> Result<()> {
    let Some(link) = wanted(net) else { return Ok(()) };
    let netlink = netlink.get()?;
    let index = netlink.find(link)?.index;
    net.addresses().try_for_each(|(address, origin)| {
        add(netlink, index, address).map_err(|error| {
            let error = error.at(origin);
            match remove_of(netlink, index, net) {
                Ok(()) => error,
                Err(problem) => error.note(format!("cleaning up: {problem}")),
            }
        })
    })
}

/// Undoes [`add_all`]; what is gone already is fine.
pub(super) fn remove_all(netlink: &Lazy, net: &Net) -> Result<()> {
    let Some(link) = wanted(net) else { return Ok(()) };
    let netlink = netlink.get()?;
    match netlink.find(link) {
        Err(error) if error.is(Errno::ENODEV) => Ok(()),
        found => remove_of(netlink, found?.index, net),
    }
}

fn remove_of(netlink: &Netlink, index: u32, net: &Net) -> Result<()> {
    let mut removed = Ok(());
    for (address, _) in net.addresses() {
        removed = removed.and(match remove(netlink, index, address) {
            Err(error) if error.is(Errno::ENOENT) => Ok(()),
            result => result,
        });
    }
    removed
}

/// The link on which the host is to answer.
fn wanted(net: &Net) -> Option<&str> {
    net.link.as_deref().filter(|_| net.l2proxy && nix::unistd::geteuid().is_root())
}

/// Has the host answer for `address` on link number `index`.
pub(super) fn add(netlink: &Netlink, index: u32, address: IpAddr) -> Result<()> {
    let request = netlink.handle().neighbours().add(index, address).flags(NeighbourFlags::Proxy);
    netlink.wait(request.execute(), || format!("cannot have the host answer for {address}"))
}

fn remove(netlink: &Netlink, index: u32, address: IpAddr) -> Result<()> {
    let neighbours = netlink.handle().neighbours();
    let mut entry = neighbours.add(index, address).flags(NeighbourFlags::Proxy);
    let request = neighbours.del(entry.message_mut().clone());
    netlink.wait(request.execute(), || format!("cannot end that the host answers for {address}"))
}
