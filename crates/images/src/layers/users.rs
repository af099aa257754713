//! Who uses which layers, and removing those that nobody does.
//!
//! What counts is what the configurations say, of containers, their snapshots, and restorations that are not
//! complete: a layer whose path is in one of them is used. They are looked for in every directory of containers
//! in which one has ever used a layer; while one of these cannot be seen nothing is removed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lxc_sys::layers::{Fate, KEY, Place, is_key};
use lxc_sys::remove;
use serde::Serialize;

use super::{Layers, NEW, OLD};
use crate::digest::Digest;
use crate::{Context, Error, Result};

/// The users of each layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Users(BTreeMap<Digest, BTreeSet<PathBuf>>);

/// What was removed, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Layers.
    pub layers: u64,
    /// Their bytes on the disk.
    pub bytes: u64,
}

impl Users {
    /// The directories of the containers that use the layer `key`; a snapshot's is in its container's.
    pub fn of(&self, key: &Digest) -> impl Iterator<Item = &Path> {
        self.0.get(key).into_iter().flatten().map(PathBuf::as_path)
    }

    fn add_all_in(&mut self, lxcpath: &Path, store: &[u8]) -> Result<()> {
        // A directory of snapshots as LXC 1.0 used it.
        let mut old = lxcpath.as_os_str().to_owned();
        old.push("snaps");
        let old = PathBuf::from(old);
        for container in subdirectories(lxcpath)? {
            self.add(&container, &container.join("config"), store)?;
            for snapshot in subdirectories(&container.join("snaps"))? {
                self.add(&snapshot, &snapshot.join("config"), store)?;
            }
            for name in ["files/config", "old-config"] {
                self.add(&container, &container.join(".restore").join(name), store)?;
            }
        }
        for container in subdirectories(&old)? {
            for snapshot in subdirectories(&container)? {
                self.add(&snapshot, &snapshot.join("config"), store)?;
            }
        }
        Ok(())
    }

    /// Adds the layers that are named in the configuration `file`.
    fn add(&mut self, container: &Path, file: &Path, store: &[u8]) -> Result<()> {
        let text = match std::fs::read(file) {
            Err(error) if is_missing(&error) => return Ok(()),
            read => read.context(|| format!("cannot read {}", file.display()))?,
        };
        let mut rest = &*text;
        while let Some(at) = find(rest, store) {
            rest = &rest[at + store.len()..];
            let name = std::ffi::OsStr::from_bytes(&rest[..rest.len().min(KEY)]);
            if let Some(name) = name.to_str().filter(|_| is_key(name)) {
                let key = Digest::parse(&format!("sha256:{name}"))?;
                self.0.entry(key).or_default().insert(container.to_owned());
            }
        }
        Ok(())
    }
}

impl Layers {
    /// Who uses its layers, as far as can be seen, and the directories that cannot.
    pub fn users(&self) -> Result<(Users, Vec<PathBuf>)> {
        let mut users = Users::default();
        let mut unseen = Vec::new();
        let store = [self.store.dir().as_os_str().as_bytes(), b"/"].concat();
        for place in self.store.places()? {
            match place.fate() {
                Fate::There => users.add_all_in(&place.path, &store)?,
                Fate::Gone => {}
                Fate::Unknown => unseen.push(place.path),
            }
        }
        Ok((users, unseen))
    }

    /// All layers.
    pub fn all(&self) -> Result<Vec<Digest>> {
        let keys = self.entries()?.into_iter().filter(|name| is_key(name.as_ref()));
        keys.map(|name| Digest::parse(&format!("sha256:{name}"))).collect()
    }

    /// Removes the layers that are not `wanted` and that no container uses, and what killed processes have left;
    /// with `dry` only counts them. Containers in the directories `forget` are gone for good.
    pub fn prune(
        &self,
        wanted: &BTreeSet<Digest>,
        forget: &[PathBuf],
        dry: bool,
    ) -> Result<Pruned> {
        let _alone = self.store.alone()?;
        if !dry {
            self.store.keep(|place| !forget.contains(&place.path))?;
        }
        let (users, mut unseen) = self.users()?;
        unseen.retain(|path| !forget.contains(path));
        if let Some(path) = unseen.first() {
            let path = path.display();
            return Err(Error::new(format!("no layers are removed: the containers in {path} cannot be seen"))
                .hint(format!("mount what belongs there; if they are gone for good: lxc-rs image prune --forget {path}")));
        }
        let mut pruned = Pruned::default();
        for key in self.all()? {
            if wanted.contains(&key) || users.of(&key).next().is_some() {
                continue;
            }
            pruned.layers += 1;
            pruned.bytes += self.record(&key).ok().flatten().map_or(0, |record| record.size);
            if !dry {
                self.remove(&key)?;
            }
        }
        if !dry {
            for name in self.entries()? {
                if name.starts_with(NEW) || name.starts_with(OLD) {
                    remove::tree(&self.store.dir().join(name))?;
                }
            }
            self.store.keep(|place: &Place| place.fate() != Fate::Gone)?;
        }
        Ok(pruned)
    }

    /// Under another name first: nobody finds a part of it.
    fn remove(&self, key: &Digest) -> Result<()> {
        let old = self.store.dir().join(format!("{OLD}{}", key.hex()));
        remove::tree(&old)?;
        let dir = self.dir_of(key);
        std::fs::rename(&dir, &old).context(|| format!("cannot remove {}", dir.display()))?;
        super::sync_dir(self.store.dir())?;
        remove::tree(&old)
    }

    fn entries(&self) -> Result<Vec<String>> {
        let failed = || format!("cannot list {}", self.store.dir().display());
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.store.dir()).context(failed)? {
            names.extend(entry.context(failed)?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }
}

/// What may be a directory in `dir`; nothing if there is no `dir`.
fn subdirectories(dir: &Path) -> Result<Vec<PathBuf>> {
    let failed = || format!("cannot list {}", dir.display());
    let entries = match std::fs::read_dir(dir) {
        Err(error) if is_missing(&error) => return Ok(Vec::new()),
        entries => entries.context(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.context(failed)?;
        if !entry.file_type().context(failed)?.is_file() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn is_missing(error: &std::io::Error) -> bool {
    // A container's configuration is a file.
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
