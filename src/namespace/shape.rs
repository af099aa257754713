//! What the kernel takes for an id map (user_namespaces(7)), whoever writes it.

use super::Ids;
use super::ranges::overlap;
use crate::config::{IdKind, IdMap, Located};
use crate::error::{Error, Result};

/// Most lines of one map.
const LINES_MAX: usize = 340;
/// The bytes of the text of a map are fewer: it is one write of less than a page.
const TEXT_MAX: usize = 4096;

/// Fails unless `ids` map id 0 inside for users and for groups (without it there is no root to set the
/// container up), each id once, in no more lines than the kernel takes.
pub(super) fn check(ids: Ids<'_>) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    for kind in IdKind::BOTH {
        if ids.to_outside(kind, 0).is_none() {
            let (word, letter) = (kind.word(), kind.letter());
            let error = Error::new(format!("lxc.idmap maps no {word} to id 0 of the container"));
            return Err(error
                .at(ids.maps().first().and_then(|map| map.origin.as_ref()))
                .hint(format!("add a line such as: lxc.idmap = {letter} 0 100000 65536")));
        }
        each_once(ids, kind)?;
        few_enough(ids, kind)?;
    }
    Ok(())
}

fn each_once(ids: Ids<'_>, kind: IdKind) -> Result<()> {
    let lines: Vec<&Located<IdMap>> = ids.lines(kind).collect();
    for (number, map) in lines.iter().enumerate() {
        for before in &lines[..number] {
            let of = |whose: &str, first: fn(&IdMap) -> u32| {
                let twice = overlap((first(map), map.range), (first(before), before.range))?;
                let twice = range(twice.0, twice.1);
                Some(format!("lxc.idmap maps the {} ids {twice} of the {whose} twice", kind.word()))
            };
            let twice = of("container", |map| map.inside).or_else(|| of("host", |map| map.outside));
            if let Some(what) = twice {
                let place = before.origin.as_ref().map(|at| format!(" ({}:{})", at.file, at.line));
                let line = format!("lxc.idmap = {}{}", before.value, place.unwrap_or_default());
                let error = Error::new(what).at(map.origin.as_ref());
                return Err(error.hint(format!("this line has them as well: {line}")));
            }
        }
    }
    Ok(())
}

/// The ids from `first` to `last` in a message.
pub(super) fn range(first: u32, last: u32) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

fn few_enough(ids: Ids<'_>, kind: IdKind) -> Result<()> {
    let refuse = |map: &Located<IdMap>, what: String| {
        Err(Error::new(what).at(map.origin.as_ref()).hint("merge adjacent ranges"))
    };
    if let Some(map) = ids.lines(kind).nth(LINES_MAX) {
        let word = kind.word();
        let what = format!("too many lxc.idmap lines: the kernel takes {LINES_MAX} for {word}s");
        return refuse(map, what);
    }
    let mut length = 0;
    for map in ids.lines(kind) {
        length += text(map).len();
        if length >= TEXT_MAX {
            let what = "too many lxc.idmap lines: the kernel takes less than 4096 bytes of them";
            return refuse(map, what.to_owned());
        }
    }
    Ok(())
}

/// The line of a map as the kernel reads it.
pub(super) fn text(map: &IdMap) -> String {
    format!("{} {} {}\n", map.inside, map.outside, map.range)
}

/// The lines of a map as the kernel shows it: first id inside, first one outside, number of ids.
pub fn lines(text: &str) -> impl Iterator<Item = (u64, u64, u64)> {
    text.lines().filter_map(|line| {
        let mut numbers = line.split_whitespace().map(|word| word.parse().ok());
        Some((numbers.next()??, numbers.next()??, numbers.next()??))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Document;

    fn refusal(lines: &str) -> Option<Error> {
        let document = Document::parse(lines, "f").unwrap();
        check(Ids::of(&document.config)).err()
    }

    fn maps(count: u32, size: u32) -> String {
        let line = |kind: char, number: u32| {
            let inside = number * size;
            format!("lxc.idmap = {kind} {inside} {} {size}\n", inside + 100_000)
        };
        let all = (0..count).map(|number| line('u', number)).chain([line('g', 0)]);
        all.collect()
    }

    #[test]
    fn container_needs_a_root() {
        assert_eq!(refusal(""), None);
        let error = refusal("lxc.idmap = u 0 100000 10\n").unwrap();
        assert!(error.what.contains("no group"), "{error}");
    }

    #[test]
    fn ids_are_mapped_once_on_either_side() {
        let good = "lxc.idmap = u 0 100000 1000\nlxc.idmap = g 0 100000 65536\n\
            lxc.idmap = u 1000 1000 1\nlxc.idmap = u 1001 101000 10\n";
        assert_eq!(refusal(good), None);
        for (line, what) in [
            ("u 1005 300000 100", "user ids 1005-1010 of the container"),
            ("g 65536 100010 1", "group ids 100010 of the host"),
            ("u 5000 1000 1", "user ids 1000 of the host"),
        ] {
            let error = refusal(&format!("{good}lxc.idmap = {line}\n")).unwrap();
            assert!(error.what.contains(what), "{error}");
            assert_eq!(error.origin.as_ref().unwrap().line, 5);
            assert!(error.hint.unwrap().contains("(f:"));
        }
    }

    #[test]
    fn maps_are_one_write() {
        assert_eq!(refusal(&maps(200, 1)), None);
        let error = refusal(&maps(240, 100_000)).unwrap();
        assert!(error.what.contains("4096"), "{error}");
        let error = refusal(&maps(341, 1)).unwrap();
        assert!(error.what.contains("340 for users"), "{error}");
        assert_eq!(error.origin.unwrap().line, 341);
    }
}
