//! A link of the host that moves inside and, at the end, back; a wireless one with its radio, and so with all others
//! that this has.
//!
//! Until then it has an alternative name that says what it was called, [`mark`]. The kernel gives a link
//! without a namespace back to the host under the name that it had inside, so that is how the next command
//! finds one whose monitor was killed. (It deletes a virtual one.)

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use netlink_packet_route::link::LinkAttribute;
use nix::errno::Errno;
use rtnetlink::LinkUnspec;

use super::super::netlink::{Lazy, Netlink, other_names, within};
use super::super::route;
use super::super::wireless::Radio;
use super::{
    Given, Kind, Link, MISSING_HINT, Request, find_on_host, missing_on_host, name_on_host,
};
use crate::config::{Config, Namespace, Net};
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::namespace::set;

pub(super) struct Phys;

impl Kind for Phys {
    /// The last link with the prefix of `PREFIX+`, as in LXC; or one that a killed monitor's container had.
    fn chosen(&self, net: &Net) -> Result<Option<String>> {
        let Some(prefix) = net.link.as_deref().and_then(|link| link.strip_suffix('+')) else {
            return Ok(None);
        };
        let links = Netlink::open()?.links()?;
        let own_names =
            links.iter().flat_map(|link| &link.attributes).filter_map(
                |attribute| match attribute {
                    LinkAttribute::IfName(name) => Some(name.as_str()),
                    _ => None,
                },
            );
        let left = links.iter().flat_map(other_names).filter_map(|name| name.strip_prefix(MARK));
        let found = own_names.chain(left).filter(|name| name.starts_with(prefix)).last();
        found.map(|name| Some(name.to_owned())).ok_or_else(|| {
            Error::new(format!("no link of the host is called {prefix}..."))
                .at(net.origin("link"))
                .hint(MISSING_HINT)
        })
    }

    fn check(&self, index: u32, net: &Net, _: &Config) -> Result<()> {
        let name = name_on_host(index, net)?;
        let Err(errno) = nix::net::if_::if_nametoindex(name) else { return Ok(()) };
        // Where it is of a killed monitor's container, it is reclaimed before it is needed.
        match Netlink::open()?.find_other_name(&mark(name))? {
            Some(_) => Ok(()),
            None => Err(missing_on_host(net, name, errno)),
        }
    }

    fn create(&self, netlink: &Lazy, request: Request<'_>) -> Result<Link> {
        let netlink = netlink.get()?;
        let Request { net, inside_name, init, .. } = request;
        let (name, found) = find_on_host(netlink, net)?;
        let default_routes = route::defaults(netlink, net, Some(found.index))?;
        let inside = set::open(init, Namespace::Net)?;
        let radio = Radio::of(found.index)?;
        netlink.name_also(found.index, &mark(name))?;
        let moved = match radio {
            None => move_to(netlink, found.index, inside.as_fd(), inside_name),
            Some(radio) => move_radio(radio, inside.as_fd(), name, inside_name),
        };
        moved.map_err(|error| {
            let error = explain(error.at(net.origin("link")), name);
            match netlink.forget_name(found.index, &mark(name)) {
                Ok(()) => error,
                Err(problem) => error.note(format!("cleaning up: {problem}")),
            }
        })?;
        let number = within(inside.as_fd(), || {
            nix::net::if_::if_nametoindex(inside_name)
                .context(|| format!("cannot find the link {inside_name} inside"))
        })?;
        Ok(Link {
            default_routes,
            number: Some(number),
            mtu_on_host: found.mtu,
            radio,
            ..Link::without_host_end(&request)
        })
    }

    fn release(&self, _: &Lazy, net: &Net, link: &Link, given: &Given<'_>) -> Result<()> {
        let (Some(number), Some(namespace), Some(name)) = (link.number, given.namespace, &net.link)
        else {
            return Ok(());
        };
        let given_back = match link.radio {
            None => give_back(namespace, number, name, link.mtu_on_host),
            Some(radio) => give_radio_back(radio, namespace, (number, name), link.mtu_on_host),
        };
        match given_back {
            // Unplugged, or moved away by hand.
            Err(error) if error.is(Errno::ENODEV) => Ok(()),
            result => result.map_err(|error| error.at(net.origin("link"))),
        }
    }

    fn reclaim(&self, netlink: &Lazy, _: &Identity, net: &Net) -> Result<()> {
        let Some(name) = &net.link else { return Ok(()) };
        let netlink = netlink.get()?;
        let Some(index) = netlink.find_other_name(&mark(name))? else { return Ok(()) };
        netlink
            .rename(index, name)
            .map_err(|error| error.note("the link is that of a killed container"))?;
        netlink.forget_name(index, &mark(name))
    }

    fn needs_namespace(&self) -> bool {
        true
    }

    fn default_name<'a>(&self, net: &'a Net) -> Option<&'a str> {
        net.link.as_deref()
    }
}

/// What the alternative name of a link begins with while a container has it.
const MARK: &str = "lxc-phys-";

/// The alternative name of the link `name` while a container has it.
fn mark(name: &str) -> String {
    format!("{MARK}{name}")
}

/// Moves link `number` of `namespace` into that of this process, where it is called `name` as before.
fn give_back(namespace: BorrowedFd<'_>, number: u32, name: &str, mtu: Option<u32>) -> Result<()> {
    let own: OwnedFd = set::open("self", Namespace::Net)?;
    let there = Netlink::open_in(namespace)?;
    move_to(&there, number, own.as_fd(), name).map_err(|error| explain(error, name))?;
    restore(name, mtu)
}

/// As [`give_back`], of a wireless link with its `radio`.
fn give_radio_back(
    radio: Radio,
    namespace: BorrowedFd<'_>,
    (number, name): (u32, &str),
    mtu: Option<u32>,
) -> Result<()> {
    let own: OwnedFd = set::open("self", Namespace::Net)?;
    within(namespace, || {
        Netlink::open()?.rename(number, name)?;
        radio.move_to(own.as_fd())
    })?;
    // Where another link had its name meanwhile.
    let here = Netlink::open()?;
    if let Some(index) = here.find_other_name(&mark(name))? {
        here.rename(index, name).map_err(|error| explain(error, name))?;
    }
    restore(name, mtu)
}

/// Moves the radio of the wireless link `name` into `namespace`, where the link is called `new_name`. On failure it is here.
fn move_radio(radio: Radio, namespace: BorrowedFd<'_>, name: &str, new_name: &str) -> Result<()> {
    let own: OwnedFd = set::open("self", Namespace::Net)?;
    radio.move_to(namespace)?;
    within(namespace, || {
        let there = Netlink::open()?;
        let found = there.find_other_name(&mark(name)).and_then(|found| {
            found.ok_or_else(|| Error::new(format!("cannot find the link {name} inside")))
        });
        found.and_then(|number| there.rename(number, new_name)).map_err(|error| {
            match radio.move_to(own.as_fd()) {
                Ok(()) => error,
                Err(problem) => error.note(format!("cleaning up: {problem}")),
            }
        })
    })
}

/// Gives the link `name`, which is back, its MTU, and takes the mark from it.
fn restore(name: &str, mtu: Option<u32>) -> Result<()> {
    let here = Netlink::open()?;
    let found = here.find(name)?;
    if let Some(mtu) = mtu.filter(|_| found.mtu != mtu) {
        let message = LinkUnspec::new_with_index(found.index).mtu(mtu).build();
        here.wait(here.handle().link().set(message).execute(), || {
            format!("cannot give {name} the MTU {mtu} again")
        })?;
    }
    here.forget_name(found.index, &mark(name))
}

fn move_to(netlink: &Netlink, number: u32, namespace: BorrowedFd<'_>, name: &str) -> Result<()> {
    let link = LinkUnspec::new_with_index(number);
    let message = link.setns_by_fd(namespace.as_raw_fd()).name(name).build();
    netlink.wait(netlink.handle().link().set(message).execute(), || {
        format!("cannot move a link between the host and the container, to be called {name}")
    })
}

fn explain(error: Error, name: &str) -> Error {
    match error.errno.map(Errno::from_raw) {
        Some(Errno::EINVAL) => error.hint(format!(
            "{name} cannot leave its network namespace: a loopback, a bridge or a tunnel of the kernel",
        )),
        Some(Errno::EEXIST) => error.hint("there is another link of that name"),
        _ => error,
    }
}
