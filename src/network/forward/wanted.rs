//! What is to be forwarded, and to which address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::host::Network;
use super::relay;
use super::table::Active;
use crate::config::{Config, Forward, Net, NetKind, Origin};
use crate::error::{Error, Result};

/// A forward that is to be.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// With an address of the host's, the unspecified one for all of its family, once `to` is known.
    pub(super) forward: Forward,
    /// The container's address; `None` until the container has one on the bridge.
    pub(super) to: Option<IpAddr>,
    /// The link that asks for it.
    net: Option<&'a Net>,
    /// The line that asks for it.
    pub(super) origin: Option<&'a Origin>,
}

impl Wanted<'_> {
    /// What this is for a container with `addresses` inside, where it was not known before.
    pub(super) fn resolved(&self, inside: &[IpAddr], networks: &[Network]) -> Vec<Self> {
        match (self.to, self.net) {
            (None, Some(net)) => {
                let to = |to| Wanted { to: Some(to), ..self.clone() };
                let addresses = addresses_of(net, inside, networks);
                targets(&self.forward, &addresses).map(to).map(Self::with_address).collect()
            }
            _ => Vec::new(),
        }
    }

    fn with_address(mut self) -> Self {
        let any = match self.to {
            Some(IpAddr::V4(_)) => Some(Ipv4Addr::UNSPECIFIED.into()),
            Some(IpAddr::V6(_)) => Some(Ipv6Addr::UNSPECIFIED.into()),
            None => None,
        };
        self.forward.address = self.forward.address.or(any);
        self
    }
}

/// Where `forward` leads for a container with `addresses`: to the first of either family.
fn targets(forward: &Forward, addresses: &[IpAddr]) -> impl Iterator<Item = IpAddr> {
    let first = |is_wanted: fn(&IpAddr) -> bool| addresses.iter().copied().find(is_wanted);
    let both = [first(IpAddr::is_ipv4), first(IpAddr::is_ipv6)];
    both.into_iter().flatten().filter(|to| forward.is_for(to))
}

/// The addresses of a link: those that its configuration fixes, or else those of `inside` in a network of its
/// bridge. Others are the container's to choose, and may be anybody's.
pub(super) fn addresses_of(net: &Net, inside: &[IpAddr], networks: &[Network]) -> Vec<IpAddr> {
    let fixed = fixed(net);
    if !fixed.is_empty() {
        return fixed;
    }
    let of_bridge = |network: &&Network| net.link.as_ref() == Some(&network.link);
    let is_there = |address: &&IpAddr| {
        networks.iter().filter(of_bridge).any(|network| network.has_other(address))
    };
    inside.iter().filter(is_there).copied().collect()
}

fn fixed(net: &Net) -> Vec<IpAddr> {
    let ipv4 = net.ipv4.iter().map(|one| IpAddr::from(one.address));
    ipv4.chain(net.ipv6.iter().map(|one| IpAddr::from(one.address))).collect()
}

/// Adds to `all` what `forward` is for a running container with `addresses`. Says whether there is something.
pub fn want(all: &mut Vec<Wanted<'_>>, forward: &Forward, addresses: &[IpAddr]) -> Result<bool> {
    let wanted = |to| Wanted { forward: *forward, to: Some(to), net: None, origin: None };
    let found = targets(forward, addresses).map(wanted).map(Wanted::with_address).collect();
    include(all, found)
}

/// What `active` is for the next life of the container with the links of `config`: to the same fixed address, or
/// to that which the same link gets in a network of its bridge; `None` where no link has its address any more.
pub(super) fn again<'a>(
    active: &Active,
    config: &'a Config,
    networks: &[Network],
) -> Option<Wanted<'a>> {
    let to = active.to_address;
    let net = config.net.values().find(|net| addresses_of(net, &[to], networks).contains(&to))?;
    let to = fixed(net).contains(&to).then_some(to);
    Some(Wanted { forward: active.forward(), to, net: Some(net), origin: None })
}

fn include<'a>(all: &mut Vec<Wanted<'a>>, found: Vec<Wanted<'a>>) -> Result<bool> {
    refuse_double(&found, all)?;
    let is_found = !found.is_empty();
    all.extend(found);
    Ok(is_found)
}

/// What the configuration asks for (`lxc.net.N.forward`).
pub fn configured(config: &Config) -> Result<Vec<Wanted<'_>>> {
    let mut all: Vec<Wanted<'_>> = Vec::new();
    for (index, net) in &config.net {
        for forward in &net.forwards {
            let origin = forward.origin.as_ref();
            refuse_impossible(*index, net)
                .and_then(|()| {
                    let wanted = |to| Wanted { forward: **forward, to, net: Some(net), origin };
                    let fixed = fixed(net);
                    let found = if fixed.is_empty() && net.link.is_some() {
                        vec![wanted(None)]
                    } else {
                        let wanted = |to| wanted(Some(to)).with_address();
                        targets(forward, &fixed).map(wanted).collect()
                    };
                    include(&mut all, found)
                })
                .and_then(|found| if found { Ok(()) } else { Err(no_address(*index, forward)) })
                .map_err(|error| error.at(origin))?;
        }
    }
    Ok(all)
}

/// What the configuration of an ordinary user's container asks for, with the lines.
pub fn configured_by_user(config: &Config) -> Result<Vec<(Forward, Option<&Origin>)>> {
    let mut all: Vec<Wanted<'_>> = Vec::new();
    for (index, net) in &config.net {
        for forward in &net.forwards {
            let origin = forward.origin.as_ref();
            let one = Wanted { forward: **forward, to: None, net: Some(net), origin };
            let is_possible = match net.kind {
                NetKind::None => {
                    Err(Error::new(format!("link {index} is the host's network, with its ports"))
                        .hint("what listens in it is reached at the host's addresses"))
                }
                _ => relay::check(forward),
            };
            is_possible
                .and_then(|()| include(&mut all, vec![one]))
                .map_err(|error| error.at(origin))?;
        }
    }
    Ok(all.into_iter().map(|one| (one.forward, one.origin)).collect())
}

fn refuse_impossible(index: u32, net: &Net) -> Result<()> {
    if matches!(net.kind, NetKind::Veth(_)) {
        return Ok(());
    }
    let what = format!("link {index} is not a veth link, and the host forwards to those only");
    Err(Error::new(what).hint("the container is reached by its own address"))
}

fn no_address(index: u32, forward: &Forward) -> Error {
    let (family, example) = match forward.address {
        Some(IpAddr::V6(_)) => ("ipv6", "fd00::5/64"),
        _ => ("ipv4", "10.0.3.5/24"),
    };
    Error::new(format!("lxc.net.{index}.forward needs an address of the container on that link"))
        .hint(format!("add lxc.net.{index}.{family}.address = {example}"))
}

fn refuse_double(found: &[Wanted<'_>], before: &[Wanted<'_>]) -> Result<()> {
    let mut pairs = found.iter().flat_map(|one| before.iter().map(move |other| (one, other)));
    let double = pairs.find_map(|(one, other)| {
        Some((one.forward.protocol, one.forward.clash(&other.forward)?, other.origin))
    });
    let Some((protocol, port, origin)) = double else { return Ok(()) };
    let error = Error::new(format!("{protocol} port {port} of the host is forwarded twice"));
    Err(match origin {
        Some(other) => error.hint(format!("the first line is {}:{}", other.file, other.line)),
        None => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Document;

    fn config(lines: &str) -> Config {
        let text = format!("lxc.net.0.type = veth\nlxc.net.0.forward = 80->80\n{lines}");
        Document::parse(&text, "f").unwrap().config
    }

    fn said(lines: &str) -> String {
        configured(&config(lines))
            .map_or_else(|error| error.to_string(), |all| all.len().to_string())
    }

    #[test]
    fn a_forward_leads_to_fixed_addresses() {
        let ipv4 = "lxc.net.0.ipv4.address = 10.0.3.5/24\n";
        let ipv6 = "lxc.net.0.ipv6.address = fd00::5/64\n";
        assert!(said("").contains("lxc.net.0.forward needs an address"));
        assert_eq!(said(ipv4), "1");
        assert_eq!(said(&format!("{ipv4}{ipv6}")), "2");
        let other = said(&format!("{ipv4}lxc.net.0.forward = [::]:81->80\n"));
        assert!(other.contains("lxc.net.0.ipv6.address"), "{other}");
        let twice = said(&format!("{ipv4}lxc.net.0.forward = 127.0.0.1:80->81\n"));
        assert!(twice.contains("tcp port 80 of the host is forwarded twice"), "{twice}");
        assert!(twice.contains("the first line is f:2"), "{twice}");
    }

    #[test]
    fn other_addresses_count_in_the_network_of_the_bridge_only() {
        let config = config("lxc.net.0.link = br0\n");
        let network = |link: &str, address: &str, prefix| {
            Network::of(link.to_owned(), address.parse().unwrap(), prefix)
        };
        let networks = [network("br0", "10.0.3.1", 24), network("eth0", "192.0.2.1", 24)];
        let inside = ["192.0.2.7", "10.0.3.1", "10.0.3.9"].map(|one| one.parse().unwrap());
        let all = configured(&config).unwrap();
        assert_eq!(all[0].to, None);
        let found = all[0].resolved(&inside, &networks);
        assert_eq!(found.iter().map(|one| one.to).collect::<Vec<_>>(), [Some(inside[2])]);
        assert_eq!(found[0].forward.to_string(), "tcp:0.0.0.0:80->80");
    }
}
