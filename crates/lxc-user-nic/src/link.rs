//! One link: made, put into its bridge, deleted.

use std::io::ErrorKind;
use std::os::fd::AsFd;

use crate::arguments::Bridge;
use crate::caller::{Caller, DIGITS};
use crate::failure::{Context, Failure, Result};
use crate::name::LinkName;
use crate::namespace::Namespace;
use crate::netlink::{Link, Netlink, Pair};
use crate::sys;

/// How an inner end is called that the caller does not name: the kernel numbers it.
const NUMBERED: &str = "eth%d";

/// A link that was made.
#[derive(Debug)]
pub struct Made {
    /// The end on the host.
    pub host: (LinkName, u32),
    /// The end inside.
    pub inside: (String, u32),
}

/// The bridge, as the kernel knows it; `None` for none.
pub fn bridge(netlink: &mut Netlink, bridge: &Bridge) -> Result<Option<Link>> {
    let Bridge::Named(name) = bridge else { return Ok(None) };
    let link = netlink.find(name.as_str())?.ok_or_else(|| {
        Failure::new(format!("the bridge {name} does not exist"))
            .hint(format!("as root: ip link add {name} type bridge && ip link set {name} up"))
    })?;
    match link.kind.as_str() {
        "bridge" => Ok(Some(link)),
        "openvswitch" => Err(Failure::new(format!("{name} is a bridge of Open vSwitch"))
            .hint("links of ordinary users go into bridges of the kernel's")),
        _ => Err(Failure::new(format!("the link {name} is not a bridge"))),
    }
}

/// A name for a link of `caller` that none has.
pub fn free_name(netlink: &mut Netlink, caller: &Caller) -> Result<LinkName> {
    for _ in 0..64 {
        let random = sys::random::<4>().context(|| "cannot get random bytes".to_owned())?;
        let random = random.map(|byte| char::from(DIGITS[usize::from(byte) % DIGITS.len()]));
        let name = caller.link_prefix() + &random.iter().collect::<String>();
        let name = LinkName::new(name.as_bytes())
            .ok_or_else(|| Failure::new("no name for a link can be made"))?;
        if netlink.find(name.as_str())?.is_none() {
            return Ok(name);
        }
    }
    Err(Failure::new("cannot find a free name for a link"))
}

/// Makes the link `host` into `bridge`, with its other end in `namespace`. On failure there is none.
pub fn create(
    netlink: &mut Netlink,
    host: &LinkName,
    bridge: Option<&Link>,
    namespace: &Namespace,
    interface: Option<&LinkName>,
) -> Result<Made> {
    let mut address = sys::random::<6>().context(|| "cannot get random bytes".to_owned())?;
    // A bridge takes the lowest address of its ports, and must not change it with every container.
    address[0] = 0xfe;
    let there = interface.map_or(NUMBERED, LinkName::as_str);
    let mtu = bridge.and_then(|bridge| bridge.mtu);
    let pair = Pair { here: host, address, there, namespace: namespace.as_fd(), mtu };
    let made = netlink.add_pair(&pair).context(|| format!("cannot make the link {host}"));
    made.map_err(|failure| match interface {
        Some(name) if failure.is(libc::EEXIST) => {
            failure.hint(format!("the network namespace has a link called {name} already"))
        }
        _ => failure,
    })?;
    let link = netlink.find(host.as_str())?;
    let index = link.as_ref().map(|link| link.index);
    let link = link.ok_or_else(|| Failure::new(format!("the link {host} is gone already")));
    link.and_then(|link| finish(netlink, host, &link, bridge)).inspect_err(|_| {
        // Deleting one end deletes both. Where it fails, the record says that it is there.
        let _ = index.map(|index| netlink.delete(index));
    })
}

fn finish(
    netlink: &mut Netlink,
    host: &LinkName,
    link: &Link,
    bridge: Option<&Link>,
) -> Result<Made> {
    if bridge.is_some() {
        disable_ipv6(host)?;
    }
    let number = bridge.map(|bridge| bridge.index);
    netlink.bring_up(link.index, number).context(|| match bridge {
        Some(bridge) => format!("cannot put the link {host} into the bridge {}", bridge.name),
        None => format!("cannot bring the link {host} up"),
    })?;
    let gone = || Failure::new(format!("the other end of {host} is gone already"));
    let (peer, namespace) = link.peer.ok_or_else(gone)?;
    let inside = netlink.find_in(namespace, peer)?.ok_or_else(gone)?;
    Ok(Made { host: (host.clone(), link.index), inside: (inside.name, inside.index) })
}

/// A port of a bridge is not a host: it needs no address of its own.
fn disable_ipv6(host: &LinkName) -> Result<()> {
    let path = format!("/proc/sys/net/ipv6/conf/{host}/disable_ipv6");
    match std::fs::write(&path, "1") {
        // A kernel without IPv6.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result.context(|| format!("cannot write {path}")),
    }
}

/// Deletes the link `name`, if it is one in `bridge`.
pub fn delete(netlink: &mut Netlink, name: &LinkName, bridge: &Bridge) -> Result<()> {
    let Some(link) = netlink.find(name.as_str())? else { return Ok(()) };
    let bridge = match bridge {
        Bridge::None => None,
        Bridge::Named(bridge) => Some(netlink.find(bridge.as_str())?.map(|bridge| bridge.index)),
    };
    let in_bridge = bridge.is_none_or(|bridge| bridge.is_some() && link.bridge == bridge);
    if link.kind != "veth" || !in_bridge {
        return Err(Failure::new(format!("the link {name} is not what it was made as"))
            .hint("root changed it, or made another one of this name"));
    }
    match netlink.delete(link.index) {
        // With its namespace, meanwhile.
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
        result => result.context(|| format!("cannot delete the link {name}")),
    }
}
