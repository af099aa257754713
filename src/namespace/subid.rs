//! The ids that the administrator gave a user to map (subuid(5), subgid(5)).

use std::path::Path;

use nix::unistd::User;

use crate::config::{IdKind, IdMap, Located};
use crate::error::{Context, Error, Result};

/// The file with the allocations of `kind`.
pub fn file(kind: IdKind) -> &'static Path {
    Path::new(match kind {
        IdKind::User => "/etc/subuid",
        IdKind::Group => "/etc/subgid",
    })
}

/// The first range of ids of `kind` that the caller may map, as a map that begins at id 0 inside.
pub fn of_caller(kind: IdKind) -> Result<Option<IdMap>> {
    let uid = nix::unistd::getuid();
    let user = User::from_uid(uid).context(|| format!("cannot look up the user {uid}"))?;
    let file = file(kind);
    let text = match std::fs::read_to_string(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text.context(|| format!("cannot read {}", file.display()))?,
    };
    let name = user.map(|user| user.name).unwrap_or_default();
    let found = first(&text, &[&name, &uid.to_string()])
        .map_err(|line| Error::new(format!("{}:{line}: no range of ids", file.display())))?;
    Ok(found.map(|(outside, range)| IdMap { kind, inside: 0, outside, range }))
}

/// Maps of the ranges that an ordinary user may map, for what may belong to any container of theirs.
pub fn all_of_caller() -> Vec<Located<IdMap>> {
    if nix::unistd::geteuid().is_root() {
        return Vec::new();
    }
    let range = |kind| of_caller(kind).ok().flatten().map(|map| Located::new(map, None));
    [IdKind::User, IdKind::Group].into_iter().filter_map(range).collect()
}

/// The first line of `text` of an owner with one of these names: first id and number of ids. A line
/// of theirs that is not an allocation is an error, with its number.
fn first(text: &str, owners: &[&str]) -> std::result::Result<Option<(u32, u32)>, usize> {
    for (line, number) in text.lines().zip(1..) {
        let mut words = line.trim().split(':');
        let owner = words.next().unwrap_or_default();
        if owner.is_empty() || !owners.contains(&owner) {
            continue;
        }
        let mut id = || words.next().and_then(|word| word.parse::<u32>().ok());
        let (Some(start), Some(count)) = (id(), id()) else { return Err(number) };
        return Ok(Some((start, count)));
    }
    Ok(None)
}

/// The caller's own id inside `maps`, which get it at their lowest free id unless they have it.
pub fn take_in_own(maps: &mut Vec<IdMap>, kind: IdKind) -> u32 {
    let own = match kind {
        IdKind::User => nix::unistd::getuid().as_raw(),
        IdKind::Group => nix::unistd::getgid().as_raw(),
    };
    let of_kind = maps.iter().filter(|map| map.kind == kind);
    let known = of_kind.filter_map(|map| {
        own.checked_sub(map.outside).filter(|offset| *offset < map.range).map(|at| map.inside + at)
    });
    if let Some(inside) = known.min() {
        return inside;
    }
    let inside = lowest_free(maps, kind);
    maps.push(IdMap { kind, inside, outside: own, range: 1 });
    inside
}

/// The lowest id inside that `maps` leaves free.
fn lowest_free(maps: &[IdMap], kind: IdKind) -> u32 {
    let holds = |map: &IdMap, id: u32| {
        map.kind == kind && id.checked_sub(map.inside).is_some_and(|offset| offset < map.range)
    };
    let mut free = 0;
    while let Some(map) = maps.iter().find(|map| holds(map, free)) {
        free = map.inside.saturating_add(map.range);
        if free == u32::MAX {
            break;
        }
    }
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_line_of_the_user_counts_by_name_or_number() {
        let text = "# a comment\nann:100000:10\nanna:200000:20\n\n1000:300000:30\nanna:1:1\n";
        assert_eq!(first(text, &["anna", "7"]), Ok(Some((200_000, 20))));
        assert_eq!(first(text, &["bob", "1000"]), Ok(Some((300_000, 30))));
        assert_eq!(first(text, &["", "7"]), Ok(None));
        assert_eq!(first("x:1\nanna:1:many\n", &["anna"]), Err(2));
    }

    #[test]
    fn own_ids_go_where_room_is() {
        let map = |inside, range| IdMap { kind: IdKind::User, inside, outside: 1 << 30, range };
        assert_eq!(lowest_free(&[map(5, 1), map(0, 5)], IdKind::User), 6);
        assert_eq!(lowest_free(&[map(5, 1), map(0, 4)], IdKind::User), 4);
        assert_eq!(lowest_free(&[map(0, 4)], IdKind::Group), 0);
        assert_eq!(lowest_free(&[map(0, u32::MAX)], IdKind::User), u32::MAX);
        let own = nix::unistd::getuid().as_raw();
        let mut maps = vec![map(0, 4)];
        assert_eq!(take_in_own(&mut maps, IdKind::User), 4);
        assert_eq!(maps[1], IdMap { kind: IdKind::User, inside: 4, outside: own, range: 1 });
        assert_eq!(take_in_own(&mut maps, IdKind::User), 4);
        assert_eq!(maps.len(), 2);
    }
}
