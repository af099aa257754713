//! Exported containers: one archive with what they are, `lxc-export.json`; their configuration, as far as it
//! stays inside, `config`, and the rest of it, `config.host`; and below `rootfs` all files, with the ids of
//! the inside. Then, if that was asked for, the same of each of its snapshots, below `snapshots/NAME`, with
//! the time and the comment of the snapshot.

mod archive;

use std::collections::BTreeSet;
use std::io::Write;

use lxc_sys::identity::ContainerName;
use serde::{Deserialize, Serialize};

pub use archive::Archive;

use crate::archive::{Entries, Kind, Writer};
use crate::{Context, Error, Result};

/// The newest version of the archive's form: one with snapshots.
const VERSION: u32 = 2;
/// Most snapshots of a container: each may be as large as it.
const MOST_SNAPSHOTS: usize = 1000;
/// What comes first.
pub const ABOUT: &str = "lxc-export.json";
/// The directory of the root filesystem.
pub const ROOTFS: &str = "rootfs";
/// The part of the configuration that stays inside, as images made for LXC have it.
pub const CONFIG: &str = "config";
/// The part that reaches the host.
pub const HOST_CONFIG: &str = "config.host";
/// The mounts that the configuration names.
pub const FSTAB: &str = "fstab.host";
/// The directory of the snapshots.
const SNAPSHOTS: &str = "snapshots";
/// When a snapshot was taken, as its file `ts` has it.
pub const TIME: &str = "ts";
/// What was said of a snapshot.
pub const COMMENT: &str = "comment";
/// What may come before a root filesystem.
const TEXTS: [&str; 5] = [CONFIG, HOST_CONFIG, FSTAB, TIME, COMMENT];
/// Most bytes of each of these.
pub const LARGEST: u64 = 4 << 20;

/// What is exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The form of the archive.
    pub version: u32,
    /// The container's name.
    pub name: String,
    /// The machine that it runs on, as uname(2) calls it.
    pub architecture: String,
    /// When it was exported, seconds since 1970.
    pub created: u64,
    /// Its snapshots, in the order in which they are in the archive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<ContainerName>,
}

impl About {
    /// Reads `text`.
    pub fn parse(text: &str) -> Result<Self> {
        let about: Self = serde_json::from_str(text)
            .map_err(|error| Error::new(format!("{ABOUT} of the archive: {error}")))?;
        if about.version > VERSION {
            return Err(Error::new(format!(
                "the archive has the form {}, and {VERSION} is the newest that is known here",
                about.version
            ))
            .hint("import it with a newer lxc-rs"));
        }
        let names: BTreeSet<&ContainerName> = about.snapshots.iter().collect();
        if names.len() < about.snapshots.len() || names.len() > MOST_SNAPSHOTS {
            return Err(Error::new(format!(
                "the archive has two snapshots of one name, or more than {MOST_SNAPSHOTS}"
            )));
        }
        Ok(about)
    }

    /// What is exported here and now, of the container `name` with these `snapshots`.
    pub fn now(name: &str, snapshots: Vec<ContainerName>) -> Self {
        let machine = nix::sys::utsname::uname();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            // What has none is read by older programs, too.
            version: if snapshots.is_empty() { 1 } else { VERSION },
            name: name.to_owned(),
            architecture: machine
                .map(|names| names.machine().to_string_lossy().into_owned())
                .unwrap_or_default(),
            created: now.map_or(0, |now| now.as_secs()),
            snapshots,
        }
    }
}

/// A container, or a snapshot of one, to be written.
#[derive(Debug)]
pub struct Part<'a, E> {
    /// Its texts, by their names.
    pub texts: Vec<(&'static str, String)>,
    /// All of its files, whose names begin with [`ROOTFS`].
    pub files: &'a mut E,
}

/// Writes the archive of a `container` and of its `snapshots`, which `about` names in this order.
pub fn write<W: Write, E: Entries>(
    output: W,
    about: &About,
    container: Part<'_, E>,
    snapshots: Vec<Part<'_, E>>,
) -> Result<W> {
    let failed = || "cannot write the archive";
    let mut writer = Writer::new(output);
    let text = serde_json::to_vec_pretty(about)
        .map_err(|error| Error::new(format!("cannot describe the container: {error}")))?;
    writer.text(ABOUT, &text).context(failed)?;
    write_part(&mut writer, "", container)?;
    for (name, snapshot) in about.snapshots.iter().zip(snapshots) {
        write_part(&mut writer, &place_of(name), snapshot)?;
    }
    writer.finish().context(failed)
}

/// Where the snapshot `name` is in the archive.
fn place_of(name: &ContainerName) -> String {
    format!("{SNAPSHOTS}/{name}/")
}

/// Writes `part` below the directory `place`.
fn write_part<W: Write, E: Entries>(
    writer: &mut Writer<W>,
    place: &str,
    part: Part<'_, E>,
) -> Result<()> {
    let failed = || "cannot write the archive";
    let Part { texts, files } = part;
    for (name, text) in texts.iter().filter(|(_, text)| !text.is_empty()) {
        writer.text(&format!("{place}{name}"), text.as_bytes()).context(failed)?;
    }
    let placed = |path: &[u8]| [place.as_bytes(), path].concat();
    while let Some(mut entry) = files.next()? {
        entry.path = placed(&entry.path);
        if let Kind::Hardlink(target) = &mut entry.kind {
            *target = placed(target);
        }
        writer.entry(&entry, files).context(failed)?;
    }
    require_whole(files.end()?)
}

/// Fails if a source was not `whole`.
pub fn require_whole(whole: bool) -> Result<()> {
    if whole { Ok(()) } else { Err(Error::new("the archive was cut off").hint("it has no end")) }
}

/// Says that an archive is another one.
pub(crate) fn not_exported() -> Error {
    Error::new("the archive is not one of an exported container").hint(
        "lxc-create -t local takes that of a root filesystem, lxc-create -t oci those of images",
    )
}

/// The name below the root filesystem that `path` of the archive is.
pub(crate) fn below(path: &[u8]) -> Option<Vec<u8>> {
    match path.strip_prefix(ROOTFS.as_bytes())? {
        b"" | b"/" => Some(b".".to_vec()),
        rest => rest.strip_prefix(b"/").map(<[u8]>::to_vec),
    }
}

#[cfg(test)]
mod tests;
