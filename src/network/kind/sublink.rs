//! What macvlan, ipvlan and vlan have in common: the kernel makes the link on a parent of the host, in the
//! container's namespace at once. It would be gone with the namespace, but some time after that: until then
//! another one of the same address or VLAN is refused, so it is deleted before.

use std::os::fd::{AsFd, OwnedFd};

use netlink_packet_route::link::{InfoData, InfoKind};
use nix::errno::Errno;
use rtnetlink::{LinkMessageBuilder, LinkUnspec};

use super::super::netlink::{Lazy, Netlink};
use super::super::route;
use super::{Given, HWADDR_HINT, Kind, Link, Request, find_on_host, missing_on_host, name_on_host};
use crate::config::{Config, Namespace, Net};
use crate::error::{Error, Result};
use crate::namespace::set;

/// What differs between them.
pub(super) trait Sublink {
    /// Checks the settings of link `index`.
    fn check_settings(&self, _index: u32, _net: &Net) -> Result<()> {
        Ok(())
    }

    /// The kernel's kind of link, and its settings.
    fn settings(&self) -> (InfoKind, InfoData);

    /// Names the line of an error that is of the kind, and what to do about it.
    fn explain(&self, net: &Net, error: Error, errno: Errno) -> Error;
}

impl<S: Sublink> Kind for S {
    fn check(&self, index: u32, net: &Net, _: &Config) -> Result<()> {
        self.check_settings(index, net)?;
        let parent = name_on_host(index, net)?;
        nix::net::if_::if_nametoindex(parent)
            .map(drop)
            .map_err(|errno| missing_on_host(net, parent, errno))
    }

    fn create(&self, netlink: &Lazy, request: Request<'_>) -> Result<Link> {
        let netlink = netlink.get()?;
        let Request { net, inside_name, init, .. } = request;
        let (parent_name, parent) = find_on_host(netlink, net)?;
        let default_routes = route::defaults(netlink, net, Some(parent.index))?;
        let (kind, settings) = self.settings();
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
                    error.at(net.origin("hwaddr")).hint(HWADDR_HINT)
                }
                Some(Errno::EINVAL | Errno::ERANGE) if net.mtu.is_some() => {
                    error.at(net.origin("mtu")).hint(format!("{parent_name} has another limit"))
                }
                Some(errno) => self.explain(net, error, errno),
                None => error,
            },
        )?;
        let inside: OwnedFd = set::open(init, Namespace::Net)?;
        let number = Netlink::open_in(inside.as_fd())?.find(inside_name)?.index;
        Ok(Link { default_routes, number: Some(number), ..Link::without_host_end(&request) })
    }

    fn release(&self, _: &Lazy, _: &Net, link: &Link, given: &Given<'_>) -> Result<()> {
        let (Some(number), Some(namespace)) = (link.number, given.namespace) else { return Ok(()) };
        let there = Netlink::open_in(namespace)?;
        let what = || format!("cannot delete link {number} of the container");
        match there.wait(there.handle().link().del(number).execute(), what) {
            Err(error) if error.is(Errno::ENODEV) => Ok(()),
            result => result,
        }
    }

    fn needs_namespace(&self) -> bool {
        true
    }
}
