//! What is different in a tree from the layers of an image, as a layer on top of them: what is new or was
//! changed, and whiteouts for what is gone.
//!
//! A file whose size, owner, mode, attributes and time of modification are those of the image is taken to
//! have its content.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use super::{Image, Layer};
use crate::archive::{Entries, Entry, Kind, Reader};
use crate::compression;
use crate::digest::Hashed;
use crate::unpack::attributes::is_allowed;
use crate::{Context, Error, Result};

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What the layers of an image make, by the paths.
#[derive(Debug, Default)]
pub struct State(BTreeMap<Vec<u8>, Entry>);

/// How a path is different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It was there, and is otherwise.
    Changed,
    /// It is gone.
    Deleted,
}

impl State {
    /// What the layers of `image` make, which `open` gives as they are stored.
    pub fn of<'a>(
        image: &Image,
        open: impl Fn(&Layer) -> Result<Box<dyn Read + Send + 'a>>,
    ) -> Result<Self> {
        let mut state = Self::default();
        for layer in &image.layers {
            let what = format!("the layer {}", layer.plain);
            let plain =
                compression::plain(open(layer)?).context(|| format!("cannot read {what}"))?;
            let mut plain = Hashed::new(plain, layer.plain.clone(), None);
            state.add(&mut Reader::new(&mut plain))?;
            plain.finish(&what)?;
        }
        Ok(state)
    }

    /// Lays a layer over those that are there.
    fn add(&mut self, layer: &mut impl Entries) -> Result<()> {
        let mut made = BTreeSet::new();
        while let Some(mut entry) = layer.next()? {
            let path = normal(&entry.path)?;
            let (dir, name) = split(&path);
            if name == OPAQUE {
                self.remove_below(dir, &made);
                continue;
            }
            if let Some(name) = name.strip_prefix(WHITEOUT) {
                if !name.starts_with(WHITEOUT) {
                    let gone = join(dir, name);
                    self.remove_below(&gone, &made);
                    if !made.contains(&gone) {
                        self.0.remove(&gone);
                    }
                }
                continue;
            }
            if let Kind::Hardlink(target) = &entry.kind {
                // The same file as the other name.
                let target = normal(target)?;
                let of = self.0.get(&target).cloned();
                entry = of.ok_or_else(|| Error::new("a hard link of a layer leads to nothing"))?;
            }
            if entry.kind != Kind::Dir {
                self.remove_below(&path, &BTreeSet::new());
            }
            entry.attributes.retain(|(name, _)| is_allowed(name));
            entry.attributes.sort();
            entry.path.clone_from(&path);
            made.insert(path.clone());
            self.0.insert(path, entry);
        }
        layer.end().map(drop)
    }

    /// Removes what is below `dir`, but what is in `kept`.
    fn remove_below(&mut self, dir: &[u8], kept: &BTreeSet<Vec<u8>>) {
        let begin = if dir.is_empty() { Vec::new() } else { [dir, b"/"].concat() };
        let below = self.0.range(begin.clone()..).map(|(path, _)| path);
        let below: Vec<Vec<u8>> = below
            .take_while(|path| path.starts_with(&begin))
            .filter(|path| !path.is_empty() && !kept.contains(*path))
            .cloned()
            .collect();
        for path in below {
            self.0.remove(&path);
        }
    }
}

/// Is told a difference.
type Told<'a> = dyn FnMut(Change, &[u8]) + 'a;

/// The entries of a tree that are different from a state, and whiteouts.
pub struct Changes<'a, E> {
    tree: E,
    state: &'a State,
    /// The paths of the tree, and whether they are directories.
    seen: BTreeMap<Vec<u8>, bool>,
    /// What every entry of the tree begins with.
    prefix: &'a [u8],
    /// The first names of files whose other names may be different, by them.
    same: BTreeMap<Vec<u8>, Entry>,
    gone: Option<std::vec::IntoIter<Vec<u8>>>,
    /// Told each difference.
    told: Box<Told<'a>>,
}

impl<'a, E: Entries> Changes<'a, E> {
    /// What of `tree` is different from `state`; the names of its entries begin with `prefix`. Each difference is
    /// `told`.
    pub fn new(
        tree: E,
        prefix: &'a [u8],
        state: &'a State,
        told: impl FnMut(Change, &[u8]) + 'a,
    ) -> Self {
        Self {
            tree,
            state,
            seen: BTreeMap::new(),
            prefix,
            same: BTreeMap::new(),
            gone: None,
            told: Box::new(told),
        }
    }

    fn difference(&mut self, entry: &mut Entry) -> Result<Option<Change>> {
        let path = normal(&entry.path)?;
        let path = path.strip_prefix(self.prefix).unwrap_or(&path);
        let path = path.strip_prefix(b"/").unwrap_or(path).to_vec();
        entry.path.clone_from(&path);
        self.seen.insert(path.clone(), entry.kind == Kind::Dir);
        let mut real = entry.clone();
        if let Kind::Hardlink(target) = &entry.kind {
            let target = normal(target)?;
            let target = target.strip_prefix(self.prefix).unwrap_or(&target);
            let target = target.strip_prefix(b"/").unwrap_or(target).to_vec();
            if let Some(first) = self.same.get(&target) {
                real = Entry { path: path.clone(), ..first.clone() };
            }
            entry.kind = Kind::Hardlink(target);
        } else if entry.kind != Kind::Dir {
            self.same.insert(path.clone(), entry.clone());
        }
        let Some(before) = self.state.0.get(&path) else { return Ok(Some(Change::Added)) };
        Ok((!is_same(before, &real)).then_some(Change::Changed))
    }

    /// What of the state is not in the tree, without what is below of it.
    fn gone(&self) -> Vec<Vec<u8>> {
        let mut gone: Vec<Vec<u8>> = Vec::new();
        for path in self.state.0.keys().filter(|path| !self.seen.contains_key(*path)) {
            let below = gone.last().is_some_and(|last| {
                path.strip_prefix(&**last).is_some_and(|rest| rest.starts_with(b"/"))
            });
            // What is below something that is a directory no more goes with it.
            let (dir, _) = split(path);
            let has_dir = dir.is_empty() || self.seen.get(dir) == Some(&true);
            if !below && has_dir && !path.is_empty() {
                gone.push(path.clone());
            }
        }
        gone
    }
}

impl<E: Entries> Entries for Changes<'_, E> {
    fn next(&mut self) -> Result<Option<Entry>> {
        while self.gone.is_none() {
            let Some(mut entry) = self.tree.next()? else {
                self.gone = Some(self.gone().into_iter());
                break;
            };
            let Some(change) = self.difference(&mut entry)? else { continue };
            if entry.path.is_empty() {
                entry.path = b".".to_vec();
            }
            (self.told)(change, &entry.path);
            return Ok(Some(entry));
        }
        let Some(path) = self.gone.as_mut().and_then(Iterator::next) else { return Ok(None) };
        (self.told)(Change::Deleted, &path);
        let (dir, name) = split(&path);
        Ok(Some(whiteout(join(dir, &[WHITEOUT, name].concat()))))
    }

    fn end(&mut self) -> Result<bool> {
        self.tree.end()
    }
}

impl<E: Entries> Read for Changes<'_, E> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tree.read(buffer)
    }
}

/// The entry that takes away what a layer below has.
pub fn whiteout(path: Vec<u8>) -> Entry {
    Entry {
        path,
        kind: Kind::File,
        mode: 0,
        uid: 0,
        gid: 0,
        modified: (0, 0),
        attributes: Vec::new(),
        size: 0,
        extents: None,
    }
}

fn is_same(one: &Entry, other: &Entry) -> bool {
    let is_dir = one.kind == Kind::Dir;
    let has_mode = !matches!(one.kind, Kind::Symlink(_));
    let (seconds, nanoseconds) = one.modified;
    // Most images have whole seconds.
    let same_time =
        seconds == other.modified.0 && (nanoseconds == other.modified.1 || nanoseconds == 0);
    one.kind == other.kind
        && (one.uid, one.gid) == (other.uid, other.gid)
        && (!has_mode || one.mode == other.mode)
        && (is_dir || one.size == other.size)
        && same_time
        && one.attributes == other.attributes
}

/// A path without `.` and slashes at its ends.
fn normal(path: &[u8]) -> Result<Vec<u8>> {
    let parts: Vec<&[u8]> =
        path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    if parts.contains(&&b".."[..]) {
        return Err(Error::new("a name has a component '..'"));
    }
    Ok(parts.join(&b'/'))
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    if dir.is_empty() { name.to_vec() } else { [dir, b"/", name].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Archive;

    fn state(layers: &[Archive]) -> State {
        let mut state = State::default();
        for layer in layers {
            state.add(&mut Reader::new(&*layer.clone().end())).unwrap();
        }
        state
    }

    fn changes(state: &State, tree: Archive) -> Vec<(char, String, String)> {
        let told = std::cell::RefCell::new(Vec::new());
        let archive = tree.end();
        let tell = |change, path: &[u8]| {
            let letter = match change {
                Change::Added => 'A',
                Change::Changed => 'C',
                Change::Deleted => 'D',
            };
            told.borrow_mut().push((letter, String::from_utf8(path.to_vec()).unwrap()));
        };
        let mut changes = Changes::new(Reader::new(&*archive), b"rootfs", state, tell);
        let mut names = Vec::new();
        while let Some(entry) = changes.next().unwrap() {
            names.push(String::from_utf8(entry.path).unwrap());
        }
        drop(changes);
        let told = told.into_inner();
        told.into_iter().zip(names).map(|((letter, path), name)| (letter, path, name)).collect()
    }

    fn base() -> Archive {
        let base = Archive::new().dir("./").dir("etc").file("etc/a", "one").file("etc/b", "one");
        base.hardlink("etc/c", "etc/b").dir("etc/d").file("etc/d/x", "").file("etc/dx", "")
    }

    fn tree() -> Archive {
        Archive::new().dir("rootfs").dir("rootfs/etc")
    }

    #[test]
    fn what_is_the_same_is_left_out() {
        let state = state(&[base()]);
        let same = tree().file("rootfs/etc/a", "one").file("rootfs/etc/b", "one");
        let same = same.hardlink("rootfs/etc/c", "rootfs/etc/b").dir("rootfs/etc/d");
        let same = same.file("rootfs/etc/d/x", "").file("rootfs/etc/dx", "");
        assert_eq!(changes(&state, same.clone()), []);
        let found = changes(&state, same.file("rootfs/new", "").symlink("rootfs/link", "x"));
        let line = |letter, path: &str, name: &str| (letter, path.to_owned(), name.to_owned());
        assert_eq!(found, [line('A', "new", "new"), line('A', "link", "link")]);
        let other = tree()
            .file("rootfs/etc/a", "longer")
            .file("rootfs/etc/d", "")
            .file("rootfs/etc/dx", "");
        assert_eq!(
            changes(&state, other),
            [
                line('C', "etc/a", "etc/a"),
                line('C', "etc/d", "etc/d"),
                line('D', "etc/b", "etc/.wh.b"),
                line('D', "etc/c", "etc/.wh.c"),
            ]
        );
    }

    #[test]
    fn layers_hide_what_is_below() {
        let second = Archive::new().file("etc/.wh.a", "").file("etc/d/.wh..wh..opq", "");
        let second = second.file("etc/d/y", "").file("etc/b", "two");
        let state = state(&[base(), second]);
        let paths: Vec<String> =
            state.0.keys().map(|path| String::from_utf8(path.clone()).unwrap()).collect();
        assert_eq!(paths, ["", "etc", "etc/b", "etc/c", "etc/d", "etc/d/y", "etc/dx"]);
        assert_eq!(state.0[&b"etc/c"[..]].size, 3);
    }
}
