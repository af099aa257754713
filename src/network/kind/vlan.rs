//! A VLAN (IEEE 802.1Q) of a link of the host.

use netlink_packet_route::link::{InfoData, InfoKind, InfoVlan};
use nix::errno::Errno;

use super::super::netlink::Lazy;
use super::{Given, Kind, Link, Request, sublink};
use crate::config::{Config, Net, Vlan};
use crate::error::{Error, Result};

impl Kind for Vlan {
    fn check(&self, index: u32, net: &Net, _: &Config) -> Result<()> {
        if self.id.is_none() {
            return Err(Error::new(format!("link {index} of type vlan has no VLAN"))
                .at(net.origin("type"))
                .hint(format!("say which: lxc.net.{index}.vlan.id = 100")));
        }
        sublink::check(index, net)
    }

    fn create(&self, netlink: &Lazy, request: Request<'_>) -> Result<Link> {
        let id = self.id.unwrap_or_default();
        let settings = InfoData::Vlan(vec![InfoVlan::Id(id)]);
        let net = request.net;
        sublink::create(netlink, request, InfoKind::Vlan, settings, |error, errno| match errno {
            Errno::EEXIST => error
                .at(net.origin("vlan.id"))
                .hint(format!("another link, here or in a container, is VLAN {id} of that parent")),
            Errno::ERANGE | Errno::EPROTONOSUPPORT => {
                error.at(net.origin("vlan.id")).hint("a VLAN is 0 to 4094")
            }
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
