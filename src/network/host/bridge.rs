//! The bridge itself, and forwarding between it and the host's other links.

use std::net::IpAddr;
use std::path::Path;

use netlink_packet_route::address::AddressAttribute;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use nix::errno::Errno;
use rtnetlink::{LinkBridge, LinkUnspec};

use super::settings::Settings;
use crate::error::{Context, Result};
use crate::network::interfaces::is_global;
use crate::network::netlink::{Netlink, address_of};

/// Makes the bridge with its addresses; one that is there already is used.
pub fn create(settings: &Settings) -> Result<()> {
    let netlink = Netlink::open()?;
    let name = &settings.bridge;
    let message = LinkBridge::new(name).address(settings.mac.to_vec()).build();
    match netlink.wait(netlink.handle().link().add(message).execute(), || {
        format!("cannot make the bridge {name}")
    }) {
        Err(error) if error.is(Errno::EEXIST) => {
            if !is_bridge(&netlink.get(name)?) {
                return Err(error.hint(format!(
                    "{name} is a link of another kind: delete it, or set LXC_BRIDGE"
                )));
            }
        }
        result => result?,
    }
    let index = netlink.find(name)?.index;
    let up = LinkUnspec::new_with_index(index).up().build();
    netlink
        .wait(netlink.handle().link().set(up).execute(), || format!("cannot bring {name} up"))?;
    add_address(&netlink, index, settings.ipv4.address.into(), settings.ipv4.prefix)?;
    match &settings.ipv6 {
        Some(ipv6) => add_address(&netlink, index, ipv6.address.into(), ipv6.prefix),
        None => Ok(()),
    }
}

/// Why no link that is made now gets an IPv6 address; `None` if it does.
pub fn without_ipv6() -> Option<&'static str> {
    // By the sysctl of all links, or by a kernel that was booted without it or has none.
    match std::fs::read_to_string("/proc/sys/net/ipv6/conf/default/disable_ipv6") {
        Ok(text) if text.trim() == "0" => None,
        Ok(_) => Some("net.ipv6.conf.default.disable_ipv6 is set"),
        Err(_) => Some("the kernel has no IPv6"),
    }
}

fn is_bridge(link: &LinkMessage) -> bool {
    link.attributes.iter().any(|one| match one {
        LinkAttribute::LinkInfo(infos) => infos.contains(&LinkInfo::Kind(InfoKind::Bridge)),
        _ => false,
    })
}

fn add_address(netlink: &Netlink, index: u32, address: IpAddr, prefix: u8) -> Result<()> {
    let mut request = netlink.handle().address().add(index, address, prefix);
    // A bridge without members has no carrier: whether the address is taken could not be asked.
    if address.is_ipv6() {
        let flags = netlink_packet_route::address::AddressFlags::Nodad;
        request.message_mut().attributes.push(AddressAttribute::Flags(flags));
    }
    match netlink
        .wait(request.execute(), || format!("cannot give the bridge the address {address}"))
    {
        Err(error) if error.is(Errno::EEXIST) => Ok(()),
        result => result,
    }
}

/// Deletes the bridge; one that is gone already is fine.
pub fn delete(name: &str) -> Result<()> {
    match Netlink::open()?.delete(name) {
        Err(error) if error.is(Errno::ENODEV) => Ok(()),
        result => result,
    }
}

/// The addresses of the bridge that are valid beyond it, with the bits of their networks; none if there is no
/// bridge.
pub fn addresses(name: &str) -> Result<Vec<(IpAddr, u8)>> {
    let netlink = Netlink::open()?;
    let index = match netlink.find(name) {
        Err(error) if error.is(Errno::ENODEV) => return Ok(Vec::new()),
        result => result?.index,
    };
    let all = netlink.addresses()?;
    let of_bridge = all.iter().filter(|message| message.header.index == index);
    let found = of_bridge.filter_map(|one| Some((address_of(one)?, one.header.prefix_len)));
    Ok(found.filter(|(address, _)| is_global(address)).collect())
}

/// The links on the bridge, by name; `None` if there is no bridge.
pub fn members(name: &str) -> Result<Option<Vec<String>>> {
    let netlink = Netlink::open()?;
    let index = match netlink.find(name) {
        Err(error) if error.is(Errno::ENODEV) => return Ok(None),
        result => result?.index,
    };
    let links = netlink.links()?;
    let members = links.iter().filter(|link| {
        link.attributes
            .iter()
            .any(|one| matches!(one, LinkAttribute::Controller(of) if *of == index))
    });
    let name = |attributes: &[LinkAttribute]| {
        attributes.iter().find_map(|one| match one {
            LinkAttribute::IfName(name) => Some(name.clone()),
            _ => None,
        })
    };
    Ok(Some(members.filter_map(|link| name(&link.attributes)).collect()))
}

/// A switch of the kernel that lets packets through from one link to another (ip-sysctl).
#[derive(Clone, Copy, Debug)]
pub struct Forwarding(&'static str);

/// That of IPv4.
pub const IPV4: Forwarding = Forwarding("/proc/sys/net/ipv4/ip_forward");
/// That of IPv6.
pub const IPV6: Forwarding = Forwarding("/proc/sys/net/ipv6/conf/all/forwarding");

impl Forwarding {
    /// Whether it is on.
    pub fn is_on(self) -> bool {
        std::fs::read_to_string(self.0).is_ok_and(|text| text.trim() == "1")
    }

    /// Turns it on or off.
    pub fn turn(self, on: bool) -> Result<()> {
        let value: &[u8] = if on { b"1" } else { b"0" };
        std::fs::write(Path::new(self.0), value).context(|| format!("cannot write {}", self.0))
    }
}
