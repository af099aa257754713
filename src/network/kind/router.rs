//! `veth.mode = router`: the host's end of the pair is in no bridge; the host routes to the container's addresses
//! over it, and answers there for the container's gateways.

use std::net::IpAddr;

use super::super::netlink::Netlink;
use super::super::route::{self, DefaultRoute};
use super::super::{proxy, sysctl};
use crate::config::{Net, Veth};
use crate::error::{Error, Result};

/// Checks the settings of such a link.
pub(super) fn check(net: &Net, veth: &Veth) -> Result<()> {
    if veth.vlan_id.is_some() || !veth.vlan_tagged.is_empty() {
        let key = if veth.vlan_id.is_some() { "veth.vlan.id" } else { "veth.vlan.tagged.id" };
        return Err(Error::new("a link that the host routes to has no VLAN of a bridge")
            .at(net.origin(key))
            .hint("remove the line, or veth.mode = router"));
    }
    if !net.ipv6.is_empty() && !sysctl::is_on("ipv6/conf/all/forwarding") {
        return Err(Error::new("the host routes no IPv6: net.ipv6.conf.all.forwarding is 0")
            .at(net.origin("ipv6.address"))
            .hint("sysctl -w net.ipv6.conf.all.forwarding=1"));
    }
    Ok(())
}

/// Makes the host a router on link number `index`, which is called `host_name` and is up.
pub(super) fn connect(netlink: &Netlink, net: &Net, (host_name, index): (&str, u32)) -> Result<()> {
    for (family, is_used) in [("ipv4", !net.ipv4.is_empty()), ("ipv6", !net.ipv6.is_empty())] {
        if is_used {
            sysctl::set(&format!("{family}/conf/{host_name}/forwarding"), "1")?;
        }
    }
    for (address, origin) in net.addresses() {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        route::add_on_host(netlink, index, (address, bits)).map_err(|error| error.at(origin))?;
    }
    Ok(())
}

/// Answers for the container's gateways on the link `host_name`, whose other end is up. Not before: some moments
/// after an end goes up whose other end is down, the kernel forgets whom it answers for there.
pub(super) fn answer(netlink: &Netlink, host_name: &str, gateways: &[DefaultRoute]) -> Result<()> {
    let mut gateways = gateways.iter().filter_map(DefaultRoute::gateway).peekable();
    if gateways.peek().is_none() {
        return Ok(());
    }
    let index = netlink.find(host_name)?.index;
    gateways.try_for_each(|gateway: IpAddr| {
        let family = if gateway.is_ipv4() { "ipv4" } else { "ipv6" };
        if gateway.is_ipv6() {
            sysctl::set(&format!("ipv6/conf/{host_name}/proxy_ndp"), "1")?;
        }
        // It is the only one who answers there, so it need not wait for somebody else to do so.
        sysctl::set(&format!("{family}/neigh/{host_name}/proxy_delay"), "0")?;
        proxy::add(netlink, index, gateway)
    })
}
