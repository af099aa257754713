//! A VLAN (IEEE 802.1Q) of a link of the host.

use netlink_packet_route::link::{InfoData, InfoKind, InfoVlan};
use nix::errno::Errno;

use super::sublink::Sublink;
use crate::config::{Net, Vlan};
use crate::error::{Error, Result};

impl Sublink for Vlan {
    fn check_settings(&self, index: u32, net: &Net) -> Result<()> {
        if self.id.is_none() {
            return Err(Error::new(format!("link {index} of type vlan has no VLAN"))
                .at(net.origin("type"))
                .hint(format!("say which: lxc.net.{index}.vlan.id = 100")));
        }
        Ok(())
    }

    fn settings(&self) -> (InfoKind, InfoData) {
        let id = self.id.unwrap_or_default();
        (InfoKind::Vlan, InfoData::Vlan(vec![InfoVlan::Id(id)]))
    }

    fn explain(&self, net: &Net, error: Error, errno: Errno) -> Error {
        match errno {
            Errno::EEXIST => error.at(net.origin("vlan.id")).hint(format!(
                "another link, here or in a container, is VLAN {} of that parent",
                self.id.unwrap_or_default()
            )),
            Errno::ERANGE | Errno::EPROTONOSUPPORT => {
                error.at(net.origin("vlan.id")).hint("a VLAN is 0 to 4094")
            }
            _ => error.at(net.origin("type")),
        }
    }
}
