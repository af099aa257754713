//! The port of a bridge that a link's end is: its isolation, and its VLANs (IEEE 802.1Q).

use netlink_packet_route::link::{
    BridgeVlanInfoFlags, InfoBridge, InfoBridgePort, InfoData, InfoKind, LinkAttribute, LinkInfo,
};
use nix::errno::Errno;
use rtnetlink::{LinkBridgePort, LinkBridgeVlan, LinkUnspec};

use super::super::netlink::Netlink;
use super::super::ovs;
use super::HostEnd;
use crate::config::{Net, Untagged, Veth};
use crate::error::{Error, Result};

/// The bridge that a link joins.
#[derive(Clone, Copy, Debug)]
pub struct Bridge {
    /// Its number.
    pub number: u32,
    /// Its MTU, bytes.
    pub mtu: Option<u32>,
    /// The untagged VLAN that it gives a port; `None` where it tells no VLANs apart.
    vlan: Option<u16>,
    /// Whose it is.
    maker: Maker,
}

/// Whose bridge a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    /// The kernel's.
    Kernel,
    /// Open vSwitch's, which is asked for its ports.
    OpenVswitch,
    /// Nobody's: another kind of link.
    Nobody,
}

impl Bridge {
    /// Finds the bridge `name`, or whatever link has this name.
    pub fn find(netlink: &Netlink, name: &str) -> Result<Self> {
        let message = netlink.get(name)?;
        let mut bridge =
            Self { number: message.header.index, mtu: None, vlan: None, maker: Maker::Nobody };
        for attribute in message.attributes {
            match attribute {
                LinkAttribute::Mtu(mtu) => bridge.mtu = Some(mtu),
                LinkAttribute::LinkInfo(infos) => bridge.add(&infos),
                _ => {}
            }
        }
        Ok(bridge)
    }

    fn add(&mut self, infos: &[LinkInfo]) {
        for info in infos {
            match info {
                LinkInfo::Kind(InfoKind::Bridge) => self.maker = Maker::Kernel,
                LinkInfo::Kind(kind) if ovs::is_bridge(kind) => self.maker = Maker::OpenVswitch,
                LinkInfo::Data(InfoData::Bridge(data)) => {
                    let default = data.iter().find_map(|one| match one {
                        InfoBridge::VlanDefaultPvid(vlan) => Some(*vlan),
                        _ => None,
                    });
                    let filters = data.contains(&InfoBridge::VlanFiltering(true));
                    self.vlan = default.filter(|_| filters);
                }
                _ => {}
            }
        }
    }
}

/// The first key about VLANs of the port.
pub(super) fn vlan_key(veth: &Veth) -> Option<&'static str> {
    match (veth.vlan_id, veth.vlan_tagged.as_slice()) {
        (Some(_), _) => Some("veth.vlan.id"),
        (None, [_, ..]) => Some("veth.vlan.tagged.id"),
        (None, []) => None,
    }
}

/// Checks that link `index` joins a bridge that can do what is asked for.
pub(super) fn check(index: u32, net: &Net, veth: &Veth) -> Result<()> {
    let isolated = net.host_end.isolated.then_some("isolated");
    let vlan = vlan_key(veth);
    let Some(key) = isolated.or(vlan) else { return Ok(()) };
    let Some(name) = &net.link else {
        return Err(Error::new(format!("{key}: link {index} is not on a bridge"))
            .at(net.origin(key))
            .hint(format!("say which: lxc.net.{index}.link = lxcbr0")));
    };
    let bridge = Bridge::find(&Netlink::open()?, name)?;
    match bridge.maker {
        Maker::Kernel => {}
        Maker::OpenVswitch if isolated.is_none() => return ovs::check(net, veth),
        Maker::OpenVswitch | Maker::Nobody => {
            return Err(Error::new(format!("{key}: {name} is not a bridge of the kernel"))
                .at(net.origin(key))
                .hint(format!("its kind is shown by: ip -d link show {name}")));
        }
    }
    match vlan {
        Some(key) if bridge.vlan.is_none() => {
            Err(Error::new(format!("{key}: the bridge {name} tells no VLANs apart"))
                .at(net.origin(key))
                .hint(format!("make it: ip link set {name} type bridge vlan_filtering 1")))
        }
        _ => Ok(()),
    }
}

/// Makes `end` a port of `bridge`, as it is configured.
pub fn join(netlink: &Netlink, end: &HostEnd<'_>, bridge: &Bridge) -> Result<()> {
    let HostEnd { identity, net, veth, name, number, .. } = end;
    let bridge_name = net.link.as_deref().unwrap_or_default();
    if bridge.maker == Maker::OpenVswitch {
        return ovs::add_port(bridge_name, name, identity, net, veth);
    }
    let joined = LinkUnspec::new_with_index(*number).controller(bridge.number).build();
    netlink
        .wait(netlink.handle().link().set(joined).execute(), || {
            format!("cannot attach {name} to bridge {bridge_name}")
        })
        .map_err(|error| error.at(net.origin("link")).hint("lxc.net.N.link must be a bridge"))?;
    if net.host_end.isolated {
        isolate(netlink, end)?;
    }
    set_vlans(netlink, end, bridge)
}

fn isolate(netlink: &Netlink, end: &HostEnd<'_>) -> Result<()> {
    let isolated = LinkBridgePort::new(end.number).append_info_data(InfoBridgePort::Isolated(true));
    netlink
        .wait(netlink.handle().link().set_port(isolated.build()).execute(), || {
            format!("cannot isolate the port {}", end.name)
        })
        .map_err(|error| {
            error.at(end.net.origin("isolated")).hint("bridges isolate ports since Linux 4.18")
        })
}

/// As LXC does: the untagged VLAN replaces the bridge's own, and `none` takes that away.
fn set_vlans(netlink: &Netlink, end: &HostEnd<'_>, bridge: &Bridge) -> Result<()> {
    let HostEnd { net, veth, .. } = end;
    if let Some(untagged) = veth.vlan_id {
        let default =
            bridge.vlan.filter(|default| *default > 0 && untagged != Untagged::Vlan(*default));
        let changed = match default {
            Some(default) => leave_vlan(netlink, end, default),
            None => Ok(()),
        };
        let flags = BridgeVlanInfoFlags::Pvid | BridgeVlanInfoFlags::Untagged;
        changed
            .and_then(|()| match untagged {
                Untagged::Vlan(vlan) => join_vlan(netlink, end, vlan, flags),
                Untagged::None => Ok(()),
            })
            .map_err(|error| error.at(net.origin("veth.vlan.id")))?;
    }
    veth.vlan_tagged.iter().try_for_each(|vlan| {
        join_vlan(netlink, end, *vlan, BridgeVlanInfoFlags::empty())
            .map_err(|error| error.at(net.origin("veth.vlan.tagged.id")))
    })
}

fn join_vlan(
    netlink: &Netlink,
    end: &HostEnd<'_>,
    vlan: u16,
    flags: BridgeVlanInfoFlags,
) -> Result<()> {
    let message = LinkBridgeVlan::new(end.number).vlan(vlan, flags).build();
    let what = || format!("cannot put the port {} into VLAN {vlan}", end.name);
    netlink.wait(netlink.handle().link().set(message).execute(), what).map_err(|error| match error
        .errno
        .map(Errno::from_raw)
    {
        Some(Errno::EINVAL | Errno::ERANGE) => error.hint("a VLAN of a bridge is 1 to 4094"),
        _ => error,
    })
}

fn leave_vlan(netlink: &Netlink, end: &HostEnd<'_>, vlan: u16) -> Result<()> {
    let message = LinkBridgeVlan::new(end.number).vlan(vlan, BridgeVlanInfoFlags::empty()).build();
    let what = || format!("cannot take the port {} out of VLAN {vlan}", end.name);
    netlink.wait(netlink.handle().link().del_with_message(message).execute(), what)
}
