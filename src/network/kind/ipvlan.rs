//! A link with the MAC address of a link of the host, and IP addresses of its own.

use netlink_packet_route::link::{InfoData, InfoIpVlan, InfoKind, IpVlanFlags, IpVlanMode};
use nix::errno::Errno;

use super::super::netlink::Lazy;
use super::{Given, Kind, Link, Request, sublink};
use crate::config::{Config, Ipvlan, Net};
use crate::error::{Error, Result};

impl Kind for Ipvlan {
    fn check(&self, index: u32, net: &Net, _: &Config) -> Result<()> {
        if net.hwaddr.is_some() {
            return Err(Error::new(format!("link {index} cannot have a MAC address of its own"))
                .at(net.origin("hwaddr"))
                .hint("a link of type ipvlan has its parent's: remove the line"));
        }
        sublink::check(index, net)
    }

    fn create(&self, netlink: &Lazy, request: Request<'_>) -> Result<Link> {
        let mode = match self.mode.as_str() {
            "l2" => IpVlanMode::L2,
            "l3s" => IpVlanMode::L3S,
            _ => IpVlanMode::L3,
        };
        let isolation = match self.isolation.as_str() {
            "private" => IpVlanFlags::Private,
            "vepa" => IpVlanFlags::Vepa,
            _ => IpVlanFlags::empty(),
        };
        let settings = InfoData::IpVlan(vec![InfoIpVlan::Mode(mode), InfoIpVlan::Flags(isolation)]);
        let net = request.net;
        sublink::create(netlink, request, InfoKind::IpVlan, settings, |error, errno| match errno {
            Errno::EBUSY => {
                error.at(net.origin("link")).hint("it is in a bridge, or has links of type macvlan")
            }
            Errno::EINVAL => error.at(net.origin("link")).hint(
                "its parent cannot have such links; on one parent the isolation of all is the same",
            ),
            _ => error.at(net.origin("type")),
        })
    }

    fn release(&self, _: &Lazy, link: &Link, given: &Given<'_>) -> Result<()> {
        sublink::release(link, given.namespace)
    }

    fn needs_namespace(&self) -> bool {
        true
    }
}
