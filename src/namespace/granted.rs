//! Whether the caller may write id maps: those of root need only ids that this system has; those of an
//! ordinary user are written by newuidmap and newgidmap, which ask /etc/subuid and /etc/subgid.

use nix::unistd::{User, getegid, geteuid, getuid};

use super::shape::{range, word};
use super::{Ids, subid};
use crate::config::{IdKind, IdMap, Located};
use crate::error::{Context, Error, Result};
use crate::table;

/// Fails with the first line of `ids` that the caller may not map here.
pub fn check(ids: Ids<'_>) -> Result<()> {
    for map in ids.maps() {
        exists_here(map)?;
    }
    if geteuid().is_root() || ids.is_empty() || is_elsewhere() {
        return Ok(());
    }
    let user = User::from_uid(getuid()).context(|| "cannot look up the user")?;
    let name = user.map(|user| user.name).unwrap_or_default();
    for kind in [IdKind::User, IdKind::Group] {
        let file = subid::file(kind);
        let text = table::read(file).unwrap_or_default();
        if let Some(map) = ids.lines(kind).find(|map| !may_map(&text, &name, map)) {
            let name = if name.is_empty() { getuid().to_string() } else { name };
            let IdMap { outside: first, range: count, .. } = map.value;
            let shown = range(first, first + (count - 1));
            let file = file.display();
            let what = format!("{file} does not give the {} ids {shown} to {name}", word(kind));
            return Err(Error::new(what)
                .at(map.origin.as_ref())
                .hint(format!("as root: echo '{name}:{first}:{count}' >>{file}")));
        }
    }
    Ok(())
}

/// Whether newuidmap or newgidmap lets the user `name`, who is the caller, have `map`.
fn may_map(table: &str, name: &str, map: &IdMap) -> bool {
    let own = match map.kind {
        IdKind::User => geteuid().as_raw(),
        IdKind::Group => getegid().as_raw(),
    };
    map.outside == own && map.range == 1
        || subid::grants(table, name, getuid().as_raw(), map.outside, map.range)
}

/// Whether others than the files say who has which ids (`subid:` in nsswitch.conf(5)).
fn is_elsewhere() -> bool {
    let switch = table::read("/etc/nsswitch.conf").unwrap_or_default();
    let mut sources = switch.lines().filter_map(|line| line.trim_start().strip_prefix("subid:"));
    sources.any(|sources| !sources.split_whitespace().eq(["files"]))
}

/// Fails unless this system's own user namespace has the ids outside of `map`.
fn exists_here(map: &Located<IdMap>) -> Result<()> {
    let own = own_ids(map.kind)?;
    let (first, end) = (u64::from(map.outside), u64::from(map.outside) + u64::from(map.range));
    let mut next = first;
    while next < end {
        let Some(part) = own.iter().find(|part| part.contains(&next)) else {
            let has: Vec<String> =
                own.iter().map(|part| format!("{}-{}", part.start, part.end - 1)).collect();
            let what = format!(
                "this system has no {} ids {}-{}: it is in a user namespace with the ids {}",
                word(map.kind),
                next,
                end - 1,
                has.join(", "),
            );
            return Err(Error::new(what)
                .at(map.origin.as_ref())
                .hint("map ids of those, or give the container that this system is more ids"));
        };
        next = part.end;
    }
    Ok(())
}

/// The ids of `kind` in this process's user namespace.
pub fn own_ids(kind: IdKind) -> Result<Vec<std::ops::Range<u64>>> {
    let file = match kind {
        IdKind::User => "/proc/self/uid_map",
        IdKind::Group => "/proc/self/gid_map",
    };
    let text = table::read(file).context(|| format!("cannot read {file}"))?;
    let part = |line: &str| {
        let mut numbers = line.split_whitespace().map(|word| word.parse::<u64>().ok());
        let (first, _, count) = (numbers.next()??, numbers.next(), numbers.next()??);
        Some(first..first + count)
    };
    Ok(text.lines().filter_map(part).collect())
}
