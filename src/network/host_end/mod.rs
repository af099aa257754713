//! What holds for a link at the host's end of it, where the container cannot change it: how much goes over
//! it ([`limit`], [`police`]), whom it reaches on its bridge ([`port`]), and in whose name ([`filter`]).
//!
//! Everything but the table of the filter goes with the link.

mod filter;
mod limit;
mod police;
mod port;

use nix::unistd::geteuid;

use super::netlink::Netlink;
use crate::config::{Net, NetKind, Veth};
use crate::error::{Error, Result};
use crate::identity::Identity;

pub(super) use port::{Bridge, join};

/// The end on the host of a link that is being made.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostEnd<'a> {
    /// The container.
    pub identity: &'a Identity,
    /// The N of `lxc.net.N`.
    pub index: u32,
    /// The settings.
    pub net: &'a Net,
    /// Those that only a veth link has.
    pub veth: &'a Veth,
    /// Its name.
    pub name: &'a str,
    /// Its number.
    pub number: u32,
    /// The hardware address of the other end.
    pub mac: [u8; 6],
}

/// The first key of link `net` that is for its end on the host.
fn first_key(net: &Net) -> Option<&'static str> {
    let settings = &net.host_end;
    let keys = [
        ("limit.ingress", settings.limit_ingress.is_some()),
        ("limit.egress", settings.limit_egress.is_some()),
        ("isolated", settings.isolated),
        ("filter", !settings.filter.is_empty()),
    ];
    keys.into_iter().find_map(|(key, is_set)| is_set.then_some(key))
}

/// Checks what is asked for at the host's end of link `index`, before anything is made.
pub(super) fn check(index: u32, net: &Net) -> Result<()> {
    let NetKind::Veth(veth) = &net.kind else {
        let Some(key) = first_key(net) else { return Ok(()) };
        let word = net.kind.word();
        return Err(Error::new(format!(
            "{key}: link {index} of type {word} has no end on the host"
        ))
        .at(net.origin(key))
        .hint("links of type veth have one"));
    };
    let key = first_key(net).or_else(|| port::vlan_key(veth));
    let Some(key) = key else { return Ok(()) };
    if !geteuid().is_root() {
        return Err(Error::new(format!("{key}: an ordinary user cannot set up links of the host"))
            .at(net.origin(key))
            .hint("remove the line, or have root start the container"));
    }
    port::check(index, net, veth)?;
    filter::check(index, net)
}

/// Sets up what must be there before the link is up.
pub(super) fn guard(netlink: &Netlink, end: &HostEnd<'_>) -> Result<()> {
    let settings = &end.net.host_end;
    if !settings.filter.is_empty() {
        filter::load(end)?;
    }
    if let Some(rate) = settings.limit_ingress {
        limit::shape(netlink, end.number, rate)
            .map_err(|error| error.at(end.net.origin("limit.ingress")))?;
    }
    if let Some(rate) = settings.limit_egress {
        police::police(netlink, end.number, rate)
            .map_err(|error| error.at(end.net.origin("limit.egress")))?;
    }
    Ok(())
}

/// Removes what a killed monitor of `identity` left, whatever its configuration says by now.
pub(super) fn reclaim(identity: &Identity) -> Result<()> {
    filter::remove_all(identity)
}

/// Removes what does not go with the link `index` of a container; where nothing is left, that is fine.
pub(super) fn release(identity: &Identity, index: u32, net: &Net) -> Result<()> {
    if net.host_end.filter.is_empty() { Ok(()) } else { filter::remove(identity, index) }
}
