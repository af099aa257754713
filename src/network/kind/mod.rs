//! The kinds of links (`lxc.net.N.type`), a file each. Only this folder tells them apart.

mod empty;
mod ipvlan;
mod macvlan;
mod none;
mod phys;
mod router;
mod sublink;
mod veth;
mod vlan;

use nix::errno::Errno;
use nix::unistd::Pid;

use super::netlink::{Found, Lazy, Netlink};
use super::{Given, Link};
use crate::config::{Config, Net, NetKind};
use crate::error::{Context, Error, Result};
use crate::identity::Identity;

/// A link that is to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    /// The container.
    pub identity: &'a Identity,
    /// The N of `lxc.net.N`.
    pub index: u32,
    /// Its settings.
    pub net: &'a Net,
    /// The name it gets inside.
    pub inside_name: &'a str,
    /// The process that has the network namespace.
    pub init: Pid,
}

/// What differs between kinds.
pub(super) trait Kind {
    /// Whether this is a link at all; else it only says what network namespace the container has.
    fn is_link(&self) -> bool {
        true
    }

    /// The link of the host that `lxc.net.N.link` means, where that is not a name.
    fn chosen(&self, _net: &Net) -> Result<Option<String>> {
        Ok(None)
    }

    /// Checks the link `index` of `config` against the host, before anything is made.
    fn check(&self, index: u32, net: &Net, config: &Config) -> Result<()>;

    /// Makes the link, in the container's namespace under its final name. On failure nothing is left.
    fn create(&self, netlink: &Lazy, request: Request<'_>) -> Result<Link>;

    /// Does on the host what can be done only once `link` is set up inside.
    fn complete(&self, _netlink: &Lazy, _link: &Link) -> Result<()> {
        Ok(())
    }

    /// Gives the host back what it has of `link`, one of `given`, which was made from `net`. What is gone
    /// already, with its namespace, is fine.
    fn release(&self, _netlink: &Lazy, _net: &Net, _link: &Link, _given: &Given<'_>) -> Result<()> {
        Ok(())
    }

    /// Whether that takes the container's network namespace.
    fn needs_namespace(&self) -> bool {
        false
    }

    /// Gives the host back what it has of a link that a killed monitor of `identity` made from `net`.
    fn reclaim(&self, _netlink: &Lazy, _identity: &Identity, _net: &Net) -> Result<()> {
        Ok(())
    }

    /// The name inside where `lxc.net.N.name` does not say one; `None` for the next `ethN`.
    fn default_name<'a>(&self, _net: &'a Net) -> Option<&'a str> {
        None
    }

    /// The name on the host that the configuration fixes: it must be free before a start.
    fn fixed_host_name(&self) -> Option<&str> {
        None
    }

    /// Whether it takes a port of the bridge `lxc.net.N.link`.
    fn takes_port(&self) -> bool {
        false
    }

    /// Whether CRIU can write it down.
    fn can_be_checkpointed(&self) -> bool {
        false
    }

    /// Whether the container's loopback is up for it, whatever `lxc.net.N.flags` says.
    fn brings_loopback_up(&self) -> bool {
        false
    }
}

/// What is wrong with an address that the kernel refuses.
pub(super) const HWADDR_HINT: &str =
    "the first byte must be even, and not all can be 0: 00:16:3e:xx:xx:xx";
/// What is wrong with an MTU that the kernel refuses.
pub(super) const MTU_HINT: &str = "the kernel makes links with an MTU of 68 to 65535";

/// Where a link of the host may be that is not found.
const MISSING_HINT: &str = "the host's links are listed by: ip link; another container may have it";

/// The name of the link of the host that link `index` is, or is made on. It is root's to give: an ordinary
/// user has no such links, not even in a user namespace.
fn name_on_host(index: u32, net: &Net) -> Result<&str> {
    let word = net.kind.word();
    if !nix::unistd::geteuid().is_root() {
        return Err(Error::new(format!("link {index}: links of type {word} are for root"))
            .errno(Errno::EPERM)
            .at(net.origin("type"))
            .hint("an ordinary user's container has links of type veth"));
    }
    net.link.as_deref().ok_or_else(|| {
        Error::new(format!("link {index} of type {word} names no link of the host"))
            .at(net.origin("type"))
            .hint(format!("say which: lxc.net.{index}.link = eth0"))
    })
}

/// Finds that link: its name, and what is known about it.
fn find_on_host<'a>(netlink: &Netlink, net: &'a Net) -> Result<(&'a str, Found)> {
    let name = net.link.as_deref().unwrap_or_default();
    let found = netlink.find(name).map_err(|error| match Errno::ENODEV {
        errno if error.is(errno) => missing_on_host(net, name, errno),
        _ => error,
    })?;
    Ok((name, found))
}

fn missing_on_host(net: &Net, name: &str, errno: Errno) -> Error {
    Error::new(format!("the link {name} does not exist"))
        .errno(errno)
        .at(net.origin("link"))
        .hint(MISSING_HINT)
}

/// The kind of `net`.
pub(super) fn of(net: &Net) -> &dyn Kind {
    match &net.kind {
        NetKind::Empty => &empty::Empty,
        NetKind::None => &none::None,
        NetKind::Veth(settings) => settings,
        NetKind::Macvlan(settings) => settings,
        NetKind::Ipvlan(settings) => settings,
        NetKind::Vlan(settings) => settings,
        NetKind::Phys => &phys::Phys,
    }
}

/// A random address for a container: one that nobody assigned, of one host.
pub(super) fn random_mac() -> Result<[u8; 6]> {
    let mut mac = random_bytes::<6>()?;
    mac[0] = mac[0] & 0xfc | 0x02;
    Ok(mac)
}

fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    use std::io::Read;
    let mut bytes = [0; N];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context(|| "cannot read /dev/urandom")?;
    Ok(bytes)
}
