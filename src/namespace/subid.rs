//! The ids that the administrator gave a user to map (subuid(5), subgid(5)).

use std::path::Path;

use nix::unistd::User;

use crate::config::{IdKind, IdMap};
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
    let user = User::from_uid(uid).what(|| format!("cannot look up the user {uid}"))?;
    let file = file(kind);
    let text = match std::fs::read_to_string(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text.what(|| format!("cannot read {}", file.display()))?,
    };
    let name = user.map(|user| user.name).unwrap_or_default();
    let found = first(&text, &[&name, &uid.to_string()])
        .map_err(|line| Error::new(format!("{}:{line}: no range of ids", file.display())))?;
    Ok(found.map(|(outside, range)| IdMap { kind, inside: 0, outside, range }))
}

/// The first line of `text` of an owner with one of these names: first id and number of ids. A line
/// of theirs that is no allocation is an error: its number.
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

#[cfg(test)]
mod tests {
    use super::first;

    #[test]
    fn first_line_of_the_user_counts_by_name_or_number() {
        let text = "# a comment\nann:100000:10\nanna:200000:20\n\n1000:300000:30\nanna:1:1\n";
        assert_eq!(first(text, &["anna", "7"]), Ok(Some((200_000, 20))));
        assert_eq!(first(text, &["bob", "1000"]), Ok(Some((300_000, 30))));
        assert_eq!(first(text, &["", "7"]), Ok(None));
        assert_eq!(first("x:1\nanna:1:many\n", &["anna"]), Err(2));
    }
}
