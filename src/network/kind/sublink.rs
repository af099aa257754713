//! What macvlan, ipvlan and vlan have in common: the kernel makes the link on a parent of the host, in the
//! container's namespace at once. It would be gone with the namespace, but some time after that: until then
//! another one of the same address or VLAN is refused, so it is deleted before.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use netlink_packet_route::link::{InfoData, InfoKind};
use nix::errno::Errno;
use rtnetlink::{LinkMessageBuilder, LinkUnspec};

use super::super::netlink::{Lazy, Netlink};
use super::super::route;
use super::{Link, Request};
use crate::config::{Namespace, Net};
use crate::error::{Error, Result};
use crate::namespace::set;

/// Checks that link `index` has a parent, which is there.
pub(super) fn check(index: u32, net: &Net) -> Result<()> {
    super::check_is_root(index, net)?;
    let Some(parent) = &net.link else {
        return Err(Error::new(format!("link {index} has no parent"))
            .at(net.origin("type"))
            .hint(format!("name a link of the host: lxc.net.{index}.link = eth0")));
    };
    nix::net::if_::if_nametoindex(parent.as_str())
        .map(drop)
        .map_err(|errno| missing_parent(net, parent, errno))
}

fn missing_parent(net: &Net, parent: &str, errno: Errno) -> Error {
    Error::new(format!("the link {parent} does not exist"))
        .errno(errno)
        .at(net.origin("link"))
        .hint("the host's links are listed by: ip link")
}

/// Makes the link of `kind` with its `settings`. `explain` names the line of an error that is of the kind.
pub(super) fn create(
    netlink: &Lazy,
    request: Request<'_>,
    kind: InfoKind,
    settings: InfoData,
    explain: impl FnOnce(Error, Errno) -> Error,
) -> Result<Link> {
    let netlink: &Netlink = netlink.get()?;
    let Request { net, inside_name, init, .. } = request;
    let parent_name = net.link.as_deref().unwrap_or_default();
    let parent = netlink.find(parent_name).map_err(|error| match Errno::ENODEV {
        errno if error.is(errno) => missing_parent(net, parent_name, errno),
        _ => error,
    })?;
    let default_routes = route::defaults(netlink, net, Some(parent.index))?;
    let what = format!("cannot make the {kind} link {inside_name} on {parent_name}");
    let mut link = LinkMessageBuilder::<LinkUnspec>::new_with_info_kind(kind)
        .name(inside_name)
        .link(parent.index)
        .setns_by_pid(init.as_raw().unsigned_abs())
        .set_info_data(settings);
    if let Some(mac) = net.hwaddr {
        link = link.address(mac.to_vec());
    }
    if let Some(mtu) = net.mtu {
        link = link.mtu(mtu);
    }
    netlink.wait(netlink.handle().link().add(link.build()).execute(), || what).map_err(
        |error| match error.errno.map(Errno::from_raw) {
            Some(Errno::EOPNOTSUPP) => error.at(net.origin("type")).hint(format!(
                "this kernel does not know links of type {}: see `lxc-checkconfig`",
                net.kind.word()
            )),
            Some(Errno::EADDRNOTAVAIL) if net.hwaddr.is_some() => {
                error.at(net.origin("hwaddr")).hint(super::HWADDR_HINT)
            }
            Some(Errno::EINVAL | Errno::ERANGE) if net.mtu.is_some() => {
                error.at(net.origin("mtu")).hint(format!("{parent_name} has another limit"))
            }
            Some(errno) => explain(error, errno),
            None => error,
        },
    )?;
    let inside: OwnedFd = set::open(init, Namespace::Net)?;
    let number = Netlink::open_in(inside.as_fd())?.find(inside_name)?.index;
    Ok(Link { default_routes, number: Some(number), ..Link::without_host_end(&request) })
}

/// Deletes it.
pub(super) fn release(link: &Link, namespace: Option<BorrowedFd<'_>>) -> Result<()> {
    let (Some(number), Some(namespace)) = (link.number, namespace) else { return Ok(()) };
    let there = Netlink::open_in(namespace)?;
    let what = || format!("cannot delete link {number} of the container");
    match there.wait(there.handle().link().del(number).execute(), what) {
        Err(error) if error.is(Errno::ENODEV) => Ok(()),
        result => result,
    }
}
