//! Ports of the host that lead to containers: one [table] of the packet filter (nft(8)), with maps from ports to
//! addresses of containers.
//!
//! The table is the only record: each element of its maps names its container in its comment. It is made with
//! the first element and goes with the last. Whoever adds or removes elements holds a lock; all of a change
//! comes into effect at once. Elements of a container whose monitor was killed go when it starts again, or when
//! somebody adds others.
//!
//! A packet keeps its source address, but for two: one of the container's own network, to whom it would answer
//! past the host, and one of the host's loopback, which no link carries. The answers to the latter come back
//! over the bridge, which the kernel takes for the loopback's addresses only with the sysctl `route_localnet`;
//! it is turned on for that bridge alone, and what others send to such an address is dropped as before.

mod host;
mod listening;
mod table;

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::unistd::geteuid;

use super::netlink::Netlink;
use super::nft;
use crate::config::{Config, Forward, Net, NetKind, Origin};
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::paths;
use crate::sys::lock::FileLock;
pub use table::Active;
use table::Table;

/// A forward that is to be, to one address.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// With an address of the host's, the unspecified one for all of its family.
    forward: Forward,
    to: IpAddr,
    /// The line that asks for it.
    origin: Option<&'a Origin>,
}

/// Whose forwards are to be.
#[derive(Clone, Copy, Debug)]
pub struct Holder<'a> {
    /// The container.
    pub identity: &'a Identity,
    /// Whether a container runs.
    pub runs: fn(&Identity) -> bool,
}

/// Adds to `all` what `forward`, of the line `origin`, is for a container with `addresses`: it leads to the
/// first of either family. Says whether there is one.
pub fn want<'a>(
    all: &mut Vec<Wanted<'a>>,
    forward: &Forward,
    addresses: &[IpAddr],
    origin: Option<&'a Origin>,
) -> Result<bool> {
    let first = |is_wanted: fn(&IpAddr) -> bool| addresses.iter().copied().find(is_wanted);
    let both = [first(IpAddr::is_ipv4), first(IpAddr::is_ipv6)];
    let of_family = both.into_iter().flatten().filter(|to| forward.is_for(to));
    let found: Vec<Wanted<'_>> = of_family
        .map(|to| {
            let any = match to {
                IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            let address = forward.address.or(Some(any));
            Wanted { forward: Forward { address, ..*forward }, to, origin }
        })
        .collect();
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
                .and_then(|()| want(&mut all, forward, &fixed_addresses(net), origin))
                .and_then(|found| if found { Ok(()) } else { Err(no_address(*index, forward)) })
                .map_err(|error| error.at(origin))?;
        }
    }
    Ok(all)
}

/// The addresses of a link that its configuration fixes.
fn fixed_addresses(net: &Net) -> Vec<IpAddr> {
    let ipv4 = net.ipv4.iter().map(|one| IpAddr::from(one.address));
    ipv4.chain(net.ipv6.iter().map(|one| IpAddr::from(one.address))).collect()
}

fn refuse_impossible(index: u32, net: &Net) -> Result<()> {
    if !geteuid().is_root() {
        return Err(Error::new("an ordinary user can forward no ports of the host")
            .hint("remove the line; ports are forwarded to root's containers"));
    }
    if matches!(net.kind, NetKind::Veth(_)) {
        return Ok(());
    }
    let what = format!("link {index} is no veth link, and the host forwards to those only");
    Err(Error::new(what).hint("the container is reached by its own address"))
}

fn no_address(index: u32, forward: &Forward) -> Error {
    let (family, example) = match forward.address {
        Some(IpAddr::V6(_)) => ("ipv6", "fd00::5/64"),
        _ => ("ipv4", "10.0.3.5/24"),
    };
    Error::new(format!("lxc.net.{index}.forward needs a fixed address of the container")).hint(
        format!(
            "add lxc.net.{index}.{family}.address = {example}; or, with DHCP, forward the port when the \
             container runs: lxc-rs forward NAME {}:{}",
            forward.port, forward.to_port
        ),
    )
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

/// Checks, before a start, that the forwards of `config` are possible and their ports free.
pub fn check(holder: Holder<'_>, config: &Config) -> Result<()> {
    let all = configured(config)?;
    let Some(first) = all.first() else { return Ok(()) };
    table::comment(holder.identity).map_err(|error| error.at(first.origin))?;
    let mut table = Table::read()?.unwrap_or_default();
    // If it runs, they are its own.
    table.forget(|one| one.is_of(holder.identity));
    refuse_busy(holder, &table, &all)
}

/// Refuses ports that lead to another container, or on which a process of the host listens.
fn refuse_busy(holder: Holder<'_>, table: &Table, all: &[Wanted<'_>]) -> Result<()> {
    for Wanted { forward, origin, .. } in all {
        let taken = table.taken(forward, holder);
        let Some(what) = taken.map_or_else(|| listening::on(forward), |taken| Ok(Some(taken)))?
        else {
            continue;
        };
        return Err(Error::new(what).at(*origin).hint(
            "take another port of the host, or that of one of its addresses: ADDRESS:PORT->PORT",
        ));
    }
    Ok(())
}

/// Adds forwards to the container of `holder`, whose links are called `links` on the host. Returns warnings:
/// who cannot use them.
pub fn add(holder: Holder<'_>, all: &[Wanted<'_>], links: &[&str]) -> Result<Vec<String>> {
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let comment = table::comment(holder.identity)?;
    let _lock = lock()?;
    let mut table = Table::read()?.unwrap_or_else(Table::new);
    refuse_busy(holder, &table, all)?;
    table.forget_dead(holder);
    let netlink = Netlink::open()?;
    let networks = host::networks(&netlink)?;
    let mut opened = BTreeSet::new();
    for Wanted { forward, to, .. } in all {
        let network = networks.iter().find(|network| network.has(to));
        table.add_near(&comment, network.map(|found| (found.base, found.prefix)), *to);
        table.add(holder.identity, forward, *to);
        let is_for_loopback = forward.address.is_some_and(|address| {
            address.is_ipv4() && (address.is_unspecified() || address.is_loopback())
        });
        if let Some(network) = network.filter(|_| is_for_loopback)
            && !host::is_on(&host::localnet(&network.link))
            && opened.insert(&network.link)
        {
            table.add_opened(&network.link);
        }
    }
    nft::apply(&table.changes())?;
    let mut warnings = Vec::new();
    for link in opened {
        // After the rule that drops what others send there.
        if let Err(error) = host::turn(&host::localnet(link), true) {
            warnings.push(format!("the forwarded ports are not reached at 127.0.0.1: {error}"));
        }
    }
    warnings.extend(host::let_reach_itself(&netlink, links).err().map(|error| error.to_string()));
    warnings.extend(host::not_forwarding(all));
    Ok(warnings)
}

/// Removes all forwards of a container.
pub fn release(identity: &Identity) -> Result<()> {
    if !may_be_there() {
        return Ok(());
    }
    take(|one| one.is_of(identity)).map(drop)
}

/// Removes the ports of `forward` that lead to the container; says whether there were some.
pub fn remove(identity: &Identity, forward: &Forward) -> Result<bool> {
    if !may_be_there() {
        return Ok(false);
    }
    take(|one| one.is_of(identity) && one.is_part_of(forward))
}

/// Removes the elements that are `meant`, and with the last the table; says whether there were some.
fn take(meant: impl Fn(&Active) -> bool) -> Result<bool> {
    let _lock = lock()?;
    let Some(mut table) = Table::read()? else { return Ok(false) };
    if !table.forget(meant) {
        return Ok(false);
    }
    let mut closed = Ok(());
    if table.is_empty() {
        // Before the rule goes that makes up for it.
        let turned = table.opened.iter().map(|link| host::turn(&host::localnet(link), false));
        closed = turned.fold(closed, Result::and);
    }
    nft::apply(&table.changes()).and(closed).map(|()| true)
}

/// All forwards there are, by container; neighbouring ports together. None where this user may not look.
pub fn all() -> Result<Vec<Active>> {
    if !may_be_there() {
        return Ok(Vec::new());
    }
    Ok(Table::read()?.unwrap_or_default().joined())
}

/// Whether this user may look, and somebody has ever added one.
fn may_be_there() -> bool {
    geteuid().is_root() && paths::forward_lock().exists()
}

/// Only one changes the table at a time.
fn lock() -> Result<FileLock> {
    let path = paths::forward_lock();
    let failed = || format!("cannot lock {}", path.display());
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).context(failed)?;
    }
    let file = File::options().create(true).append(true).open(&path).context(failed)?;
    FileLock::exclusive(file).context(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Document;

    fn refusal(lines: &str) -> String {
        let text = format!("lxc.net.0.type = veth\n{lines}");
        let config = Document::parse(&text, "f").unwrap().config;
        configured(&config).map_or_else(|error| error.to_string(), |all| format!("{}", all.len()))
    }

    #[test]
    fn a_forward_leads_to_fixed_addresses() {
        if !geteuid().is_root() {
            return;
        }
        let forward = "lxc.net.0.forward = 80->80\n";
        let (ipv4, ipv6) =
            ("lxc.net.0.ipv4.address = 10.0.3.5/24\n", "lxc.net.0.ipv6.address = fd00::5/64\n");
        assert!(refusal(forward).contains("lxc.net.0.forward needs a fixed address"));
        assert_eq!(refusal(&format!("{forward}{ipv4}")), "1");
        assert_eq!(refusal(&format!("{forward}{ipv4}{ipv6}")), "2");
        let ipv6_only = forward.replace("80->", "[::]:80->");
        assert!(refusal(&format!("{ipv6_only}{ipv4}")).contains("lxc.net.0.ipv6.address"));
        let twice = refusal(&format!("{ipv4}{forward}lxc.net.0.forward = 127.0.0.1:80->81\n"));
        assert!(twice.contains("tcp port 80 of the host is forwarded twice"), "{twice}");
        assert!(twice.contains("the first line is f:3"), "{twice}");
    }
}
