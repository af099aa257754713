//! A link with a MAC address of its own on a link of the host.

use netlink_packet_route::link::{InfoData, InfoKind, InfoMacVlan, MacVlanMode};
use nix::errno::Errno;

use super::super::netlink::Lazy;
use super::{Given, Kind, Link, Request, sublink};
use crate::config::{Config, Macvlan, Net};
use crate::error::Result;

impl Kind for Macvlan {
    fn check(&self, index: u32, net: &Net, _: &Config) -> Result<()> {
        sublink::check(index, net)
    }

    fn create(&self, netlink: &Lazy, request: Request<'_>) -> Result<Link> {
        let mode = match self.mode.as_str() {
            "vepa" => MacVlanMode::Vepa,
            "bridge" => MacVlanMode::Bridge,
            "passthru" => MacVlanMode::Passthrough,
            _ => MacVlanMode::Private,
        };
        let settings = InfoData::MacVlan(vec![InfoMacVlan::Mode(mode)]);
        let net = request.net;
        sublink::create(netlink, request, InfoKind::MacVlan, settings, |error, errno| {
            match errno {
            Errno::EBUSY => error.at(net.origin("link")).hint(
                "it is in a bridge, has links of type ipvlan, or one in the mode passthru, which must be alone",
            ),
            Errno::EINVAL if mode == MacVlanMode::Passthrough => error
                .at(net.origin("macvlan.mode"))
                .hint("a link in the mode passthru must be the only one of its parent"),
            Errno::EINVAL => error.at(net.origin("link")).hint(
                "a loopback cannot have such links, nor a link whose only one is in the mode passthru",
            ),
            _ => error.at(net.origin("type")),
        }
        })
    }

    fn release(&self, _: &Lazy, link: &Link, given: &Given<'_>) -> Result<()> {
        sublink::release(link, given.namespace)
    }

    fn needs_namespace(&self) -> bool {
        true
    }
}
