//! Images that are made here: a layer of the entries of a tree, on top of those of another image or of none.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use serde_json::{Value, json};

use super::Source;
use super::manifest::{Descriptor, Platform};
use crate::archive::{Entries, Writer};
use crate::compression::{Compression, Packer};
use crate::digest::{Digest, Hashing};
use crate::exported::require_whole;
use crate::layers;
use crate::store::{Named, Store};
use crate::{Context, Error, Result};

/// The types of parts, of OCI's and of Docker's images.
const OCI: [&str; 3] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.oci.image.layer.v1.tar",
];
const DOCKER: &str = "application/vnd.docker.";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// A layer that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Its blob.
    pub descriptor: Descriptor,
    /// The digest of the plain archive.
    pub plain: Digest,
    /// How many entries it has.
    pub entries: u64,
}

/// A file in a store that is not a blob yet; it goes with the value.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It may be a blob by now.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Puts a layer of all entries of `source` into `store`.
pub fn layer(store: &Store, source: &mut impl Entries, compression: Compression) -> Result<Built> {
    let Some(end) = compression.of_layer() else {
        return Err(Error::new("a layer cannot be compressed with xz")
            .hint("there are none, gzip and zstd"));
    };
    // What a kill leaves of it is pruned.
    let name = format!("blobs/sha256/.new.{}", std::process::id());
    let unfinished = Unfinished(store.dir().join(name));
    let path = &unfinished.0;
    let failed = || format!("cannot write {}", path.display());
    let file = File::create(path).context(failed)?;
    let output = Hashing::new(BufWriter::with_capacity(256 << 10, file));
    let output = Hashing::new(Packer::new(compression, output).context(failed)?);
    let mut writer = Writer::new(output);
    let mut entries = 0;
    while let Some(entry) = source.next()? {
        writer.entry(&entry, source).context(failed)?;
        entries += 1;
    }
    require_whole(source.end()?)?;
    let (packer, plain, _) = writer.finish().context(failed)?.finish();
    let (mut buffered, digest, size) = packer.finish().context(failed)?.finish();
    buffered.flush().context(failed)?;
    buffered.get_ref().sync_all().context(failed)?;
    let descriptor = descriptor(&format!("{}{end}", OCI[2]), &digest, size);
    let blob = store.layout()?.path(&descriptor);
    std::fs::rename(path, &blob).context(|| format!("cannot write {}", blob.display()))?;
    Ok(Built { descriptor, plain, entries })
}

/// What an image says beside its layers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// What was done.
    pub created_by: String,
    /// A remark.
    pub comment: Option<String>,
    /// What runs in it, of one that has no base.
    pub execution: Option<Value>,
}

/// Gives the image of `layer` on top of `base` the name `name` in `store`.
pub fn image(
    store: &Store,
    name: &str,
    base: Option<&Named>,
    layer: &Built,
    words: &Words,
) -> Result<Digest> {
    let layout = store.layout()?;
    let read = |text: Vec<u8>| {
        serde_json::from_slice::<Value>(&text).map_err(|error| {
            Error::new(format!("the image that it is made from is damaged: {error}"))
        })
    };
    let (mut manifest, mut configuration) = match base {
        Some(base) => {
            let parts = store.parts(base)?;
            (read(layout.document(&parts[0])?)?, read(layout.document(&parts[1])?)?)
        }
        None => new(words),
    };
    let is_docker = manifest["mediaType"].as_str().is_some_and(|kind| kind.starts_with(DOCKER));
    let mut stored = layer.descriptor.clone();
    if is_docker {
        if !stored.media_type.ends_with("+gzip") {
            return Err(Error::new("the image that it is made from is of Docker's form")
                .hint("its layers are compressed with gzip: --compress gzip"));
        }
        DOCKER_LAYER.clone_into(&mut stored.media_type);
    }
    let damaged = || Error::new("the image that it is made from is damaged");
    let now = time_now()?;
    push(&mut configuration["rootfs"]["diff_ids"], json!(layer.plain)).ok_or_else(damaged)?;
    let mut step = json!({"created": now, "created_by": words.created_by});
    if let Some(comment) = &words.comment {
        step["comment"] = json!(comment);
    }
    if configuration.get("history").is_none_or(Value::is_null) {
        configuration["history"] = json!([]);
    }
    push(&mut configuration["history"], step).ok_or_else(damaged)?;
    configuration["created"] = json!(now);
    let text = serde_json::to_vec(&configuration).map_err(|error| Error::new(error.to_string()))?;
    let config = store.add_blob(&text)?;
    manifest["config"]["digest"] = json!(config);
    manifest["config"]["size"] = json!(text.len());
    push(&mut manifest["layers"], json!(stored)).ok_or_else(damaged)?;
    let platform = Platform {
        os: configuration["os"].as_str().unwrap_or("linux").to_owned(),
        architecture: configuration["architecture"].as_str().unwrap_or_default().to_owned(),
        variant: configuration["variant"].as_str().map(str::to_owned),
    };
    let text = serde_json::to_vec(&manifest).map_err(|error| Error::new(error.to_string()))?;
    store.add(name, &text, &platform)
}

/// An image without a layer.
fn new(words: &Words) -> (Value, Value) {
    let host = Platform::host();
    let mut configuration = json!({
        "architecture": host.architecture,
        "os": host.os,
        "rootfs": {"type": "layers", "diff_ids": []},
    });
    if let Some(variant) = &host.variant {
        configuration["variant"] = json!(variant);
    }
    if let Some(execution) = &words.execution {
        configuration["config"] = execution.clone();
    }
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI[0],
        "config": {"mediaType": OCI[1]},
        "layers": [],
    });
    (manifest, configuration)
}

fn push(list: &mut Value, value: Value) -> Option<()> {
    list.as_array_mut()?.push(value);
    Some(())
}

fn descriptor(media_type: &str, digest: &Digest, size: u64) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: digest.clone(),
        size,
        platform: None,
        annotations: None,
    }
}

/// Now, as RFC 3339 has it.
fn time_now() -> Result<String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = now.map_err(|_| Error::new("the clock is before 1970"))?.as_secs();
    Ok(rfc3339(seconds))
}

pub(crate) fn rfc3339(seconds: u64) -> String {
    let (days, time) = (seconds / 86400, seconds % 86400);
    // The civil calendar, by eras of 400 years that begin in March.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) =
        (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + u64::from(month <= 2);
    let (hours, minutes, seconds) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}Z")
}

/// The image of `store` whose layers are the chain `wanted`, by its hexadecimal digits.
pub fn of_chain(store: &Store, wanted: &str) -> Result<Option<Named>> {
    for named in store.images()? {
        // One that is damaged is not it.
        let Ok((_, image)) = store.image(&named) else { continue };
        let top = layers::keys(&image).pop();
        if top.is_some_and(|digest| digest.hex() == wanted) {
            return Ok(Some(named));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Reader;
    use crate::testing::{Archive, Scratch};

    #[test]
    fn times_are_dates() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(rfc3339(4_107_542_399), "2100-02-28T23:59:59Z");
        assert_eq!(rfc3339(1_795_765_015), "2026-11-27T07:36:55Z");
    }

    #[test]
    fn a_layer_comes_on_top() {
        let scratch = Scratch::new("build");
        let store = Store::open(scratch.path()).unwrap();
        let build = |archive: Archive, compression| {
            layer(&store, &mut Reader::new(&*archive.end()), compression).unwrap()
        };
        let first = build(Archive::new().file("a", "one"), Compression::Gzip);
        let words = Words {
            created_by: "test".into(),
            execution: Some(json!({"Cmd": ["/bin/sh"]})),
            ..Words::default()
        };
        image(&store, "x/a:1", None, &first, &words).unwrap();
        let base = store.find("x/a:1").unwrap();
        let second = build(Archive::new().file("b", "two"), Compression::Zstd);
        image(&store, "x/a:2", Some(&base), &second, &words).unwrap();
        let named = store.find("x/a:2").unwrap();
        assert_eq!(store.verify(&named).unwrap(), []);
        let (_, made) = store.image(&named).unwrap();
        assert_eq!(made.configuration.rootfs.diff_ids, [first.plain.clone(), second.plain.clone()]);
        assert_eq!(made.configuration.config.unwrap().cmd.unwrap(), ["/bin/sh"]);
        assert_eq!(made.configuration.history.unwrap().len(), 2);
        let wanted = Digest::of(format!("{} {}", first.plain, second.plain).as_bytes());
        assert_eq!(of_chain(&store, wanted.hex()).unwrap(), Some(named));
        assert_eq!(of_chain(&store, first.plain.hex()).unwrap(), Some(base));
        // A source that fails leaves nothing.
        let cut = Archive::new().file("c", "three").cut();
        layer(&store, &mut Reader::new(&cut[..600]), Compression::Gzip).unwrap_err();
        assert_eq!(store.prune(false).unwrap().blobs, 0);
    }
}
