//! A link with a MAC address of its own on a link of the host.

use netlink_packet_route::link::{InfoData, InfoKind, InfoMacVlan, MacVlanMode};
use nix::errno::Errno;

use super::sublink::Sublink;
use crate::config::{Macvlan, Net};
use crate::error::Error;

impl Sublink for Macvlan {
    fn settings(&self) -> (InfoKind, InfoData) {
        let mode = match self.mode.as_str() {
            "vepa" => MacVlanMode::Vepa,
            "bridge" => MacVlanMode::Bridge,
            "passthru" => MacVlanMode::Passthrough,
            _ => MacVlanMode::Private,
        };
        (InfoKind::MacVlan, InfoData::MacVlan(vec![InfoMacVlan::Mode(mode)]))
    }

    fn explain(&self, net: &Net, error: Error, errno: Errno) -> Error {
        match errno {
            Errno::EBUSY => error.at(net.origin("link")).hint(
                "it is in a bridge, has links of type ipvlan, or one in the mode passthru, which must be alone",
            ),
            Errno::EINVAL if self.mode == "passthru" => error
                .at(net.origin("macvlan.mode"))
                .hint("a link in the mode passthru must be the only one of its parent"),
            Errno::EINVAL => error.at(net.origin("link")).hint(
                "a loopback cannot have such links, nor a link whose only one is in the mode passthru",
            ),
            _ => error.at(net.origin("type")),
        }
    }
}
