//! What `docker save` writes, unpacked: `manifest.json`, a configuration and a plain archive for each
//! layer.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use lxc_sys::beneath;
use nix::fcntl::OFlag;
use serde::Deserialize;

use super::manifest::{Configuration, LARGEST};
use super::{Image, Stored, small_file};
use crate::{Context, Error, Result};

/// An unpacked archive.
#[derive(Debug)]
pub struct DockerArchive {
    dir: PathBuf,
    root: File,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

impl DockerArchive {
    /// The one that was unpacked in `dir`.
    pub fn open(dir: &Path) -> Result<Self> {
        let root = File::open(dir).context(|| format!("cannot open {}", dir.display()))?;
        Ok(Self { dir: dir.to_path_buf(), root })
    }

    /// The image called `name`, or the only one.
    pub fn image(&self, name: Option<&str>) -> Result<Image> {
        let text = small_file(&self.dir.join("manifest.json"))
            .map_err(|error| error.hint("an archive that docker save wrote has this file"))?;
        let mut entries: Vec<Entry> = serde_json::from_slice(&text)
            .map_err(|error| Error::new(format!("manifest.json of the archive: {error}")))?;
        let names: Vec<String> =
            entries.iter().flat_map(|entry| entry.repo_tags.iter().flatten().cloned()).collect();
        if let Some(name) = name {
            let wanted = short(name);
            entries
                .retain(|entry| entry.repo_tags.iter().flatten().any(|tag| short(tag) == wanted));
        }
        let [entry] = entries.as_slice() else {
            let what = if entries.is_empty() { "no image" } else { "several images" };
            let name = name.map(|name| format!(" called {name}")).unwrap_or_default();
            return Err(Error::new(format!("{what}{name} in the archive"))
                .hint(format!("there are: {}", names.join(" "))));
        };
        let mut configuration = Vec::new();
        let failed = || format!("cannot read {} of the archive", entry.config);
        let file = self.file(&entry.config)?;
        file.take(LARGEST).read_to_end(&mut configuration).context(failed)?;
        let stored = entry.layers.iter().cloned().map(Stored::Named).collect();
        Image::new(Configuration::parse(&configuration)?, stored)
    }

    /// The file `name` of the archive: links, which layers that are the same twice are, lead to nothing
    /// outside.
    pub fn file(&self, name: &str) -> Result<File> {
        let failed = || format!("cannot open {name:?} of the archive");
        let path = Path::new(name);
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK;
        let file = beneath::open_in_root(self.root.as_fd(), path, flags).context(failed)?;
        let file = File::from(file);
        if !file.metadata().context(failed)?.is_file() {
            return Err(Error::new(format!("{}: it is not a file", failed())));
        }
        Ok(file)
    }
}

/// `docker.io/library/debian:12` and `debian:12` are the same image.
fn short(name: &str) -> String {
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    let name = name.strip_prefix("library/").unwrap_or(name);
    let has_tag = name.rsplit('/').next().is_some_and(|last| last.contains(':'));
    if has_tag { name.to_owned() } else { format!("{name}:latest") }
}
