//! Manifests, indexes and configurations: what of them is read here (OCI image specification; Docker's
//! image manifest version 2, schema 2).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::{Error, Result};

/// Most bytes of a manifest or index, as registries take them.
pub const LARGEST: u64 = 4 << 20;

/// What a manifest, index or configuration names by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    #[serde(default)]
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size, bytes.
    pub size: u64,
    /// What it runs on, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Free text, such as the tag in a directory's index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// What an image runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`.
    #[serde(default)]
    pub os: String,
    /// As Go calls it: `amd64`, `arm64`, `arm`, ….
    #[serde(default)]
    pub architecture: String,
    /// `v7`, ….
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A manifest or an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// One image: its configuration and its layers, the lowest first.
    Manifest(Descriptor, Vec<Descriptor>),
    /// Images to choose from.
    Index(Vec<Descriptor>),
}

impl Document {
    /// Reads `text`.
    pub fn parse(text: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Either {
            schema_version: u64,
            config: Option<Descriptor>,
            layers: Option<Vec<Descriptor>>,
            manifests: Option<Vec<Descriptor>>,
        }
        let no_manifest = |why: String| Error::new(format!("no manifest of an image: {why}"));
        let either: Either =
            serde_json::from_slice(text).map_err(|error| no_manifest(error.to_string()))?;
        match either {
            Either {
                schema_version: 2,
                config: Some(config),
                layers: Some(layers),
                manifests: None,
            } => Ok(Self::Manifest(config, layers)),
            Either { schema_version: 2, manifests: Some(all), config: None, layers: None } => {
                Ok(Self::Index(all))
            }
            Either { schema_version: 1, .. } => Err(no_manifest("schema 1 is too old".into())
                .hint("push the image again with a current program")),
            _ => Err(no_manifest("it has neither layers nor manifests, or both".into())),
        }
    }
}

/// The configuration of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Configuration {
    /// What to run, and how.
    #[serde(default)]
    pub config: Option<Execution>,
    /// Its layers.
    pub rootfs: Rootfs,
    /// How it was made, the first step first.
    #[serde(default)]
    pub history: Option<Vec<Step>>,
    /// What it runs on.
    #[serde(flatten)]
    pub platform: Platform,
}

/// A step in the making of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Step {
    /// When (RFC 3339).
    pub created: Option<String>,
    /// The command.
    pub created_by: Option<String>,
    /// Whether it made no layer.
    pub empty_layer: bool,
    /// A remark.
    pub comment: Option<String>,
}

/// The layers of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Rootfs {
    /// The digests of the plain layers, the lowest first.
    pub diff_ids: Vec<Digest>,
}

/// What to run, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Execution {
    /// `USER`, `UID`, `USER:GROUP`, ….
    pub user: Option<String>,
    /// Variables, `NAME=VALUE` each.
    pub env: Option<Vec<String>>,
    /// What is run first.
    pub entrypoint: Option<Vec<String>>,
    /// Its arguments, or the command.
    pub cmd: Option<Vec<String>>,
    /// Where.
    pub working_dir: Option<String>,
    /// The signal that asks it to end.
    pub stop_signal: Option<String>,
    /// Ports on which it listens, `PORT/PROTOCOL` each.
    pub exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
    /// Directories for data.
    pub volumes: Option<BTreeMap<String, serde_json::Value>>,
}

impl Configuration {
    /// Reads `text`.
    pub fn parse(text: &[u8]) -> Result<Self> {
        serde_json::from_slice(text)
            .map_err(|error| Error::new(format!("no configuration of an image: {error}")))
    }
}

impl Platform {
    /// This host's.
    pub fn host() -> Self {
        let machine = nix::sys::utsname::uname()
            .map(|names| names.machine().to_string_lossy().into_owned())
            .unwrap_or_default();
        Self::of_machine(&machine)
    }

    /// That of a machine as uname(2) calls it.
    fn of_machine(machine: &str) -> Self {
        let (architecture, variant) = match machine {
            "x86_64" => ("amd64", None),
            "aarch64" => ("arm64", Some("v8")),
            "armv8l" | "armv7l" => ("arm", Some("v7")),
            "armv6l" => ("arm", Some("v6")),
            "i386" | "i486" | "i586" | "i686" => ("386", None),
            "loongarch64" => ("loong64", None),
            other => (other, None),
        };
        Self {
            os: "linux".into(),
            architecture: architecture.into(),
            variant: variant.map(str::to_owned),
        }
    }

    /// Reads `OS/ARCHITECTURE[/VARIANT]`, or an architecture alone.
    pub fn parse(text: &str) -> Result<Self> {
        let words: Vec<&str> = text.split('/').collect();
        let variant = |text: &str| Some(text.to_owned());
        let (os, architecture, variant) = match *words {
            [architecture] => ("linux", architecture, None),
            [os, architecture] => (os, architecture, None),
            [os, architecture, third] => (os, architecture, variant(third)),
            _ => {
                return Err(
                    Error::new(format!("{text} is not a platform")).hint("one is linux/arm64")
                );
            }
        };
        // Also the kernel's names.
        let known = Self::of_machine(architecture);
        Ok(Self { os: os.into(), variant: variant.or(known.variant), ..known })
    }

    /// Refuses an image for this platform if one for `wanted` was asked for. Not every configuration names a
    /// platform, and few name the variant, which is not compared.
    pub fn require(&self, wanted: &Self) -> Result<()> {
        let known = !self.os.is_empty() && !self.architecture.is_empty();
        if known && (&self.os, &self.architecture) != (&wanted.os, &wanted.architecture) {
            return Err(Error::new(format!("the image is for {self}, not for {wanted}"))
                .hint(format!("to have it all the same: --platform {self}")));
        }
        Ok(())
    }

    /// How well an image for `other` runs here, lower is better; `None` if it does not.
    fn rank(&self, other: &Self) -> Option<u32> {
        if (self.os != other.os) || self.architecture != other.architecture {
            return None;
        }
        let level = |platform: &Self| {
            let default = if platform.architecture == "arm64" { "v8" } else { "" };
            let text = platform.variant.as_deref().unwrap_or(default);
            text.trim_start_matches('v').parse::<u32>().ok()
        };
        match (level(self), level(other)) {
            (Some(own), Some(others)) => own.checked_sub(others),
            (_, None) => Some(100),
            // A newer level than the lowest, which is what this host is taken for.
            (None, Some(others)) => (others <= 1).then_some(0),
        }
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}

/// The image of an index that runs best on `platform`.
pub fn choose<'a>(index: &'a [Descriptor], platform: &Platform) -> Result<&'a Descriptor> {
    // One without a platform says so in its configuration.
    if let [only] = index
        && only.platform.is_none()
    {
        return Ok(only);
    }
    let ranked = index
        .iter()
        .filter_map(|descriptor| Some((platform.rank(descriptor.platform.as_ref()?)?, descriptor)));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, descriptor)| descriptor).ok_or_else(|| {
        let mut there: Vec<String> = index
            .iter()
            .filter_map(|descriptor| descriptor.platform.as_ref())
            .filter(|platform| platform.os != "unknown")
            .map(ToString::to_string)
            .collect();
        there.sort();
        there.dedup();
        Error::new(format!("there is no image for {platform}"))
            .hint(format!("there are: {}; choose with --platform", there.join(" ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(platforms: &[&str]) -> Vec<Descriptor> {
        let of = |(number, text): (usize, &&str)| {
            let words: Vec<&str> = text.split('/').collect();
            Descriptor {
                media_type: String::new(),
                digest: Digest::of(&[u8::try_from(number).unwrap()]),
                size: 1,
                platform: Some(Platform {
                    os: words[0].into(),
                    architecture: words[1].into(),
                    variant: words.get(2).map(|text| (*text).to_owned()),
                }),
                annotations: None,
            }
        };
        platforms.iter().enumerate().map(of).collect()
    }

    #[test]
    fn the_best_platform_is_chosen() {
        let chosen = |machine: &str, platforms: &[&str]| {
            let index = index(platforms);
            let found = choose(&index, &Platform::of_machine(machine)).ok()?;
            found.platform.as_ref().map(ToString::to_string)
        };
        let usual =
            &["unknown/unknown", "linux/arm/v6", "linux/arm/v7", "linux/arm64/v8", "linux/amd64"];
        assert_eq!(chosen("x86_64", usual).unwrap(), "linux/amd64");
        assert_eq!(chosen("aarch64", usual).unwrap(), "linux/arm64/v8");
        assert_eq!(chosen("armv7l", usual).unwrap(), "linux/arm/v7");
        assert_eq!(chosen("armv6l", usual).unwrap(), "linux/arm/v6");
        assert_eq!(chosen("armv7l", &["linux/arm/v5", "linux/arm/v6"]).unwrap(), "linux/arm/v6");
        assert_eq!(chosen("x86_64", &["linux/amd64/v3", "linux/amd64"]).unwrap(), "linux/amd64");
        assert_eq!(chosen("aarch64", &["linux/arm64"]).unwrap(), "linux/arm64");
        assert_eq!(chosen("armv6l", &["linux/arm/v7"]), None);
        let error = choose(&index(usual), &Platform::of_machine("riscv64")).unwrap_err();
        assert!(error.hint.unwrap().contains("linux/amd64 linux/arm/v6"));
    }

    #[test]
    fn platforms_are_read() {
        let read = |text| Platform::parse(text).map(|platform| platform.to_string());
        assert_eq!(read("linux/arm/v6").unwrap(), "linux/arm/v6");
        assert_eq!(read("x86_64").unwrap(), "linux/amd64");
        assert_eq!(read("armv7l").unwrap(), "linux/arm/v7");
        assert!(read("a/b/c/d").is_err());
    }

    #[test]
    fn what_is_both_or_neither_is_refused() {
        let digest = Digest::of(b"");
        let descriptor = format!("{{\"digest\":\"{digest}\",\"size\":1}}");
        let parse = |text: &str| Document::parse(text.as_bytes());
        assert!(matches!(
            parse(&format!("{{\"schemaVersion\":2,\"config\":{descriptor},\"layers\":[]}}")),
            Ok(Document::Manifest(..))
        ));
        assert!(matches!(parse("{\"schemaVersion\":2,\"manifests\":[]}"), Ok(Document::Index(_))));
        for text in [
            format!("{{\"schemaVersion\":2,\"config\":{descriptor},\"layers\":[],\"manifests\":[]}}"),
            "{\"schemaVersion\":2}".to_owned(),
            "{\"schemaVersion\":1,\"fsLayers\":[]}".to_owned(),
            "{\"schemaVersion\":2,\"config\":{\"digest\":\"sha256:../x\",\"size\":1},\"layers\":[]}".to_owned(),
            "[]".to_owned(),
        ] {
            assert!(parse(&text).is_err(), "{text}");
        }
    }
}
