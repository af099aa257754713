//! The ids that the administrator gave a user to map (subuid(5), subgid(5)).

use std::path::Path;

use nix::unistd::User;

use super::ranges;
use crate::config::{IdKind, IdMap, Located, Origin};
use crate::error::{Context, Error, Result};
use crate::table;

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
    let text = match table::read(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text.context(|| format!("cannot read {}", file.display()))?,
    };
    let name = user.map(|user| user.name).unwrap_or_default();
    let found = first(&text, &[&name, &uid.to_string()]).map_err(|(number, line)| {
        Error::new(format!("no range of ids in {}", file.display()))
            .at(Some(&Origin::new(file.display().to_string(), number, line)))
            .hint(format!("write {name}:100000:65536 without anything before or after it"))
    })?;
    Ok(found.map(|(outside, range)| IdMap { kind, inside: 0, outside, range }))
}

/// Maps of the ranges that an ordinary user may map, for what may belong to any container of theirs.
pub fn all_of_caller() -> Vec<Located<IdMap>> {
    if nix::unistd::geteuid().is_root() {
        return Vec::new();
    }
    let range = |kind| of_caller(kind).ok().flatten().map(|map| Located::new(map, None));
    IdKind::BOTH.into_iter().filter_map(range).collect()
}

/// Whether `table` gives all of the `count` ids from `first` on to the user of this name and id, in one
/// range or in several that adjoin, as newuidmap takes them.
pub fn grants(table: &str, name: &str, uid: u32, first: u32, count: u32) -> bool {
    let uid = uid.to_string();
    let own = allocations(table).filter(|one| one.owner == name || one.owner == uid);
    let own: Vec<ranges::Ids> = own.map(Allocation::ids).collect();
    let first = u64::from(first);
    ranges::first_missing(&(first..first + u64::from(count)), &own).is_none()
}

/// The lines of `table` that newuidmap takes.
pub fn allocations(table: &str) -> impl Iterator<Item = Allocation<'_>> {
    table.split('\n').filter_map(Allocation::parse)
}

/// A line `OWNER:FIRST:COUNT`.
#[derive(Clone, Copy, Debug)]
pub struct Allocation<'a> {
    /// The user, by name or number.
    pub owner: &'a str,
    first: u64,
    count: u64,
}

impl<'a> Allocation<'a> {
    /// As newuidmap reads it, to which every other line says nothing. What follows a further colon does
    /// not count.
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let owner = fields.next().filter(|owner| !owner.is_empty())?;
        let mut number = || fields.next().and_then(table::number);
        Some(Self { owner, first: number()?, count: number()? })
    }

    /// The ids.
    pub fn ids(self) -> ranges::Ids {
        self.first..self.first.saturating_add(self.count)
    }
}

/// The first allocation in `text` to the first of these names that has one: first id and number of ids.
/// If none of them has one, the first line of theirs that should be one is the error, with its number.
fn first<'a>(
    text: &'a str,
    owners: &[&str],
) -> std::result::Result<Option<(u32, u32)>, (u32, &'a str)> {
    let ids = |one: Allocation| {
        let count = u32::try_from(one.count).ok().filter(|count| *count > 0)?;
        Some((u32::try_from(one.first).ok()?, count))
    };
    let of = |owner: &str| allocations(text).filter(|one| one.owner == owner).find_map(ids);
    // The empty name is that of a user without one.
    if let Some(found) = owners.iter().filter(|owner| !owner.is_empty()).find_map(|one| of(one)) {
        return Ok(Some(found));
    }
    let is_theirs = |line: &str| {
        let owner = line.split(':').next().unwrap_or_default();
        let owner = owner.trim_matches(|blank: char| blank.is_whitespace() || blank == '\u{feff}');
        !owner.is_empty() && owners.contains(&owner)
    };
    (1..).zip(text.split('\n')).find(|(_, line)| is_theirs(line)).map_or(Ok(None), Err)
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
    fn allocations_are_of_the_name_then_of_the_number() {
        let text = "# a comment\nann:100000:10\nanna:200000:20\n\n1000:300000:30\nanna:1:1\n";
        assert_eq!(first(text, &["anna", "7"]), Ok(Some((200_000, 20))));
        assert_eq!(first(text, &["bob", "1000"]), Ok(Some((300_000, 30))));
        assert_eq!(first(text, &["anna", "1000"]), Ok(Some((200_000, 20))));
        assert_eq!(first("7:1:2\nanna:3:4", &["anna", "7"]), Ok(Some((3, 4))));
        assert_eq!(first(text, &["", "7"]), Ok(None));
        assert_eq!(first(":1:2\n", &["", "7"]), Ok(None));
    }

    /// As newuidmap 4.13 takes them and does not.
    #[test]
    fn lines_are_those_of_newuidmap() {
        for line in [
            "anna:100000:65536",
            "anna: 100000: 65536",
            "anna:100000:65536:more",
            "anna:0x186a0:0x10000",
            "anna:0303240:0200000",
            "anna:bad:1\nanna:100000:65536",
            "anna:5:0\nanna:100000:65536",
            "x\u{fffd}:1:1\nanna:100000:65536",
        ] {
            assert_eq!(first(line, &["anna"]), Ok(Some((100_000, 65_536))), "{line:?}");
            assert!(grants(line, "anna", 7, 100_000, 65_536), "{line:?}");
        }
        for line in [
            "anna:100000:65536\r",
            " anna:100000:65536",
            "anna:100000:65536 ",
            "anna:100000:65536 # all",
            "anna:100000:++5",
            "anna:100000:-5",
            "anna:100000:",
            "anna:100000",
            "\u{feff}anna:100000:65536",
        ] {
            let text = format!("x:1:1\n{line}\n");
            assert_eq!(first(&text, &["anna"]), Err((2, line)), "{line:?}");
            assert!(!grants(&text, "anna", 7, 100_000, 1), "{line:?}");
        }
    }

    #[test]
    fn granted_ranges_are_whole() {
        let table = "# x\nann:100000:65536\n1001:5:1\nbad\nall:0:18446744073709551615\n";
        assert!(grants(table, "ann", 1000, 100_000, 65536));
        assert!(grants(table, "bob", 1001, 5, 1));
        assert!(!grants(table, "ann", 1000, 100_000, 65537));
        assert!(!grants(table, "bob", 1000, 100_000, 1));
        assert!(!grants(table, "ann", 1000, u32::MAX, u32::MAX));
        assert!(grants(table, "all", 1000, u32::MAX, u32::MAX));
        let adjoining = "ann:100010:10\nann:100000:10\nbob:100020:10\n1000:100030:5\n";
        assert!(grants(adjoining, "ann", 1000, 100_000, 20));
        assert!(!grants(adjoining, "ann", 1000, 100_000, 21));
        assert!(!grants(adjoining, "ann", 1000, 99_999, 2));
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
