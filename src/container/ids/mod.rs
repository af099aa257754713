//! Which ids containers and others use, and a range of its own for a container (`--idmap auto`).
//!
//! Nothing records who got which: what counts is what the configurations of the containers say, the user
//! namespaces of what runs, and /etc/subuid and /etc/subgid. So the ids of a container that is gone are
//! free. The configuration is written under a [lock](Given), for two must not find the same range free.

pub mod taken;

use std::collections::BTreeSet;
use std::path::Path;

use nix::unistd::{User, geteuid, getuid};

use super::lock::{self, DefinitionLock};
use crate::config::{Document, IdKind, IdMap};
use crate::error::{Error, Result};
use crate::mount::{idmapped, rootfs};
use crate::namespace::ranges::{self, Ids};
use crate::namespace::subid::Allocation;
use crate::namespace::{granted, subid};
use crate::table;
use taken::{Taken, taken};

/// How many ids a container gets.
pub(super) const COUNT: u32 = 65536;

/// Where root's containers get ids if /etc/subuid and /etc/subgid give root none: beyond those that
/// useradd(8) gives to users (`SUB_UID_MAX`, login.defs(5)), systemd-nspawn to its containers (up to
/// 1879048191) and sssd to directory users (up to 2000200000), below those of systemd for foreign files
/// (from 2147352576).
const DEFAULT: Ids = 2_000_224_256..2_147_352_576;

/// What useradd(8) gives to users (`SUB_UID_MIN` and `SUB_UID_MAX`, login.defs(5)).
pub const OF_USERADD: Ids = 100_000..600_100_001;

/// The maps that a container got. They are its own once they are in its configuration file; until then
/// nobody else gets any.
#[derive(Debug)]
pub struct Given {
    /// Of users, and of groups.
    pub maps: [IdMap; 2],
    _lock: DefinitionLock,
}

/// Finds a free range for a container in `lxcpath`.
pub fn give(lxcpath: &Path) -> Result<Given> {
    let lock = lock::ids()?;
    let taken = taken(lxcpath)?;
    let name = caller();
    let [users, groups] = IdKind::BOTH.map(|kind| pool(kind, &name));
    let (users, groups) = (users?, groups?);
    let used = |kind| -> Vec<Ids> {
        taken.iter().filter(|one| one.kind == kind).map(|one| one.ids.clone()).collect()
    };
    let used = IdKind::BOTH.map(used);
    // The same number for both, if there is one.
    let first = ranges::first_free(&ranges::common(&users, &groups), &used.concat(), COUNT.into());
    let first_of = |pool: &[Ids], kind: IdKind| {
        let used = &used[usize::from(kind == IdKind::Group)];
        first.or_else(|| ranges::first_free(pool, used, COUNT.into()))
    };
    let map = |kind, pool: &[Ids]| {
        let found = first_of(pool, kind).and_then(|first| u32::try_from(first).ok());
        let outside = found.ok_or_else(|| exhausted(kind, &name, pool, &taken))?;
        Ok(IdMap { kind, inside: 0, outside, range: COUNT })
    };
    let maps = [map(IdKind::User, &users)?, map(IdKind::Group, &groups)?];
    Ok(Given { maps, _lock: lock })
}

/// Puts `maps` into `document` in the place of all that it has.
pub(super) fn set_maps(document: &mut Document, maps: &[IdMap]) -> Result<()> {
    document.replace_list("lxc.idmap", maps.iter().map(IdMap::to_string), "--idmap")
}

/// Whether a root filesystem at `path` could be mounted with other ids than it has on the disk.
pub(super) fn can_show_at(path: &Path) -> bool {
    let dir = path.ancestors().find(|dir| dir.exists());
    let tried = idmapped::try_in(dir.unwrap_or(Path::new("/")));
    tried
        .inspect_err(|error| log::info!("the ids on the disk are those of the container: {error}"))
        .is_ok()
}

/// Lets the files of the root filesystem keep the ids that they have inside, if they [can](can_show_at) be
/// mounted so.
pub(super) fn show_inside(document: &mut Document, can: bool) -> Result<()> {
    let config = &document.config;
    if !can || config.rootfs.path.is_none() || rootfs::options(config)?.idmap.is_some() {
        return Ok(());
    }
    let old = document.config.rootfs.options.as_deref().filter(|old| !old.is_empty());
    let options = old.map_or_else(String::new, |old| format!("{old},"));
    document.set("lxc.rootfs.options", &format!("{options}idmap=container"), "--idmap")
}

/// The caller's name, or number for a user without one.
fn caller() -> String {
    let user = User::from_uid(getuid()).ok().flatten();
    user.map_or_else(|| getuid().to_string(), |user| user.name)
}

/// The ids that the caller's containers may have, as far as this system has them.
fn pool(kind: IdKind, name: &str) -> Result<Vec<Ids>> {
    let text = table::read(subid::file(kind)).unwrap_or_default();
    let uid = getuid().to_string();
    let own = subid::allocations(&text).filter(|one| one.owner == name || one.owner == uid);
    let mut pool: Vec<Ids> = own.map(Allocation::ids).collect();
    if pool.is_empty() && geteuid().is_root() {
        pool.push(DEFAULT);
    }
    Ok(ranges::common(&pool, &granted::own_ids(kind)?))
}

fn exhausted(kind: IdKind, name: &str, pool: &[Ids], taken: &[Taken]) -> Error {
    let file = subid::file(kind).display();
    let word = kind.word();
    if pool.is_empty() {
        let what = format!("{file} gives {name} no {word} ids that this system has");
        return Error::new(what).hint(add(kind, name));
    }
    let shown: Vec<String> = pool.iter().map(ranges::shown).collect();
    let of_pool = |one: &&Taken| {
        one.kind == kind && !ranges::common(std::slice::from_ref(&one.ids), pool).is_empty()
    };
    let by: BTreeSet<&str> = taken.iter().filter(of_pool).map(|one| one.by.as_str()).collect();
    let what = format!("no {COUNT} {word} ids in a row are free for another container of {name}");
    let error = Error::new(what).hint(add(kind, name));
    let error = error.note(format!("{name} has {}", shown.join(", ")));
    error.note(format!("of these others have some: {}", few(&by)))
}

/// How to give `name` more ids.
fn add(kind: IdKind, name: &str) -> String {
    let file = subid::file(kind);
    let text = table::read(file).unwrap_or_default();
    let used: Vec<Ids> = subid::allocations(&text).map(Allocation::ids).collect();
    let first = ranges::first_free(&[OF_USERADD], &used, COUNT.into()).unwrap_or(OF_USERADD.start);
    format!("as root: echo '{name}:{first}:{COUNT}' >>{}", file.display())
}

/// The first few of `names`, and how many more there are.
pub fn few(names: &BTreeSet<&str>) -> String {
    const SHOWN: usize = 5;
    let mut text = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_range_is_nobodys_by_convention() {
        assert_eq!(DEFAULT.start % u64::from(COUNT), 0);
        assert_eq!((DEFAULT.end - DEFAULT.start) / u64::from(COUNT), 2245);
        assert!(ranges::common(&[DEFAULT], &[OF_USERADD]).is_empty());
    }

    #[test]
    fn many_names_are_cut() {
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        assert_eq!(few(&names[..5].iter().copied().collect()), "a, b, c, d, e");
        assert_eq!(few(&names.into_iter().collect()), "a, b, c, d, e and 2 more");
    }
}
