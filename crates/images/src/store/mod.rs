//! What was fetched, under names: a directory in OCI's layout, which other programs can read.
//!
//! `index.json` names what is wanted; it is replaced as a whole, so a kill or a full disk leaves the old one.
//! Blobs without a name are kept until [`Store::prune`].

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use lxc_sys::lock::FileLock;
use serde::Serialize;

use crate::digest::{Digest, Hashed};
use crate::image::manifest::{Descriptor, Document, Platform};
use crate::image::{Image, Layer, Layout, Source, TAG};
use crate::{Context, Error, Result};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A directory of images.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
}

/// While it is there nothing is pruned.
#[derive(Debug)]
pub struct Use {
    _lock: File,
}

/// An image with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// `HOST/NAME:TAG`.
    pub name: String,
    /// Its manifest.
    pub descriptor: Descriptor,
}

/// What was removed, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Blobs.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Store {
    /// The one in `dir`, which is made if it is missing.
    pub fn open(dir: &Path) -> Result<Self> {
        for algorithm in ["sha256", "sha512"] {
            let dir = dir.join("blobs").join(algorithm);
            std::fs::create_dir_all(&dir).context(|| format!("cannot make {}", dir.display()))?;
        }
        let store = Self { dir: dir.to_path_buf() };
        if !dir.join("oci-layout").exists() {
            let _alone = store.alone()?;
            store.replace("oci-layout", "new", b"{\"imageLayoutVersion\":\"1.0.0\"}\n")?;
        }
        Ok(store)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Keeps others from pruning what is being fetched.
    pub fn hold(&self) -> Result<Use> {
        let file = self.lock_file("use")?;
        file.lock_shared().context(|| "cannot lock the store of images")?;
        Ok(Use { _lock: file })
    }

    /// All images, by name.
    pub fn images(&self) -> Result<Vec<Named>> {
        let name = |descriptor: Descriptor| {
            let name = descriptor.annotations.as_ref()?.get(TAG)?.clone();
            Some(Named { name, descriptor })
        };
        let mut images: Vec<Named> = self.index()?.into_iter().filter_map(name).collect();
        images.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(images)
    }

    /// The image `name`.
    pub fn find(&self, name: &str) -> Result<Named> {
        let images = self.images()?;
        images.into_iter().find(|image| image.name == name).ok_or_else(|| {
            Error::new(format!("there is no image {name} here"))
                .hint("lxc-rs image ls shows all; lxc-rs image pull fetches one")
        })
    }

    /// The manifest of `image` and what it is made of.
    pub fn image(&self, image: &Named) -> Result<(Vec<u8>, Image)> {
        let layout = self.layout()?;
        let manifest = layout.document(&image.descriptor)?;
        let made_of = Image::of_manifest(&layout, &manifest)?;
        Ok((manifest, made_of))
    }

    /// The blobs, as a source of images.
    pub fn layout(&self) -> Result<Layout> {
        Layout::open(&self.dir)
    }

    /// Gives the image with this `manifest`, whose blobs are here, a `name`; another one that has it loses
    /// it.
    pub fn add(&self, name: &str, manifest: &[u8], platform: &Platform) -> Result<Digest> {
        let digest = self.add_blob(manifest)?;
        let media_type = serde_json::from_slice::<serde_json::Value>(manifest)
            .ok()
            .and_then(|text| text.get("mediaType")?.as_str().map(str::to_owned));
        let descriptor = Descriptor {
            media_type: media_type.unwrap_or_else(|| MANIFEST.to_owned()),
            digest: digest.clone(),
            size: manifest.len() as u64,
            platform: Some(platform.clone()),
            annotations: None,
        };
        self.name(name, descriptor)?;
        Ok(digest)
    }

    /// Puts `data` among the blobs.
    pub fn add_blob(&self, data: &[u8]) -> Result<Digest> {
        let digest = Digest::of(data);
        let path = Path::new("blobs").join(digest.algorithm()).join(digest.hex());
        // What a kill leaves of it is pruned.
        self.replace(&path, &format!("new.{}", std::process::id()), data)?;
        Ok(digest)
    }

    /// Gives the image `descriptor` a further name.
    pub fn name(&self, name: &str, mut descriptor: Descriptor) -> Result<()> {
        descriptor.annotations = Some([(TAG.to_owned(), name.to_owned())].into());
        self.change(|index| {
            index.retain(|other| !is_named(other, name));
            index.push(descriptor);
            Ok(())
        })
    }

    /// Takes the name `name` away.
    pub fn remove(&self, name: &str) -> Result<()> {
        self.find(name)?;
        self.change(|index| {
            index.retain(|other| !is_named(other, name));
            Ok(())
        })
    }

    /// Removes what no name leads to; with `dry` only counts it.
    pub fn prune(&self, dry: bool) -> Result<Pruned> {
        let _alone = FileLock::exclusive(self.lock_file("use")?)
            .context(|| "cannot lock the store of images")?;
        let mut wanted = BTreeSet::new();
        for image in self.images()? {
            // One that is damaged loses nothing more by this.
            wanted.extend(self.parts(&image)?.into_iter().map(|part| part.digest));
        }
        let mut pruned = Pruned::default();
        for algorithm in ["sha256", "sha512"] {
            let dir = self.dir.join("blobs").join(algorithm);
            let failed = || format!("cannot list {}", dir.display());
            for entry in std::fs::read_dir(&dir).context(failed)? {
                let entry = entry.context(failed)?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let digest = Digest::parse(&format!("{algorithm}:{name}"));
                if digest.is_ok_and(|digest| wanted.contains(&digest)) {
                    continue;
                }
                pruned.blobs += 1;
                pruned.bytes += entry.metadata().context(failed)?.len();
                if !dry {
                    let path = entry.path();
                    std::fs::remove_file(&path)
                        .context(|| format!("cannot remove {}", path.display()))?;
                }
            }
        }
        Ok(pruned)
    }

    /// All blobs of `image`, its manifest first.
    pub fn parts(&self, image: &Named) -> Result<Vec<Descriptor>> {
        let manifest = self.layout()?.document(&image.descriptor)?;
        let Document::Manifest(config, layers) = Document::parse(&manifest)? else {
            return Err(Error::new(format!("{} is not one image but several", image.name)));
        };
        Ok([vec![image.descriptor.clone(), config], layers].concat())
    }

    /// What of `image` is missing or damaged.
    pub fn verify(&self, image: &Named) -> Result<Vec<Error>> {
        let layout = self.layout()?;
        let check = |part: &Descriptor| {
            let blob = layout.blob(part)?;
            Hashed::new(blob, part.digest.clone(), Some(part.size)).finish(&part.digest.to_string())
        };
        let parts = match self.parts(image) {
            Ok(parts) => parts,
            Err(error) => return Ok(vec![error]),
        };
        Ok(parts.iter().filter_map(|part| check(part).err()).collect())
    }

    fn index(&self) -> Result<Vec<Descriptor>> {
        let file = self.dir.join("index.json");
        let text = match std::fs::read(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            result => result.context(|| format!("cannot read {}", file.display()))?,
        };
        match Document::parse(&text)? {
            Document::Index(index) => Ok(index),
            Document::Manifest(..) => {
                Err(Error::new(format!("{} is not an index", file.display())))
            }
        }
    }

    fn change(&self, act: impl FnOnce(&mut Vec<Descriptor>) -> Result<()>) -> Result<()> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Index {
            schema_version: u64,
            manifests: Vec<Descriptor>,
        }
        let _alone = self.alone()?;
        let mut manifests = self.index()?;
        act(&mut manifests)?;
        let text = serde_json::to_vec(&Index { schema_version: 2, manifests })
            .map_err(|error| Error::new(format!("cannot write the index: {error}")))?;
        self.replace("index.json", "new", &text)
    }

    /// Keeps others from changing the index.
    fn alone(&self) -> Result<FileLock> {
        let file = self.lock_file("index")?;
        FileLock::exclusive(file).context(|| "cannot lock the store of images")
    }

    /// Puts `data` in the place of the file `name`, whole or not at all; until it is whole its name ends
    /// in `new`.
    fn replace(&self, name: impl AsRef<Path>, new: &str, data: &[u8]) -> Result<()> {
        let path = self.dir.join(name);
        let new = path.with_extension(new);
        let failed = || format!("cannot write {}", path.display());
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(data)?;
            file.sync_all()?;
            std::fs::rename(&new, &path)
        };
        write().context(failed).inspect_err(|_| {
            // Not there, or of no use.
            let _ = std::fs::remove_file(&new);
        })
    }

    fn lock_file(&self, what: &str) -> Result<File> {
        let path = self.dir.join(format!(".{what}.lock"));
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        options.open(&path).context(|| format!("cannot open {}", path.display()))
    }
}

fn is_named(descriptor: &Descriptor, name: &str) -> bool {
    descriptor.annotations.as_ref().and_then(|all| all.get(TAG)).is_some_and(|tag| tag == name)
}

/// Bytes of the layers of `image`, as they are stored.
pub fn size(image: &Image) -> u64 {
    let stored = |layer: &Layer| layer.stored.blob().map_or(0, |blob| blob.size);
    image.layers.iter().map(stored).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;

    fn blob(store: &Store, data: &[u8]) -> String {
        let digest = Digest::of(data);
        std::fs::write(store.dir().join("blobs/sha256").join(digest.hex()), data).unwrap();
        format!("{{\"mediaType\":\"x\",\"digest\":\"{digest}\",\"size\":{}}}", data.len())
    }

    fn image(store: &Store, layer: &[u8]) -> Vec<u8> {
        let layer = blob(store, layer);
        let plain = Digest::of(b"plain");
        let config = format!("{{\"rootfs\":{{\"diff_ids\":[\"{plain}\"]}}}}");
        let config = blob(store, config.as_bytes());
        format!("{{\"schemaVersion\":2,\"config\":{config},\"layers\":[{layer}]}}").into_bytes()
    }

    #[test]
    fn what_has_no_name_is_pruned_and_nothing_else() {
        let scratch = Scratch::new("store");
        let store = Store::open(scratch.path()).unwrap();
        let platform = Platform::host();
        store.add("a:1", &image(&store, b"one"), &platform).unwrap();
        store.add("b:1", &image(&store, b"two"), &platform).unwrap();
        let one = store.find("a:1").unwrap();
        store.name("a:2", one.descriptor.clone()).unwrap();
        assert_eq!(store.prune(false).unwrap(), Pruned::default());
        // A further name keeps it, and the other one shares its configuration.
        store.remove("a:1").unwrap();
        assert_eq!(store.prune(false).unwrap(), Pruned::default());
        store.remove("a:2").unwrap();
        let dry = store.prune(true).unwrap();
        assert_eq!(dry.blobs, 2);
        assert_eq!(store.prune(false).unwrap(), dry);
        let two = store.find("b:1").unwrap();
        assert_eq!(store.verify(&two).unwrap(), []);
        assert_eq!(store.images().unwrap(), [two]);
        assert!(store.remove("a:1").unwrap_err().hint.is_some());
    }

    #[test]
    fn damage_is_found() {
        let scratch = Scratch::new("store-damage");
        let store = Store::open(scratch.path()).unwrap();
        store.add("a:1", &image(&store, b"one"), &Platform::host()).unwrap();
        let named = store.find("a:1").unwrap();
        let layer = scratch.path().join("blobs/sha256").join(Digest::of(b"one").hex());
        std::fs::write(&layer, b"onE").unwrap();
        assert!(store.verify(&named).unwrap()[0].what.contains("digest"));
        std::fs::remove_file(&layer).unwrap();
        assert_eq!(store.verify(&named).unwrap().len(), 1);
    }
}
