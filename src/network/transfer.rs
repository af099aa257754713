//! Moving links between network namespaces.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::unistd::Pid;
use rtnetlink::LinkUnspec;

use super::netlink::Netlink;
use crate::config::Namespace;
use crate::error::Result;
use crate::namespace::set;

/// Moves the link `name` of this network namespace into `container`, where it is called `new_name`.
pub fn into(name: &str, container: BorrowedFd<'_>, new_name: &str) -> Result<()> {
    transfer(&Netlink::open()?, name, container, new_name)
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
    transfer(&Netlink::open_in(container)?, name, own.as_fd(), new_name)
}

fn transfer(netlink: &Netlink, name: &str, to: BorrowedFd<'_>, new_name: &str) -> Result<()> {
    let index = netlink.find(name)?.index;
    let message =
        LinkUnspec::new_with_index(index).setns_by_fd(to.as_raw_fd()).name(new_name.to_owned());
    let moved = netlink.wait(netlink.handle().link().set(message.build()).execute(), || {
        format!("cannot move the link {name} and call it {new_name}")
    });
    moved.map_err(|error| {
        if error.is(Errno::EEXIST) {
            return error.hint(format!("there is a link called {new_name} already"));
        }
        error
    })
}
