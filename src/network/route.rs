//! Routes over a link, of both families alike.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use netlink_packet_route::route::{RouteMessage, RouteScope};
use nix::errno::Errno;
use rtnetlink::RouteMessageBuilder;
use serde::{Deserialize, Serialize};

use super::netlink::Netlink;
use crate::config::{Gateway, Net};
use crate::error::{Error, Result};

/// Says that a gateway is not in a network of the link: the first is IPv4's, the others are IPv6's.
const OUT_OF_REACH: [Errno; 3] = [Errno::ENETUNREACH, Errno::EHOSTUNREACH, Errno::EINVAL];

/// A default route of one family over a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultRoute {
    /// The network of all addresses of the family.
    everything: IpAddr,
    /// Where it leads to; `None` for the link itself.
    gateway: Option<IpAddr>,
}

/// The configured gateways of a link, each with its key: `ipv4.gateway`, `ipv6.gateway`.
pub(super) fn gateways(net: &Net) -> Vec<(&'static str, IpAddr, Gateway<IpAddr>)> {
    let ipv4 = net
        .ipv4_gateway
        .map(|gateway| ("ipv4.gateway", Ipv4Addr::UNSPECIFIED.into(), gateway.map(IpAddr::V4)));
    let ipv6 = net
        .ipv6_gateway
        .map(|gateway| ("ipv6.gateway", Ipv6Addr::UNSPECIFIED.into(), gateway.map(IpAddr::V6)));
    ipv4.into_iter().chain(ipv6).collect()
}

/// The default routes of a link whose bridge on the host is link number `bridge`: `auto` is the first
/// address that the bridge has.
pub(super) fn defaults(
    netlink: &Netlink,
    net: &Net,
    bridge: Option<u32>,
) -> Result<Vec<DefaultRoute>> {
    let mut routes = Vec::new();
    for (key, everything, gateway) in gateways(net) {
        let is_of_family = |address: &IpAddr| address.is_ipv4() == everything.is_ipv4();
        let gateway = match gateway {
            Gateway::Device => None,
            Gateway::Address(address) => Some(address),
            Gateway::Auto => {
                let found = match bridge {
                    Some(bridge) => netlink.first_address(bridge, is_of_family)?,
                    None => None,
                };
                Some(found.ok_or_else(|| {
                    Error::new(format!("{key} = auto, and the bridge has no address of that kind"))
                        .at(net.origin(key))
                        .hint("give the bridge an address, or write the gateway's")
                })?)
            }
        };
        routes.push(DefaultRoute { everything, gateway });
    }
    Ok(routes)
}

impl DefaultRoute {
    /// The key of the link that configures it.
    pub(super) fn key(&self) -> &'static str {
        if self.everything.is_ipv4() { "ipv4.gateway" } else { "ipv6.gateway" }
    }

    /// Where it leads to; `None` for the link itself.
    pub(super) fn gateway(&self) -> Option<IpAddr> {
        self.gateway
    }

    /// Adds it over link number `index`. A gateway outside the link's networks gets a route to itself
    /// first.
    pub(super) fn add(&self, netlink: &Netlink, index: u32) -> Result<()> {
        let Some(gateway) = self.gateway else {
            return add(netlink, index, (self.everything, 0));
        };
        let default = || {
            let message = builder(self.everything, 0, index)?.gateway(gateway).map_err(invalid)?;
            send(netlink, message.build(), format!("cannot add the gateway {gateway}"))
        };
        match default() {
            Err(error) if OUT_OF_REACH.iter().any(|errno| error.is(*errno)) => {
                let bits = if gateway.is_ipv4() { 32 } else { 128 };
                add(netlink, index, (gateway, bits))?;
                default()
            }
            result => result,
        }
    }
}

/// How long the kernel may take to delete the link of a container that has ended, and its routes.
const GONE_WITHIN: Duration = Duration::from_secs(1);

/// As [`add`], on the host: waits for the route of a link that is about to go.
pub(super) fn add_on_host(netlink: &Netlink, index: u32, network: (IpAddr, u8)) -> Result<()> {
    let deadline = Instant::now() + GONE_WITHIN;
    loop {
        match add(netlink, index, network) {
            Err(error) if !error.is(Errno::EEXIST) => return Err(error),
            Err(error) if Instant::now() > deadline => {
                return Err(error.hint("the host has this route already; see: ip route"));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
            Ok(()) => return Ok(()),
        }
    }
}

/// Adds a route to the network `ADDRESS/BITS` that is on link number `index` itself.
pub(super) fn add(netlink: &Netlink, index: u32, (address, bits): (IpAddr, u8)) -> Result<()> {
    // Without a scope no IPv4 gateway may be reached by it.
    let message = builder(address, bits, index)?.scope(RouteScope::Link).build();
    send(netlink, message, format!("cannot add a route to {address}/{bits}"))
}

fn builder(address: IpAddr, bits: u8, index: u32) -> Result<RouteMessageBuilder<IpAddr>> {
    let builder = RouteMessageBuilder::<IpAddr>::new().destination_prefix(address, bits);
    Ok(builder.map_err(invalid)?.output_interface(index))
}

fn invalid(error: impl std::fmt::Display) -> Error {
    Error::new(error.to_string())
}

fn send(netlink: &Netlink, message: RouteMessage, what: String) -> Result<()> {
    netlink.wait(netlink.handle().route().add(message).execute(), || what)
}
