//! The part of a shift of a container's files to other ids that any process can complete.
//!
//! The mark says from which ids to which, and what the configuration is to say afterwards: a
//! configuration and files that do not fit each other are never without the mark.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::mark::Mark;
use crate::config::{Config, Document, IdKind, IdMap, Located, parse_idmap, write_whole};
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::namespace::mapped::as_root_of;
use crate::namespace::ranges::overlap;
use crate::namespace::{Ids, granted, take_in_own};
use crate::storage::copy::Watch;
use crate::storage::shift::{self, Outcome, Shift, special};
use crate::storage::{self, RootfsMount};

/// The file, next to the mark, of what entries had before the shift: one for each directory that is
/// shifted.
const RECORD: &str = ".shift";

/// A shift.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shifting {
    /// The ids that the files have.
    pub from: Vec<IdMap>,
    /// The ids that they get.
    pub to: Vec<IdMap>,
    /// What `lxc.idmap` is to be, if it changes.
    pub maps: Vec<IdMap>,
    /// What `lxc.rootfs.options` is to be, if it changes.
    pub options: Option<String>,
}

impl Shifting {
    /// The lines in the mark.
    pub(super) fn text(&self) -> String {
        let Self { from, to, maps, options } = self;
        let lines = |word: &str, maps: &[IdMap]| -> String {
            maps.iter().map(|map| format!("{word} {map}\n")).collect::<Vec<_>>().concat()
        };
        let options = options.iter().map(|options| format!("options {options}\n"));
        [lines("from", from), lines("to", to), lines("idmap", maps), options.collect()].concat()
    }

    /// What the lines in a mark say; `None` if that cannot be told.
    pub(super) fn parse(lines: &[&str]) -> Option<Self> {
        let mut shifting = Self::default();
        for line in lines {
            let (word, rest) = line.split_once(' ')?;
            let maps = match word {
                "from" => &mut shifting.from,
                "to" => &mut shifting.to,
                "idmap" => &mut shifting.maps,
                "options" => {
                    shifting.options = Some(rest.to_owned());
                    continue;
                }
                _ => return None,
            };
            maps.push(parse_idmap(rest).ok()?);
        }
        (!shifting.from.is_empty() && !shifting.to.is_empty()).then_some(shifting)
    }

    /// Changes the configuration to what it is to be after the shift.
    pub fn configure(&self, document: &mut Document) -> Result<()> {
        if !self.maps.is_empty() {
            let maps = self.maps.iter().map(IdMap::to_string);
            document.replace_list("lxc.idmap", maps, "--idmap")?;
        }
        match &self.options {
            Some(options) => document.set("lxc.rootfs.options", options, "--idmap"),
            None => Ok(()),
        }
    }
}

/// Removes what an earlier shift has written down; done before the mark of a new one is made.
pub fn forget(identity: &Identity) -> Result<()> {
    let failed = || format!("cannot sweep {}", identity.dir().display());
    for entry in std::fs::read_dir(identity.dir()).context(failed)? {
        let entry = entry.context(failed)?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(RECORD)) {
            std::fs::remove_file(entry.path()).context(failed)?;
        }
    }
    Ok(())
}

/// Shifts the files of the container, which has the mark `mark`, or what is left to shift.
pub fn complete(
    identity: &Identity,
    mark: Mark,
    shifting: &Shifting,
    watch: Watch<'_>,
) -> Result<Outcome> {
    let file = identity.config_file();
    let mut document = Document::load(&file)?;
    let before = document.text().to_owned();
    shifting.configure(&mut document)?;
    if document.text() != before {
        document.save(&file)?;
    }
    let home = identity.dir();
    let _attached = storage::attach(&document.config)?;
    let directories = directories(&document.config, &home)?;
    let outcome = within(shifting, |shift| {
        let mut all = Outcome::default();
        for (number, directory) in directories.iter().enumerate() {
            let record = home.join(format!("{RECORD}.{number}"));
            all.add(one(directory, &record, shift, watch)?);
        }
        Ok(all)
    });
    let outcome = outcome.map_err(|error| {
        error.note(format!(
            "the container cannot be started before its files have been shifted; when the cause is gone: \
             lxc-rs shift -n {identity}"
        ))
    })?;
    forget(identity)?;
    let outside: Vec<&Path> = directories.iter().map(PathBuf::as_path).collect();
    mark.complete(&outside)?;
    Ok(outcome)
}

fn one(directory: &Path, record: &Path, shift: &Shift, watch: Watch<'_>) -> Result<Outcome> {
    let root = storage::open_root(directory)?;
    match std::fs::read_to_string(record) {
        Ok(text) => shift::finish(root.as_fd(), shift, &special::parse(&text))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(error).context(|| format!("cannot read {}", record.display()));
        }
    }
    shift::tree(root.as_fd(), shift, watch, &mut |specials| {
        write_whole(record, special::record(specials))
    })
}

/// Shifts `directories` without a mark: the caller removes them if that fails.
pub fn unrecorded(
    shifting: &Shifting,
    directories: &[PathBuf],
    watch: Watch<'_>,
) -> Result<Outcome> {
    within(shifting, |shift| {
        let mut all = Outcome::default();
        for directory in directories {
            let root = storage::open_root(directory)?;
            all.add(shift::tree(root.as_fd(), shift, watch, &mut |_| Ok(()))?);
        }
        Ok(all)
    })
}

/// The directories, or block devices, with the files of the container in `home`.
pub fn directories(config: &Config, home: &Path) -> Result<Vec<PathBuf>> {
    let at = || config.origin("lxc.rootfs.path");
    match storage::rootfs_mount(config)? {
        RootfsMount::HostRoot => Err(Error::new("the container has no root filesystem of its own")
            .hint("set lxc.rootfs.path")),
        RootfsMount::Bind(path) | RootfsMount::Block(path) => Ok(vec![path]),
        RootfsMount::Overlay { lower, upper, work } => {
            if let Some(layer) = lower.iter().find(|layer| !layer.starts_with(home)) {
                let what = format!("the layer {} is not this container's", layer.display());
                return Err(Error::new(what)
                    .at(at())
                    .hint("make a complete copy with: lxc-copy -B dir"));
            }
            let all = lower.into_iter().chain([upper, work]);
            Ok(all.filter(|path| path.try_exists().unwrap_or(true)).collect())
        }
    }
}

/// Runs `act`, which changes owners, where it may do so: on the host as root; as an ordinary user in a
/// user namespace with the old ids and the new ones, where these have other numbers.
fn within(shifting: &Shifting, act: impl FnOnce(&Shift) -> Result<Outcome>) -> Result<Outcome> {
    let Shifting { from, to, .. } = shifting;
    let shift = Shift::new(from, to)?;
    if geteuid().is_root() {
        return act(&shift);
    }
    let maps = both(shifting);
    let inside =
        |ids: &[IdMap]| -> Vec<IdMap> { ids.iter().flat_map(|map| seen_in(&maps, *map)).collect() };
    let shift = Shift::new(&inside(from), &inside(to))?;
    let located: Vec<Located<IdMap>> = maps.iter().map(|map| Located::new(*map, None)).collect();
    as_root_of(Ids::new(&located), || act(&shift))
}

/// The maps of a namespace with the old ids and the new ones of `shifting`, and the caller's own.
fn both(Shifting { from, to, .. }: &Shifting) -> Vec<IdMap> {
    let mut maps = to.clone();
    for kind in IdKind::BOTH {
        take_in_own(&mut maps, kind);
        for map in from.iter().filter(|map| map.kind == kind) {
            add(&mut maps, *map);
        }
    }
    maps
}

/// Fails unless the caller may change owners from the old ids to the new ones.
pub fn check(shifting: &Shifting) -> Result<()> {
    let maps: Vec<_> = both(shifting).into_iter().map(|map| Located::new(map, None)).collect();
    granted::check(Ids::new(&maps))
}

/// Adds to `maps` the ids outside of `new`, as far as they are not there, wherever there is room inside.
fn add(maps: &mut Vec<IdMap>, new: IdMap) {
    let of_kind = || maps.iter().filter(|map| map.kind == new.kind);
    let has = |map: &IdMap| {
        map.outside <= new.outside
            && new.outside - map.outside <= map.range.saturating_sub(new.range)
    };
    if of_kind().any(has) {
        return;
    }
    let end = of_kind().map(|map| map.inside.saturating_add(map.range)).max().unwrap_or(0);
    maps.push(IdMap { inside: end, range: new.range.min(u32::MAX - end), ..new });
}

/// `map` with its outside ids as they are inside of a namespace with `maps`.
fn seen_in(maps: &[IdMap], map: IdMap) -> Vec<IdMap> {
    let of_kind = maps.iter().filter(|one| one.kind == map.kind);
    of_kind
        .filter_map(|one| {
            let (first, last) = overlap((one.outside, one.range), (map.outside, map.range))?;
            Some(IdMap {
                kind: map.kind,
                inside: map.inside + (first - map.outside),
                outside: one.inside + (first - one.outside),
                range: last - first + 1,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> IdMap {
        parse_idmap(text).unwrap()
    }

    #[test]
    fn a_shift_is_read_from_its_mark() {
        let shifting = Shifting {
            from: vec![map("u 0 0 4294967295"), map("g 0 0 4294967295")],
            to: vec![map("u 0 100000 65536")],
            maps: vec![map("u 0 100000 65536"), map("g 0 100000 65536")],
            options: Some("ro,idmap=container".to_owned()),
        };
        for shifting in [shifting.clone(), Shifting { maps: Vec::new(), options: None, ..shifting }]
        {
            let text = shifting.text();
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(Shifting::parse(&lines), Some(shifting));
        }
        for bad in [&[][..], &["from u 0 0 1"], &["from u 0 0 1", "to b 0 0 1"], &["x"]] {
            assert_eq!(Shifting::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn ids_are_seen_from_a_namespace_that_has_both() {
        let (from, to) = (map("u 0 100000 10"), map("u 0 200000 10"));
        let mut maps = vec![to, map("u 10 1000 1")];
        add(&mut maps, from);
        add(&mut maps, from);
        assert_eq!(maps[2..], [map("u 11 100000 10")]);
        assert_eq!(seen_in(&maps, from), [map("u 0 11 10")]);
        assert_eq!(seen_in(&maps, to), [map("u 0 0 10")]);
        assert_eq!(seen_in(&maps, map("u 5 1000 1")), [map("u 5 10 1")]);
    }
}
