//! A link with the MAC address of a link of the host, and IP addresses of its own.

use netlink_packet_route::link::{InfoData, InfoIpVlan, InfoKind, IpVlanFlags, IpVlanMode};
use nix::errno::Errno;

use super::sublink::Sublink;
use crate::config::{Ipvlan, Net};
use crate::error::{Error, Result};

impl Sublink for Ipvlan {
    fn check_settings(&self, index: u32, net: &Net) -> Result<()> {
        if net.hwaddr.is_some() {
            return Err(Error::new(format!("link {index} cannot have a MAC address of its own"))
                .at(net.origin("hwaddr"))
                .hint("a link of type ipvlan has its parent's: remove the line"));
        }
        Ok(())
    }

    fn settings(&self) -> (InfoKind, InfoData) {
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
        let settings = vec![InfoIpVlan::Mode(mode), InfoIpVlan::Flags(isolation)];
        (InfoKind::IpVlan, InfoData::IpVlan(settings))
    }

    fn explain(&self, net: &Net, error: Error, errno: Errno) -> Error {
        match errno {
            Errno::EBUSY => {
                error.at(net.origin("link")).hint("it is in a bridge, or has links of type macvlan")
            }
            Errno::EINVAL => error.at(net.origin("link")).hint(
                "its parent cannot have such links; on one parent the isolation of all is the same",
            ),
            _ => error.at(net.origin("type")),
        }
    }
}
