//! Stores of unpacked layers, as far as several programs know them: who makes layers, and who copies the
//! containers that use them.
//!
//! A layer is `STORE/KEY/tree`, a directory that never changes. Who uses it is what the configurations of
//! containers say; the store only knows in which directories of containers to look, so no record can be
//! wrong about a container. Nothing is removed while anybody [holds](Store::hold) the store.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};
use crate::lock::FileLock;

/// The name of a layer's files in its directory.
pub const TREE: &str = "tree";
/// The record of the directories of containers.
const PLACES: &str = "places";
/// The length of a key: hexadecimal digits of a SHA-256.
pub const KEY: usize = 64;

/// A store of unpacked layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    dir: PathBuf,
}

/// A directory of containers, as it was when one in it began to use layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it is.
    pub path: PathBuf,
    /// The inodes of the directories that lead to it, the root's first, and its own.
    inodes: Vec<u64>,
}

/// What became of a [`Place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is there.
    There,
    /// It was removed.
    Gone,
    /// Something else is there: its file system may not be mounted now.
    Unknown,
}

impl Store {
    /// The one in `dir`, which exists.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf() }
    }

    /// The one that has `path` as a layer.
    pub fn of_layer(path: &Path) -> Option<Self> {
        key_of(path)?;
        let dir = path.ancestors().nth(2)?;
        Some(Self::new(dir)).filter(Self::is_begun)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Keeps others from removing layers.
    pub fn hold(&self) -> Result<FileLock> {
        FileLock::shared(self.lock_file("use")?).context(|| self.cannot_lock())
    }

    /// Waits until nobody holds it, and keeps everybody from it.
    pub fn alone(&self) -> Result<FileLock> {
        FileLock::exclusive(self.lock_file("use")?).context(|| self.cannot_lock())
    }

    /// Notes that containers in `lxcpath` use layers, before one does.
    pub fn note(&self, lxcpath: &Path) -> Result<()> {
        let place = Place::of(lxcpath)?;
        self.change(|places| {
            let known = places.contains(&place);
            if !known {
                places.retain(|other| other.path != place.path);
                places.push(place);
            }
            !known
        })
    }

    /// The directories of containers that use layers, or did.
    pub fn places(&self) -> Result<Vec<Place>> {
        let path = self.dir.join(PLACES);
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            read => read.context(|| format!("cannot read {}", path.display()))?,
        };
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| Place::parse(line).ok_or_else(|| damaged(&path))).collect()
    }

    /// Forgets the directories of containers that `keep` does not want. Nobody else may
    /// [hold](Self::hold) the store.
    pub fn keep(&self, keep: impl Fn(&Place) -> bool) -> Result<()> {
        self.change(|places| {
            let before = places.len();
            places.retain(keep);
            places.len() != before
        })
    }

    /// Whether it has a record: a directory without one is no store.
    pub fn is_begun(&self) -> bool {
        self.dir.join(PLACES).is_file()
    }

    /// Makes the record of an empty store.
    pub fn begin(&self) -> Result<()> {
        if self.is_begun() { Ok(()) } else { self.change(|_| true) }
    }

    /// Replaces the record, if `act` changes it: whole, so that a kill or a full disk leaves the old one.
    fn change(&self, act: impl FnOnce(&mut Vec<Place>) -> bool) -> Result<()> {
        let _alone =
            FileLock::exclusive(self.lock_file("places")?).context(|| self.cannot_lock())?;
        let mut places = self.places()?;
        if !act(&mut places) {
            return Ok(());
        }
        let path = self.dir.join(PLACES);
        let new = self.dir.join(format!(".{PLACES}.new"));
        let text: Vec<u8> = places.iter().flat_map(Place::line).collect();
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(&text)?;
            file.sync_all()?;
            std::fs::rename(&new, &path)?;
            File::open(&self.dir)?.sync_all()
        };
        write().context(|| format!("cannot write {}", path.display())).inspect_err(|_| {
            // Not there, or of no use.
            let _ = std::fs::remove_file(&new);
        })
    }

    fn lock_file(&self, what: &str) -> Result<File> {
        let path = self.dir.join(format!(".{what}.lock"));
        let failed = || format!("cannot open {}", path.display());
        // It may be the container's root's.
        match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            opened => return opened.context(failed),
        }
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).open(&path).context(failed)
    }

    fn cannot_lock(&self) -> String {
        format!("cannot lock the store of layers {}", self.dir.display())
    }
}

impl Place {
    /// The directory `lxcpath` as it is now.
    pub fn of(lxcpath: &Path) -> Result<Self> {
        let failed = || format!("cannot look at {}", lxcpath.display());
        let path = std::fs::canonicalize(lxcpath).context(failed)?;
        if path.as_os_str().as_bytes().contains(&b'\n') {
            return Err(Error::new(format!("{} has a line break in its name", path.display()))
                .hint("layers cannot be used there; make the container with a copy"));
        }
        let mut inodes: Vec<u64> = path
            .ancestors()
            .map(|dir| dir.metadata().map(|stat| stat.ino()))
            .collect::<std::io::Result<_>>()
            .context(failed)?;
        inodes.reverse();
        Ok(Self { path, inodes })
    }

    /// What became of it. One whose name is missing was removed, if all above it is what it was: else a
    /// file system may be missing, with all containers on it.
    pub fn fate(&self) -> Fate {
        let mut dirs: Vec<&Path> = self.path.ancestors().collect();
        dirs.reverse();
        for (dir, inode) in dirs.iter().zip(&self.inodes) {
            match dir.symlink_metadata() {
                Ok(stat) if stat.ino() == *inode => {}
                Err(error) if error.kind() == ErrorKind::NotFound => return Fate::Gone,
                _ => return Fate::Unknown,
            }
        }
        Fate::There
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let at = line.iter().position(|byte| *byte == b' ')?;
        let path = PathBuf::from(OsString::from_vec(line[at + 1..].to_vec()));
        let numbers = std::str::from_utf8(&line[..at]).ok()?;
        let inodes: Vec<u64> =
            numbers.split('/').map(|number| number.parse().ok()).collect::<Option<_>>()?;
        (path.is_absolute() && path.ancestors().count() == inodes.len())
            .then_some(Self { path, inodes })
    }

    fn line(&self) -> Vec<u8> {
        let numbers: Vec<String> = self.inodes.iter().map(u64::to_string).collect();
        [numbers.join("/").as_bytes(), b" ", self.path.as_os_str().as_bytes(), b"\n"].concat()
    }
}

/// The key of the layer whose files are the directory `path`, by its name alone.
pub fn key_of(path: &Path) -> Option<&str> {
    let layer = path.parent().filter(|_| path.file_name() == Some(OsStr::new(TREE)))?;
    layer.file_name().filter(|name| is_key(name))?.to_str()
}

/// Whether `name` is that of a layer's directory.
pub fn is_key(name: &OsStr) -> bool {
    let is_hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    name.len() == KEY && name.as_bytes().iter().all(is_hex)
}

fn damaged(path: &Path) -> Error {
    Error::new(format!("{} is damaged", path.display()))
        .hint("a line is the inodes of a directory of containers and those above it, and its name")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir =
            std::env::temp_dir().join(format!("lxc-sys-layers-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::canonicalize(dir).unwrap()
    }

    #[test]
    fn places_are_noted_once_and_forgotten() {
        let base = scratch("places");
        let store = Store::new(&base.join("store"));
        std::fs::create_dir(store.dir()).unwrap();
        let layer = store.dir().join("0".repeat(KEY)).join(TREE);
        assert_eq!(Store::of_layer(&layer), None, "it has no record");
        store.begin().unwrap();
        assert_eq!(Store::of_layer(&layer), Some(store.clone()));
        assert_eq!(Store::of_layer(&store.dir().join("0").join(TREE)), None);
        for name in ["a b", "c"] {
            std::fs::create_dir(base.join(name)).unwrap();
            store.note(&base.join(name)).unwrap();
            store.note(&base.join("c/../a b")).ok();
        }
        let paths = || -> Vec<PathBuf> {
            store.places().unwrap().into_iter().map(|place| place.path).collect()
        };
        assert_eq!(paths(), [base.join("a b"), base.join("c")]);
        store.keep(|place| place.path.ends_with("c")).unwrap();
        assert_eq!(paths(), [base.join("c")]);
        std::fs::write(store.dir().join(PLACES), "1/2 /a/b\n").unwrap();
        assert!(store.places().unwrap_err().what.contains("damaged"));
        std::fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn what_was_removed_is_told_from_what_is_not_mounted() {
        let base = scratch("fate");
        let lxcpath = base.join("disk/lxc");
        std::fs::create_dir_all(&lxcpath).unwrap();
        let place = Place::of(&lxcpath).unwrap();
        assert_eq!(Place::parse(place.line().strip_suffix(b"\n").unwrap()), Some(place.clone()));
        assert_eq!(place.fate(), Fate::There);
        std::fs::remove_dir(&lxcpath).unwrap();
        assert_eq!(place.fate(), Fate::Gone);
        // As a file system over it, or one that is missing.
        std::fs::rename(base.join("disk"), base.join("other")).unwrap();
        std::fs::create_dir_all(base.join("disk")).unwrap();
        assert_eq!(place.fate(), Fate::Unknown);
        std::fs::create_dir_all(&lxcpath).unwrap();
        assert_eq!(place.fate(), Fate::Unknown);
        std::fs::remove_dir_all(base).unwrap();
    }
}
