//! Moving links between network namespaces.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::unistd::Pid;
use rtnetlink::LinkUnspec;

use super::netlink::{Netlink, within};
use super::wireless::Radio;
use crate::config::Namespace;
use crate::error::{Error, Result};
use crate::namespace::set;

/// Where a link is, in words.
const ON_THE_HOST: &str = "on the host";
const INSIDE: &str = "in the container";

/// Moves the link `name` of this network namespace into `container`, where it is called `new_name`.
pub fn into(name: &str, container: BorrowedFd<'_>, new_name: &str) -> Result<()> {
    let own: OwnedFd = set::open("self", Namespace::Net)?;
    transfer(own.as_fd(), (name, ON_THE_HOST), container, (new_name, INSIDE))
}

/// Moves the link `name` of this network namespace into that of process `pid`.
pub fn into_that_of(pid: Pid, name: &str) -> Result<()> {
    let netlink = Netlink::open()?;
    let message = LinkUnspec::new_with_name(name).setns_by_pid(pid.as_raw().unsigned_abs()).build();
    netlink.wait(netlink.handle().link().set(message).execute(), || {
        format!("cannot move the interface {name} into the new network namespace")
    })
}

/// Moves the link `name` of `container` into this network namespace, where it is called `new_name`.
pub fn out_of(name: &str, container: BorrowedFd<'_>, new_name: &str) -> Result<()> {
    let own: OwnedFd = set::open("self", Namespace::Net)?;
    transfer(container, (name, INSIDE), own.as_fd(), (new_name, ON_THE_HOST))
}

fn transfer(
    from: BorrowedFd<'_>,
    (name, place): (&str, &str),
    to: BorrowedFd<'_>,
    (new_name, new_place): (&str, &str),
) -> Result<()> {
    let netlink = Netlink::open_in(from)?;
    let found = netlink.find(name).map_err(|error| match Errno::ENODEV {
        errno if error.is(errno) => error.hint(format!("no link {place} is called {name}")),
        _ => error,
    })?;
    let failed = || format!("cannot move the link {name} ({place}) to {new_name} ({new_place})");
    // The kernel moves a link first and then calls it by its new name: refused, it would be there under
    // the old one.
    let is_name = |one: char| !(one.is_ascii_whitespace() || matches!(one, '/' | ':'));
    if !new_name.chars().all(is_name) || matches!(new_name, "" | "." | "..") {
        return Err(Error::new(failed())
            .errno(Errno::EINVAL)
            .hint("the name of a link has no blanks, no '/' and no ':'"));
    }
    if Netlink::open_in(to)?.find(new_name).is_ok() {
        return Err(Error::new(failed())
            .errno(Errno::EEXIST)
            .hint(format!("{new_place} a link is called {new_name} already")));
    }
    if let Some(radio) = within(from, || Radio::of(found.index))? {
        return within(from, || move_wireless(&netlink, radio, (found.index, name), to, new_name));
    }
    let message = LinkUnspec::new_with_index(found.index)
        .setns_by_fd(to.as_raw_fd())
        .name(new_name.to_owned());
    let moved = netlink.wait(netlink.handle().link().set(message.build()).execute(), failed);
    moved.map_err(|error| match error.errno.map(Errno::from_raw) {
        Some(Errno::ERANGE) => error.hint("a link's name has at most 15 bytes"),
        Some(Errno::EINVAL) => {
            error.hint("a loopback, a bridge and the kernel's own tunnels stay where they are")
        }
        Some(Errno::EBUSY) => error.hint(format!("take it down first: ip link set {name} down")),
        _ => error,
    })
}

/// Moves link number `index`, called `name`, with its radio from the network namespace of this thread and of `netlink`.
fn move_wireless(
    netlink: &Netlink,
    radio: Radio,
    (index, name): (u32, &str),
    to: BorrowedFd<'_>,
    new_name: &str,
) -> Result<()> {
    if new_name != name {
        // There it could not be found under another name.
        netlink.rename(index, new_name)?;
    }
    radio.move_to(to).map_err(|error| match netlink.rename(index, name) {
        Ok(()) => error,
        Err(problem) => error.note(format!("cleaning up: {problem}")),
    })
}
