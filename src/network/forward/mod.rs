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
//!
//! An ordinary user has no table, but a [relay].

mod connections;
mod follow;
mod host;
mod listening;
mod relay;
mod table;
mod wanted;

use std::collections::BTreeSet;
use std::net::IpAddr;

use nix::unistd::geteuid;

use super::netlink::Netlink;
use super::nft;
use crate::config::{Config, Forward};
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::paths;
use crate::sys::lock::FileLock;
pub use follow::Follower;
pub use relay::{Ports, enter, listen};
pub use table::Active;
use table::Table;
pub use wanted::{Wanted, configured, configured_by_user, want};

/// What to do about a port that is not free.
const BUSY_HINT: &str =
    "take another port of the host, or that of one of its addresses: ADDRESS:PORT->PORT";

/// Whose forwards are to be.
#[derive(Clone, Copy, Debug)]
pub struct Holder<'a> {
    /// The container.
    pub identity: &'a Identity,
    /// Whether a container runs.
    pub runs: fn(&Identity) -> bool,
}

/// The addresses of a running container with the links of `config` that ports can lead to: of its addresses
/// `inside` those that the configuration fixes, or that are in the network of a link's bridge.
pub fn addresses(config: &Config, inside: &[IpAddr]) -> Result<Vec<IpAddr>> {
    let networks = host::networks(&Netlink::open()?)?;
    let of_link = |net| wanted::addresses_of(net, inside, &networks);
    Ok(config.net.values().flat_map(of_link).collect())
}

/// Whether the container gets an address for some of `all` only while it runs.
pub fn needs_follower(all: &[Wanted<'_>]) -> bool {
    all.iter().any(|one| one.to.is_none())
}

/// What leads to the container beside what `config` asks for, a port each.
pub fn passing(identity: &Identity, config: &Config) -> Result<Vec<Active>> {
    if !may_be_there() {
        return Ok(Vec::new());
    }
    let configured = configured(config)?;
    let is_configured = |one: &Active| configured.iter().any(|it| one.is_part_of(&it.forward));
    let mut table = Table::read()?.unwrap_or_default();
    table.forget(|one| !one.is_of(identity) || is_configured(one));
    Ok(table.joined())
}

/// What `passing` is in the container's next life, as far as there is something that it can lead to.
pub fn again<'a>(passing: &[Active], config: &'a Config) -> Result<Vec<Wanted<'a>>> {
    if passing.is_empty() {
        return Ok(Vec::new());
    }
    let networks = host::networks(&Netlink::open()?)?;
    Ok(passing.iter().filter_map(|one| wanted::again(one, config, &networks)).collect())
}

/// Checks, before a start, that the forwards of `config` are possible and their ports free.
pub fn check(holder: Holder<'_>, config: &Config) -> Result<()> {
    if !geteuid().is_root() {
        // If it runs, it listens.
        let all = configured_by_user(config)?;
        let is_to_come = !all.is_empty() && !(holder.runs)(holder.identity);
        return if is_to_come { listen(all).map(drop) } else { Ok(()) };
    }
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
        return Err(Error::new(what).at(*origin).hint(BUSY_HINT));
    }
    Ok(())
}

/// Adds forwards to the container of `holder`, whose links are called `links` on the host, as far as its
/// address is known. Returns warnings: who cannot use them.
pub fn add(holder: Holder<'_>, all: &[Wanted<'_>], links: &[&str]) -> Result<Vec<String>> {
    if all.iter().all(|one| one.to.is_none()) {
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
        let Some(to) = *to else { continue };
        let network = networks.iter().find(|network| network.has(&to));
        table.add_near(&comment, network.map(|found| (found.base, found.prefix)), to);
        table.add(holder.identity, forward, to);
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
    let is_of_host = |address: &IpAddr| {
        address.is_loopback() || networks.iter().any(|network| network.is_own(address))
    };
    let ended = connections::end(&table.removed, &table.added, is_of_host);
    let mut warnings: Vec<String> =
        ended.err().map(|error| error.to_string()).into_iter().collect();
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

/// Adds each of `all` that can be, as [`add`] does. Returns warnings: also why one cannot.
pub fn add_each(holder: Holder<'_>, all: &[Wanted<'_>], links: &[&str]) -> Vec<String> {
    let each = all.iter().map(|one| add(holder, std::slice::from_ref(one), links));
    each.flat_map(|added| added.unwrap_or_else(|error| vec![error.to_string()])).collect()
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
    nft::apply(&table.changes())?;
    // Not before: until then new ones are led.
    let ended = connections::end(&table.removed, &[], |_| false);
    closed.and(ended).map(|()| true)
}

/// All forwards there are, by container; neighbouring ports together. None where this user may not look.
pub fn all() -> Result<Vec<Active>> {
    if !may_be_there() {
        return Ok(Vec::new());
    }
    Ok(Table::read()?.unwrap_or_default().joined())
}

/// Whether this user may look, somebody has ever added one, and some are left.
fn may_be_there() -> bool {
    geteuid().is_root() && paths::forward_lock().exists() && Table::may_exist()
}

/// Only one changes the table at a time.
fn lock() -> Result<FileLock> {
    let path = paths::forward_lock();
    let failed = || format!("cannot lock {}", path.display());
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).context(failed)?;
    }
    FileLock::own(&path).context(failed)
}
