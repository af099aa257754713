//! Where an image is: `docker://…`, `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:NAME]`
//! (containers-transports(5)).

use std::path::PathBuf;

use crate::registry::Reference;
use crate::{Error, Result};

/// Where an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In a registry.
    Registry(Reference),
    /// Kept on this host, under this name.
    Kept(String),
    /// A directory in OCI's layout, and a tag in it.
    Layout(PathBuf, Option<String>),
    /// An archive of such a directory.
    LayoutArchive(PathBuf, Option<String>),
    /// What `docker save` writes, and a name in it.
    DockerArchive(PathBuf, Option<String>),
}

impl Location {
    /// Reads `text`.
    pub fn parse(text: &str) -> Result<Self> {
        let unknown = || {
            Error::new(format!("{text} is not the location of an image"))
                .hint("write docker://NAME:TAG, image:NAME:TAG, oci:DIR:TAG, oci-archive:FILE:TAG or docker-archive:FILE:NAME")
        };
        if let Some(name) = text.strip_prefix("docker://") {
            return Reference::parse(name).map(Self::Registry);
        }
        if let Some(name) = text.strip_prefix("image:") {
            return Ok(Self::Kept(name.to_owned()));
        }
        let (kind, rest) = text.split_once(':').ok_or_else(unknown)?;
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag.to_owned()).filter(|tag| !tag.is_empty())),
            None => (rest, None),
        };
        if path.is_empty() {
            return Err(unknown());
        }
        match kind {
            "oci" => Ok(Self::Layout(path.into(), tag)),
            "oci-archive" => Ok(Self::LayoutArchive(path.into(), tag)),
            "docker-archive" => Ok(Self::DockerArchive(path.into(), tag)),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_read() {
        let layout =
            |path: &str, tag: Option<&str>| Location::Layout(path.into(), tag.map(str::to_owned));
        let read = |text| Location::parse(text).unwrap();
        assert_eq!(read("oci:/srv/images:app"), layout("/srv/images", Some("app")));
        assert_eq!(read("oci:dir"), layout("dir", None));
        assert_eq!(read("oci:dir:"), layout("dir", None));
        assert_eq!(
            read("docker-archive:a.tar:host:5000/app:1"),
            Location::DockerArchive("a.tar".into(), Some("host:5000/app:1".into()))
        );
        assert_eq!(
            read("docker://debian:12"),
            Location::Registry(Reference::parse("debian:12").unwrap())
        );
        for bad in ["", "debian", "oci", "oci:", "ftp:x", "dir:/srv"] {
            assert!(Location::parse(bad).is_err(), "{bad}");
        }
    }
}
