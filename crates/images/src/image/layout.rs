//! A directory of images in OCI's layout (OCI image specification, "Image Layout").

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::manifest::{Descriptor, Document, Platform, choose};
use super::{Image, Source, small_file};
use crate::{Context, Error, Result};

/// The annotation that holds the tag.
pub const TAG: &str = "org.opencontainers.image.ref.name";

/// A directory of images.
#[derive(Clone, Debug)]
pub struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// The one at `dir`.
    pub fn open(dir: &Path) -> Result<Self> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Marker {
            image_layout_version: String,
        }
        let marker = small_file(&dir.join("oci-layout"))
            .map_err(|error| error.hint("a directory of images has this file"))?;
        let version =
            serde_json::from_slice(&marker).map(|marker: Marker| marker.image_layout_version);
        match version {
            Ok(version) if version.starts_with("1.") => Ok(Self { dir: dir.to_path_buf() }),
            _ => Err(Error::new(format!("{} has a layout that is not known", dir.display()))),
        }
    }

    /// The file of the blob `descriptor`.
    pub fn path(&self, descriptor: &Descriptor) -> PathBuf {
        let digest = &descriptor.digest;
        self.dir.join("blobs").join(digest.algorithm()).join(digest.hex())
    }

    /// The image with `tag`, or the only one, for `platform`.
    pub fn image(&self, tag: Option<&str>, platform: &Platform) -> Result<Image> {
        let path = self.dir.join("index.json");
        let Document::Index(index) = Document::parse(&small_file(&path)?)? else {
            return Err(Error::new(format!("{} is not an index", path.display())));
        };
        let tag_of = |descriptor: &Descriptor| descriptor.annotations.as_ref()?.get(TAG).cloned();
        let mut named = index.clone();
        if let Some(tag) = tag {
            named.retain(|descriptor| tag_of(descriptor).as_deref() == Some(tag));
        }
        let tags: Vec<String> = index.iter().filter_map(tag_of).collect();
        let there = || format!("there are: {}", tags.join(" "));
        let chosen = match named.as_slice() {
            [] => {
                let what =
                    tag.map_or("no image".to_owned(), |tag| format!("no image with the tag {tag}"));
                return Err(Error::new(format!("{what} in {}", self.dir.display())).hint(there()));
            }
            [only] => only,
            // One tag for several platforms.
            several if several.iter().all(|one| tag_of(one) == tag_of(&several[0])) => {
                choose(several, platform)?
            }
            _ => {
                return Err(
                    Error::new(format!("several images in {}", self.dir.display())).hint(there())
                );
            }
        };
        Image::of(self, &self.document(chosen)?, platform)
    }
}

impl Source for Layout {
    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        let path = self.path(descriptor);
        let file = File::open(&path).context(|| format!("cannot open {}", path.display()))?;
        Ok(Box::new(file))
    }
}
