//! Images of OCI and Docker: where they are ([`Location`]), what they are made of ([`manifest`]), how
//! they become a root filesystem ([`unpack_layer`]) and what runs in it ([`application`]).

mod ahead;
pub mod application;
pub mod build;
pub mod difference;
mod docker_archive;
mod layout;
mod location;
pub mod manifest;

use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use ahead::Passed;
pub use docker_archive::DockerArchive;
pub use layout::{Layout, TAG};
pub use location::Location;
use manifest::{Configuration, Descriptor, Document, Platform};

use crate::compression;
use crate::digest::{Digest, Hashed, differs_unless};
use crate::unpack::Unpacker;
use crate::{Context, Error, Result};

/// Indexes in indexes in indexes: as many as there are in use.
const NESTED: usize = 3;

/// Where the parts of images are.
pub trait Source {
    /// The manifest, index or configuration `descriptor`, checked.
    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let what = descriptor.digest.to_string();
        if descriptor.size > manifest::LARGEST {
            return Err(Error::new(format!("{what} is too large: {} bytes", descriptor.size)));
        }
        let mut text = Vec::new();
        let blob = self.blob(descriptor)?;
        let mut blob = Hashed::new(blob, descriptor.digest.clone(), Some(descriptor.size));
        blob.read_to_end(&mut text).context(|| format!("cannot read {what}"))?;
        blob.finish(&what)?;
        Ok(text)
    }

    /// The content of `descriptor`, not checked yet.
    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>>;
}

/// A layer of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// What is stored, maybe compressed.
    pub stored: Stored,
    /// The digest of the plain archive.
    pub plain: Digest,
}

/// How a layer is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// By its digest.
    Blob(Descriptor),
    /// As what was compared with its digest just now.
    Compared,
    /// By a name in an archive of Docker's.
    Named(String),
}

impl Stored {
    /// What its blob is, if it has one.
    pub fn blob(&self) -> Result<&Descriptor> {
        match self {
            Self::Blob(descriptor) => Ok(descriptor),
            Self::Named(name) => Err(Error::new(format!("no blob {name}"))),
            Self::Compared => Err(Error::new("no blob, but what it holds")),
        }
    }
}

/// An image for one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What runs in it, and how.
    pub configuration: Configuration,
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
}

impl Image {
    /// The image that `document` of `source` is or offers for `platform`. One for another is refused.
    pub fn of(source: &dyn Source, document: &[u8], platform: &Platform) -> Result<Self> {
        let image = Self::of_manifest(source, &single(source, document, platform)?)?;
        image.configuration.platform.require(platform)?;
        Ok(image)
    }

    /// The image of `manifest`, for whatever platform it is.
    pub fn of_manifest(source: &dyn Source, manifest: &[u8]) -> Result<Self> {
        let Document::Manifest(config, layers) = Document::parse(manifest)? else {
            return Err(Error::new("the index of the image leads to further indexes only"));
        };
        let configuration = Configuration::parse(&source.document(&config)?)?;
        Self::new(configuration, layers.into_iter().map(Stored::Blob).collect())
    }

    fn new(configuration: Configuration, stored: Vec<Stored>) -> Result<Self> {
        let plain = &configuration.rootfs.diff_ids;
        if plain.len() != stored.len() {
            return Err(Error::new(format!(
                "the image has {} layers, but its configuration names {}",
                stored.len(),
                plain.len()
            )));
        }
        let layers = stored.into_iter().zip(plain.iter().cloned());
        let layers = layers.map(|(stored, plain)| Layer { stored, plain }).collect();
        Ok(Self { configuration, layers })
    }
}

/// The manifest that `document` of `source` is or offers for `platform`.
pub fn single(source: &dyn Source, document: &[u8], platform: &Platform) -> Result<Vec<u8>> {
    let mut text = document.to_vec();
    for _ in 0..NESTED {
        let Document::Index(index) = Document::parse(&text)? else { break };
        text = source.document(manifest::choose(&index, platform)?)?;
    }
    Ok(text)
}

/// Unpacks `layer`, which `input` gives as it is stored, over those before it. Its digests are compared
/// while it is read: if they differ, what was unpacked is worthless.
pub fn unpack_layer(
    layer: &Layer,
    input: impl Read + Send,
    unpacker: &mut Unpacker<'_>,
) -> Result<()> {
    let what = format!("the layer {}", layer.plain);
    let read = AtomicU64::new(0);
    let counted = Counted { inner: input, count: &read };
    let (passed, ahead, to_hash) = ahead::channel();
    let lost = || Error::new(format!("cannot read {what}: a thread of it has ended"));
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            // A name in an archive has no digest of its own; that of the plain archive counts anyway.
            let Stored::Blob(Descriptor { digest, size, .. }) = &layer.stored else {
                pass_on(counted, passed);
                return Ok(());
            };
            let mut stored = Hashed::new(counted, digest.clone(), Some(*size));
            pass_on(&mut stored, passed);
            stored.finish(&digest.to_string())
        });
        let digest = scope.spawn(|| to_hash.digest(&layer.plain));
        let result = unpacker.layer(ahead, || read.load(Ordering::Relaxed));
        // What was changed on the way is told first, not what came of it.
        reader.join().map_err(|_| lost())??;
        result?;
        differs_unless(&layer.plain, &digest.join().map_err(|_| lost())?, &what)
    })
}

fn pass_on(stored: impl Read, passed: Passed) {
    match compression::plain(stored) {
        Ok(plain) => passed.all_of(plain),
        Err(error) => passed.fail(error),
    }
}

/// Counts the bytes that are read.
pub(crate) struct Counted<'a, R> {
    pub inner: R,
    pub count: &'a AtomicU64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// The whole of the small file `path`.
fn small_file(path: &Path) -> Result<Vec<u8>> {
    let failed = || format!("cannot read {}", path.display());
    let mut text = Vec::new();
    let file = std::fs::File::open(path).context(failed)?;
    file.take(manifest::LARGEST + 1).read_to_end(&mut text).context(failed)?;
    if text.len() as u64 > manifest::LARGEST {
        return Err(Error::new(format!("{} is too large", path.display())));
    }
    Ok(text)
}
