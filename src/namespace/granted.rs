//! Whether the caller may write id maps: those of root need only ids that this system has; those of an
//! ordinary user are written by newuidmap and newgidmap, which ask /etc/subuid and /etc/subgid.

use nix::unistd::{User, geteuid, getuid};

use super::shape::range;
use super::{Ids, map_lines, own_id, ranges, subid};
use crate::config::{IdKind, IdMap, Located};
use crate::error::{Context, Error, Result};
use crate::table;

/// Fails with the first line of `ids` that the caller may not map here.
pub fn check(ids: Ids<'_>) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let [users, groups] = IdKind::BOTH.map(own_ids);
    let (users, groups) = (users?, groups?);
    for map in ids.maps() {
        exists_here(map, if map.kind == IdKind::User { &users } else { &groups })?;
    }
    if geteuid().is_root() || is_elsewhere() {
        return Ok(());
    }
    let user = User::from_uid(getuid()).context(|| "cannot look up the user")?;
    let name = user.map(|user| user.name).unwrap_or_default();
    for kind in IdKind::BOTH {
        let file = subid::file(kind);
        let text = table::read(file).unwrap_or_default();
        if let Some(map) = ids.lines(kind).find(|map| !may_map(&text, &name, map)) {
            let name = if name.is_empty() { getuid().to_string() } else { name };
            let IdMap { outside: first, range: count, .. } = map.value;
            let shown = range(first, first + (count - 1));
            let file = file.display();
            let what = format!("{file} does not give the {} ids {shown} to {name}", kind.word());
            return Err(Error::new(what)
                .at(map.origin.as_ref())
                .hint(format!("as root: echo '{name}:{first}:{count}' >>{file}")));
        }
    }
    Ok(())
}

/// Whether newuidmap or newgidmap lets the user `name`, who is the caller, have `map`.
fn may_map(table: &str, name: &str, map: &IdMap) -> bool {
    map.outside == own_id(map.kind) && map.range == 1
        || subid::grants(table, name, getuid().as_raw(), map.outside, map.range)
}

/// Whether others than the files say who has which ids (`subid:` in nsswitch.conf(5)).
fn is_elsewhere() -> bool {
    let switch = table::read("/etc/nsswitch.conf").unwrap_or_default();
    let mut sources = switch.lines().filter_map(|line| line.trim_start().strip_prefix("subid:"));
    sources.any(|sources| !sources.split_whitespace().eq(["files"]))
}

/// Fails unless this system's `own` user namespace has the ids outside of `map`.
fn exists_here(map: &Located<IdMap>, own: &[ranges::Ids]) -> Result<()> {
    let wanted = map.outside_ids();
    let Some(missing) = ranges::first_missing(&wanted, own) else { return Ok(()) };
    let has: Vec<String> = own.iter().map(ranges::shown).collect();
    let what = format!(
        "this system has no {} ids {}: it is in a user namespace with the ids {}",
        map.kind.word(),
        ranges::shown(&(missing..wanted.end)),
        has.join(", "),
    );
    Err(Error::new(what)
        .at(map.origin.as_ref())
        .hint("map ids of those, or give the container that this system is more ids"))
}

/// The ids of `kind` in this process's user namespace.
pub fn own_ids(kind: IdKind) -> Result<Vec<ranges::Ids>> {
    let file = match kind {
        IdKind::User => "/proc/self/uid_map",
        IdKind::Group => "/proc/self/gid_map",
    };
    let text = table::read(file).context(|| format!("cannot read {file}"))?;
    Ok(map_lines(&text).map(|(first, _, count)| first..first + count).collect())
}
