//! Names of images in registries: `[HOST[:PORT]/]NAME[:TAG][@DIGEST]`, as Docker reads them.

use std::fmt;

use crate::digest::Digest;
use crate::{Error, Result};

/// The registry of names without a host.
const DOCKER: &str = "docker.io";

/// An image in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The registry, maybe with a port.
    pub host: String,
    /// The repository.
    pub name: String,
    /// Which of its images.
    pub version: Version,
}

/// Which image of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version {
    /// The one that has this tag.
    Tag(String),
    /// The one with this digest.
    Digest(Digest),
}

impl Reference {
    /// Reads `text`.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |why: &str| {
            Error::new(format!("{text:?} names no image: {why}"))
                .hint("write docker://debian:12 or docker://HOST:PORT/NAME:TAG")
        };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(Digest::parse(digest)?)),
            None => (text, None),
        };
        let (host, path) = match rest.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path),
            _ => (DOCKER, rest),
        };
        let (name, tag) = match path.rsplit_once(':') {
            Some((name, tag)) => (name, Some(tag)),
            None => (path, None),
        };
        if !is_host(host) {
            return Err(refuse("no such host can be"));
        }
        let is_part = |part: &str| {
            let allowed = |byte: u8| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte)
            };
            let first = part.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
            first && part.bytes().all(allowed)
        };
        if name.len() > 255 || !name.split('/').all(is_part) {
            return Err(refuse("a name has small letters, digits and . _ - between slashes"));
        }
        let is_tag = |tag: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            (1..=128).contains(&tag.len())
                && !tag.starts_with(['.', '-'])
                && tag.bytes().all(allowed)
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(refuse("a tag has letters, digits and . _ -"));
        }
        let official = host == DOCKER && !name.contains('/');
        let name = if official { format!("library/{name}") } else { name.to_owned() };
        let version = match digest {
            Some(digest) => Version::Digest(digest),
            None => Version::Tag(tag.unwrap_or("latest").to_owned()),
        };
        Ok(Self { host: host.to_owned(), name, version })
    }

    /// Where the registry answers.
    pub fn api_host(&self) -> &str {
        if self.host == DOCKER { "registry-1.docker.io" } else { &self.host }
    }

    /// Under which name credentials for it are kept.
    pub fn login(&self) -> &str {
        if self.host == DOCKER { "https://index.docker.io/v1/" } else { &self.host }
    }
}

/// A name or address, maybe with a port.
fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let is_name = if let Some(address) = address {
        address.parse::<std::net::Ipv6Addr>().is_ok()
    } else {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        !name.is_empty() && name.bytes().all(allowed) && !name.starts_with(['.', '-'])
    };
    is_name && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if matches!(self.version, Version::Tag(_)) { ':' } else { '@' };
        write!(f, "{}/{}{separator}{}", self.host, self.name, self.version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => write!(f, "{digest}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_docker_does() {
        let read = |text: &str| {
            let Reference { host, name, version } = Reference::parse(text).unwrap();
            format!("{host} {name} {version}")
        };
        assert_eq!(read("debian"), "docker.io library/debian latest");
        assert_eq!(read("debian:12"), "docker.io library/debian 12");
        assert_eq!(read("user/app:1.0"), "docker.io user/app 1.0");
        assert_eq!(read("docker.io/debian"), "docker.io library/debian latest");
        assert_eq!(read("localhost/app"), "localhost app latest");
        assert_eq!(read("127.0.0.1:5000/a/b/c:x"), "127.0.0.1:5000 a/b/c x");
        assert_eq!(read("[::1]:5000/app"), "[::1]:5000 app latest");
        let digest = Digest::of(b"");
        assert_eq!(read(&format!("ghcr.io/a/b:1@{digest}")), format!("ghcr.io a/b {digest}"));
        assert_eq!(Reference::parse("debian").unwrap().api_host(), "registry-1.docker.io");
    }

    #[test]
    fn what_would_be_another_address_is_refused() {
        for bad in [
            "",
            "Debian",
            "a//b",
            "../x",
            "host.example/../x",
            "user:pass@host.example/app",
            "host.example:99999/app",
            "a b",
            "a?b=c",
            "a#b",
            "app:",
            "app:a/b",
            "app@sha256:00",
            "host.example/",
            "-x.example/app",
            "a%2fb",
        ] {
            assert!(Reference::parse(bad).is_err(), "{bad}");
        }
    }
}
