//! Layers of images, unpacked once: the root filesystems of containers are overlays over them.
//!
//! A layer is known by its chain identifier, the digest of itself and all below (OCI image specification,
//! "Layer ChainID"): what it is when unpacked depends on these. It is unpacked into the writable layer of an
//! overlay over them, so that the kernel itself notes what it removes and takes along what it changes. Until it
//! is whole and on the disk its directory is `.new-KEY`; who is at work there has a lock on it, and what
//! somebody killed has left is begun anew.

mod finisher;
mod overlay;
mod survey;
mod users;

use std::fs::{File, Permissions};
use std::io::{ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use lxc_sys::layers::{self, TREE};
use lxc_sys::lock::FileLock;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::image::{Image, Layer, unpack_layer};
use crate::template::{Container, Tree, in_user_namespace};
use crate::unpack::{Limits, Report, Unpacker};
use crate::{Context, Error, Result};
use finisher::{Finisher, Unpacked};
use overlay::Overlay;
pub use survey::{Survey, survey};
pub use users::{Pruned, Users};

/// The record of a layer, in its directory.
const RECORD: &str = "layer.json";
/// What a layer's directory begins with that is not whole.
const NEW: &str = ".new-";
/// The same of one that is being removed.
const OLD: &str = ".old-";

/// What is known of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The digest of its plain archive.
    pub diff_id: Digest,
    /// The digest of its files, see [`survey()`].
    pub tree: Digest,
    /// Bytes on the disk.
    pub size: u64,
    /// Entries of its archive.
    pub entries: u64,
    /// Bytes of files in its archive.
    pub bytes: u64,
    /// Devices that were left out of it.
    #[serde(default)]
    pub devices: u64,
    /// Extended attributes that were left out of it.
    #[serde(default)]
    pub attributes: u64,
}

impl Record {
    /// What was unpacked.
    const fn report(&self) -> Report {
        let Self { entries, bytes, devices, attributes, .. } = *self;
        Report { entries, bytes, devices, attributes }
    }
}

/// The length of the name of the layers for certain maps of ids.
const MAPS: usize = 16;

/// The layers of this user, or of a user's containers with certain ids.
#[derive(Debug)]
pub struct Layers {
    store: layers::Store,
}

/// Where they are: `$LXC_LAYERS_PATH`, `/var/lib/lxc/.layers`, or `~/.local/share/lxc/.layers` of an ordinary user.
/// With the containers, not with what can be fetched again: these are nothing without them.
pub fn layers_dir() -> PathBuf {
    match std::env::var_os("LXC_LAYERS_PATH").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None if nix::unistd::geteuid().is_root() && !in_user_namespace() => {
            "/var/lib/lxc/.layers".into()
        }
        None => {
            let home = std::env::var_os("HOME").unwrap_or_else(|| "/".into());
            PathBuf::from(home).join(".local/share/lxc/.layers")
        }
    }
}

impl Layers {
    /// Those for `container`. In a user namespace they have its ids on the disk, so containers with other ids have
    /// others.
    pub fn of(container: &Container) -> Result<Self> {
        let base = layers_dir();
        if !in_user_namespace() {
            return Self::open(&base, 0o700);
        }
        let mut missing: Vec<&Path> = base.ancestors().take_while(|dir| !dir.exists()).collect();
        missing.reverse();
        for dir in missing {
            make_dir(dir)?;
            container.give_back(dir)?;
        }
        // The container's root gets there, and nobody else: they have set-user-ID programs.
        let layers = Self::open(&base.join(maps_name()?), 0o710)?;
        if let Some((uid, _)) = container.mapped {
            let dir = layers.store.dir();
            nix::unistd::chown(dir, Some(uid), Some(0.into()))
                .context(|| format!("cannot give {} to the caller", dir.display()))?;
        }
        Ok(layers)
    }

    /// Fails if overlays cannot be used here, tried if there is nothing to tell that they can.
    pub fn check(&self) -> Result<()> {
        if !self.all()?.is_empty() {
            return Ok(());
        }
        let dir = self.dir().join(format!(".try-{}", std::process::id()));
        let tried = try_overlay(&dir);
        match std::fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).context(|| format!("cannot remove {}", dir.display()))
            }
            _ => tried,
        }
    }

    /// All of this user.
    pub fn all_of_user() -> Result<Vec<Self>> {
        let base = layers_dir();
        let mut found = vec![base.clone()];
        for entry in base.read_dir().into_iter().flatten().flatten() {
            if entry.file_name().len() == MAPS {
                found.push(entry.path());
            }
        }
        found.retain(|dir| layers::Store::new(dir).is_begun());
        Ok(found.iter().map(|dir| Self { store: layers::Store::new(dir) }).collect())
    }

    /// Those in `dir`, which is made with `mode` if it is missing.
    pub fn open(dir: &Path, mode: u32) -> Result<Self> {
        let failed = || format!("cannot make {}", dir.display());
        if !dir.is_dir() {
            std::fs::create_dir_all(dir).context(failed)?;
            std::fs::set_permissions(dir, Permissions::from_mode(mode)).context(failed)?;
        }
        let store = layers::Store::new(&std::fs::canonicalize(dir).context(failed)?);
        store.begin()?;
        Ok(Self { store })
    }

    /// Where they are.
    pub fn dir(&self) -> &Path {
        self.store.dir()
    }

    /// Keeps others from removing layers.
    pub fn hold(&self) -> Result<FileLock> {
        self.store.hold()
    }

    /// Begins to collect the layers of an image, from the lowest on.
    pub fn chain(&self, limits: Limits) -> Chain<'_> {
        Chain {
            layers: self,
            key: None,
            trees: Vec::new(),
            left: limits,
            report: Report::default(),
            finisher: Finisher::default(),
        }
    }

    /// The record of the layer `key`, `None` if it is not there.
    pub fn record(&self, key: &Digest) -> Result<Option<Record>> {
        let path = self.dir_of(key).join(RECORD);
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.context(|| format!("cannot read {}", path.display()))?,
        };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| Error::new(format!("{} is damaged: {error}", path.display())))
    }

    /// Whether the layer `key` is there.
    pub fn has(&self, key: &Digest) -> bool {
        self.dir_of(key).is_dir()
    }

    /// The error of the layer `key`, if its files are not what they were when it was unpacked.
    pub fn verify(&self, key: &Digest) -> Result<Option<Error>> {
        let Some(record) = self.record(key)? else { return Ok(None) };
        let path = self.tree_of(key);
        let changed = survey(&path)?.digest != record.tree;
        Ok(changed.then(|| {
            Error::new(format!("{} was changed since it was unpacked", path.display())).hint(
                "stop the containers that use it, remove the directory above it, and create a container \
                 of the image, which unpacks it anew",
            )
        }))
    }

    fn dir_of(&self, key: &Digest) -> PathBuf {
        self.store.dir().join(key.hex())
    }

    /// The directory with the files of the layer `key`.
    pub fn tree_of(&self, key: &Digest) -> PathBuf {
        self.dir_of(key).join(TREE)
    }
}

/// The keys of the layers of `image`, the lowest first: the last is that of all of it.
pub fn keys(image: &Image) -> Vec<Digest> {
    let mut keys: Vec<Digest> = Vec::new();
    for layer in &image.layers {
        keys.push(key_over(keys.last(), &layer.plain));
    }
    keys
}

/// The key of the layer `plain` over the one with the key `below`.
fn key_over(below: Option<&Digest>, plain: &Digest) -> Digest {
    match below {
        Some(below) => Digest::of(format!("{below} {plain}").as_bytes()),
        // Its name has a certain length.
        None if plain.algorithm() != "sha256" => Digest::of(plain.to_string().as_bytes()),
        None => plain.clone(),
    }
}

/// The layers of one image, as far as they were added.
#[derive(Debug)]
pub struct Chain<'a> {
    layers: &'a Layers,
    key: Option<Digest>,
    /// Topmost first, as overlays have them.
    trees: Vec<Below>,
    left: Limits,
    report: Report,
    finisher: Finisher,
}

/// The files of a layer.
#[derive(Debug)]
struct Below {
    /// Where they are once it is finished.
    path: PathBuf,
    /// They themselves, if it may not be finished yet.
    open: Option<File>,
}

impl Below {
    /// A name for them that is right now.
    fn now(&self) -> PathBuf {
        match &self.open {
            Some(open) => format!("/proc/self/fd/{}", open.as_raw_fd()).into(),
            None => self.path.clone(),
        }
    }
}

impl Chain<'_> {
    /// Adds `layer`, which `blob` gives as it is stored; it is read only if the layer is not there yet.
    pub fn add(&mut self, layer: &Layer, blob: &mut (dyn Read + Send)) -> Result<()> {
        let key = key_over(self.key.as_ref(), &layer.plain);
        let made = match self.layers.record(&key)? {
            Some(record) => {
                self.push(self.layers.tree_of(&key), None);
                record.report()
            }
            None => self.make(&key, layer, blob)?,
        };
        // What all layers together may have was counted when the first of them came.
        let too_much = |what: &str| {
            Error::new(format!("refusing an image of more than {what}"))
                .hint("if you trust it, allow more with --max-size")
        };
        let Limits { bytes, entries, .. } = self.left;
        self.left.bytes = bytes
            .checked_sub(made.bytes)
            .ok_or_else(|| too_much(&format!("{bytes} bytes in its last layers")))?;
        self.left.entries = entries
            .checked_sub(made.entries)
            .ok_or_else(|| too_much(&format!("{entries} entries in its last layers")))?;
        self.report.devices += made.devices;
        self.report.attributes += made.attributes;
        self.key = Some(key);
        Ok(())
    }

    /// What was left out of the layers.
    pub const fn report(&self) -> Report {
        self.report
    }

    fn make(
        &mut self,
        key: &Digest,
        layer: &Layer,
        blob: &mut (dyn Read + Send),
    ) -> Result<Report> {
        let new = self.layers.store.dir().join(format!("{NEW}{}", key.hex()));
        let lock = loop {
            let lock = claim(&new)?;
            // Somebody else was faster.
            if let Some(record) = self.layers.record(key)? {
                if lock.is_some() {
                    let _ = std::fs::remove_dir(&new);
                }
                self.push(self.layers.tree_of(key), None);
                return Ok(record.report());
            }
            if let Some(lock) = lock {
                break lock;
            }
        };
        let filled = self.fill(&new, layer, blob).map_err(|error| failed_in(&new, error));
        let (report, tree) = filled?;
        let (dir, plain) = (self.layers.dir_of(key), layer.plain.clone());
        self.finisher.add(Unpacked { new, dir, plain, report, lock })?;
        self.push(self.layers.tree_of(key), Some(tree));
        Ok(report)
    }

    fn push(&mut self, path: PathBuf, open: Option<File>) {
        self.trees.insert(0, Below { path, open });
    }

    /// Makes the files of a layer in the empty directory `new`.
    fn fill(
        &self,
        new: &Path,
        layer: &Layer,
        blob: &mut (dyn Read + Send),
    ) -> Result<(Report, File)> {
        let [tree, work] = [TREE, "work"].map(|name| new.join(name));
        let below: Vec<PathBuf> = self.trees.iter().map(Below::now).collect();
        let report = match below.first() {
            None => {
                make_dir(&tree)?;
                self.unpack(&tree, layer, blob)?
            }
            Some(top) => {
                like(top, &tree)?;
                make_dir(&work)?;
                let overlay = Overlay::writable(&below, &tree, &work)?;
                self.unpack(&overlay.path(), layer, blob)?
            }
        };
        if work.exists() {
            std::fs::remove_dir_all(&work)
                .context(|| format!("cannot remove {}", work.display()))?;
        }
        let open = File::open(&tree).context(|| format!("cannot open {}", tree.display()))?;
        Ok((report, open))
    }

    fn unpack(&self, root: &Path, layer: &Layer, blob: &mut (dyn Read + Send)) -> Result<Report> {
        let mut unpacker = Unpacker::new(root, self.left)?;
        unpack_layer(layer, blob, &mut unpacker)?;
        Ok(unpacker.report())
    }

    /// Makes the container's root filesystem an overlay over the layers, and does `act` in it.
    pub fn give<T>(
        &mut self,
        container: &Container,
        act: impl FnOnce(&Tree) -> Result<T>,
    ) -> Result<T> {
        self.finisher.wait()?;
        let trees: Vec<PathBuf> = self.trees.iter().map(|below| below.path.clone()).collect();
        let Some(top) = trees.first() else {
            return Err(Error::new("the image has no layers").hint("make a copy: --copy"));
        };
        let home = &container.path;
        self.layers.store.note(home.parent().unwrap_or(home))?;
        let dir = home.join("overlay");
        let [delta, work, own] = ["delta", "work", ".work"].map(|name| dir.join(name));
        make_dir(&dir)?;
        like(top, &delta)?;
        for work in [&work, &own] {
            like(&delta, work)?;
        }
        let overlay = Overlay::writable(&trees, &delta, &own)?;
        let done = act(&Tree::open(&overlay.path())?)?;
        drop(overlay);
        std::fs::remove_dir_all(&own).context(|| format!("cannot remove {}", own.display()))?;
        let layers: Vec<String> =
            trees.iter().chain([&delta]).map(|layer| layer.display().to_string()).collect();
        container.set_rootfs(&format!("overlay:{}", layers.join(":")))?;
        Ok(done)
    }
}

/// Removes what there is of a layer in `new`, for `error`.
fn failed_in(new: &Path, error: Error) -> Error {
    let error = match std::fs::remove_dir_all(new) {
        Err(left) if left.kind() != ErrorKind::NotFound => {
            error.note(format!("cleaning up: cannot remove {}: {left}", new.display()))
        }
        _ => error,
    };
    if error.is(Errno::ENOSPC) || error.is(Errno::EDQUOT) {
        let dir = new.parent().unwrap_or(new).display();
        return error
            .hint(format!("make room in {dir}: lxc-rs image prune removes what nobody needs"));
    }
    error
}

/// A name for the maps of this user namespace.
fn maps_name() -> Result<String> {
    let mut all = Vec::new();
    for file in ["/proc/self/uid_map", "/proc/self/gid_map"] {
        all.extend(std::fs::read(file).context(|| format!("cannot read {file}"))?);
    }
    Ok(Digest::of(&all).hex()[..MAPS].to_owned())
}

/// Removes a file of a layer below, in an overlay in `dir`.
fn try_overlay(dir: &Path) -> Result<()> {
    let [lower, upper, work] = ["lower", "upper", "work"].map(|name| dir.join(name));
    for dir in [dir, &lower, &upper, &work] {
        make_dir(dir)?;
    }
    std::fs::write(lower.join("file"), "")
        .context(|| format!("cannot write in {}", lower.display()))?;
    let overlay = Overlay::writable(&[lower], &upper, &work)?;
    std::fs::remove_file(overlay.path().join("file"))
        .context(|| format!("cannot change what is below an overlay in {}", dir.display()))
}

/// Makes the directory `new`, or takes what somebody killed has left, and empties it. `None` if it changed
/// hands meanwhile.
fn claim(new: &Path) -> Result<Option<FileLock>> {
    let failed = || format!("cannot make {}", new.display());
    match std::fs::create_dir(new) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => made.context(failed)?,
    }
    let file = match File::open(new) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.context(failed)?,
    };
    let inode = file.metadata().context(failed)?.ino();
    let lock = FileLock::exclusive(file).context(failed)?;
    if !new.symlink_metadata().is_ok_and(|stat| stat.ino() == inode) {
        return Ok(None);
    }
    for entry in std::fs::read_dir(new).context(failed)? {
        let path = entry.context(failed)?.path();
        let removed = if path.is_dir() && !path.is_symlink() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        removed.context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(Some(lock))
}

fn make_dir(path: &Path) -> Result<()> {
    let made = std::fs::create_dir(path);
    made.and_then(|()| std::fs::set_permissions(path, Permissions::from_mode(0o755)))
        .context(|| format!("cannot make {}", path.display()))
}

/// Makes the directory `path` with owner, mode and time of the directory `other`: of a layer's root, it is
/// what is seen of all those below.
fn like(other: &Path, path: &Path) -> Result<()> {
    let failed = || format!("cannot make {}", path.display());
    let stat = other.metadata().context(failed)?;
    std::fs::create_dir(path).context(failed)?;
    std::os::unix::fs::chown(path, Some(stat.uid()), Some(stat.gid())).context(failed)?;
    std::fs::set_permissions(path, Permissions::from_mode(stat.mode() & 0o7777)).context(failed)?;
    let times = std::fs::FileTimes::new().set_modified(stat.modified().context(failed)?);
    File::open(path).and_then(|dir| dir.set_times(times)).context(failed)
}

fn sync_dir(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .context(|| format!("cannot write the directory {} to the disk", path.display()))
}

#[cfg(test)]
mod tests;
