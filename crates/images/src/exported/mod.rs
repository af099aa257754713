//! Exported containers: one archive with what they are, `lxc-export.json`; their configuration, as far as it
//! stays inside, `config`, and the rest of it, `config.host`; and below `rootfs` all files, with the ids of
//! the inside.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;

use serde::{Deserialize, Serialize};

use crate::archive::{Entries, Entry, Kind, Reader, Writer};
use crate::{Context, Error, Result};

/// The version of the archive's form.
const VERSION: u32 = 1;
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
        Ok(about)
    }

    /// What is exported here and now, of the container `name`.
    pub fn now(name: &str) -> Self {
        let machine = nix::sys::utsname::uname();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            version: VERSION,
            name: name.to_owned(),
            architecture: machine
                .map(|names| names.machine().to_string_lossy().into_owned())
                .unwrap_or_default(),
            created: now.map_or(0, |now| now.as_secs()),
        }
    }
}

/// Writes the archive of a container, with these `texts` by their names, and all of `source`, whose names
/// begin with [`ROOTFS`].
pub fn write<W: Write>(
    output: W,
    about: &About,
    texts: &[(&str, String)],
    source: &mut impl Entries,
) -> Result<W> {
    let failed = || "cannot write the archive";
    let mut writer = Writer::new(output);
    let text = serde_json::to_vec_pretty(about)
        .map_err(|error| Error::new(format!("cannot describe the container: {error}")))?;
    writer.text(ABOUT, &text).context(failed)?;
    for (name, text) in texts.iter().filter(|(_, text)| !text.is_empty()) {
        writer.text(name, text.as_bytes()).context(failed)?;
    }
    while let Some(entry) = source.next()? {
        writer.entry(&entry, source).context(failed)?;
    }
    require_whole(source.end()?)?;
    writer.finish().context(failed)
}

/// Fails if a source was not `whole`.
pub fn require_whole(whole: bool) -> Result<()> {
    if whole { Ok(()) } else { Err(Error::new("the archive was cut off").hint("it has no end")) }
}

/// An archive that is read: what it says of the container, and then the entries of its root filesystem,
/// whose root is `.`.
#[derive(Debug)]
pub struct Archive<R> {
    reader: Reader<R>,
    /// What it is.
    pub about: About,
    texts: BTreeMap<String, String>,
    /// The first entry of the root filesystem.
    first: Option<Entry>,
}

impl<R: Read> Archive<R> {
    /// Reads what comes before the root filesystem.
    pub fn open(input: R) -> Result<Self> {
        let mut reader = Reader::new(input);
        let mut texts = BTreeMap::new();
        let mut about = None;
        let first = loop {
            let Some(entry) = reader.next()? else { break None };
            if below(&entry.path).is_some() {
                break Some(entry);
            }
            let name = String::from_utf8_lossy(&entry.path).into_owned();
            if about.is_none() && name != ABOUT {
                return Err(not_exported());
            }
            if entry.kind != Kind::File || entry.size > LARGEST {
                return Err(Error::new(format!("the archive has something odd: {name:?}")));
            }
            let mut text = String::new();
            reader.read_to_string(&mut text).context(|| format!("cannot read {name}"))?;
            if about.is_none() {
                about = Some(About::parse(&text)?);
            } else {
                texts.insert(name, text);
            }
        };
        let about = about.ok_or_else(not_exported)?;
        Ok(Self { reader, about, texts, first })
    }

    /// The text called `name`; empty if there is none.
    pub fn text(&self, name: &str) -> &str {
        self.texts.get(name).map(String::as_str).unwrap_or_default()
    }
}

impl<R: Read> Entries for Archive<R> {
    fn next(&mut self) -> Result<Option<Entry>> {
        let next = match self.first.take() {
            Some(first) => Some(first),
            None => self.reader.next()?,
        };
        let Some(mut entry) = next else { return Ok(None) };
        let outside = || Error::new("the archive has something after its root filesystem");
        entry.path = below(&entry.path).ok_or_else(outside)?;
        if let Kind::Hardlink(target) = &entry.kind {
            entry.kind = Kind::Hardlink(below(target).ok_or_else(outside)?);
        }
        Ok(Some(entry))
    }

    fn end(&mut self) -> Result<bool> {
        self.reader.end()
    }

    fn file(&self) -> Option<BorrowedFd<'_>> {
        self.reader.file()
    }
}

impl<R: Read> Read for Archive<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
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
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn what_is_exported_comes_back() {
        let rootfs = testing::Archive::new().dir("rootfs").file("rootfs/a", "text");
        let rootfs = rootfs.hardlink("rootfs/b", "rootfs/a").end();
        let about = About::now("web");
        let texts = [(CONFIG, "lxc.arch = x86_64\n".to_owned()), (HOST_CONFIG, String::new())];
        let archive = write(Vec::new(), &about, &texts, &mut Reader::new(&*rootfs)).unwrap();
        let mut back = Archive::open(&*archive).unwrap();
        assert_eq!(back.about, about);
        assert_eq!(back.text(CONFIG), "lxc.arch = x86_64\n");
        assert_eq!(back.text(HOST_CONFIG), "");
        let mut found = Vec::new();
        while let Some(entry) = back.next().unwrap() {
            found.push((String::from_utf8(entry.path).unwrap(), entry.kind));
        }
        let entry = |path: &str, kind| (path.to_owned(), kind);
        assert_eq!(
            found,
            [
                entry(".", Kind::Dir),
                entry("a", Kind::File),
                entry("b", Kind::Hardlink(b"a".to_vec()))
            ]
        );
        assert!(back.end().unwrap());
    }

    #[test]
    fn what_is_something_else_is_refused() {
        let about = serde_json::to_string(&About::now("web")).unwrap();
        let newer = about.replace("\"version\":1", "\"version\":2");
        let open = |archive: Vec<u8>| Archive::open(&*archive).map(drop);
        let new = testing::Archive::new;
        for archive in [
            new().end(),
            new().dir("rootfs").end(),
            new().file("etc/passwd", "root").end(),
            new().file("config", "").file(ABOUT, &about).end(),
            new().file(ABOUT, &newer).end(),
            new().file(ABOUT, "{}").end(),
            new().file(ABOUT, &about).dir("config").end(),
        ] {
            open(archive).unwrap_err();
        }
        let after = new().file(ABOUT, &about).dir("rootfs").file("etc/x", "").end();
        let mut after = Archive::open(&*after).unwrap();
        assert!(after.next().unwrap().is_some() && after.next().is_err());
        let out = new().file(ABOUT, &about).hardlink("rootfs/x", "config").end();
        assert!(Archive::open(&*out).unwrap().next().is_err());
    }
}
