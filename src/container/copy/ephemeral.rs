//! Copies that are started at once and destroyed when they stop: what their configuration has in addition
//! to the source's.

use std::fs::{DirBuilder, File};
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::config::Document;
use crate::error::{Context, Error, Result};
use crate::identity::{ContainerName, Identity};
use crate::storage::copy::owner_and_mode;

/// What is special about a copy that is started at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ephemeral {
    /// Whether the copy is kept when it stops.
    pub keep_data: bool,
    /// Whether what the copy writes is in memory; a reboot empties it.
    pub tmpfs: bool,
    /// Mounts in addition to those of the source.
    pub mounts: Vec<Mount>,
}

/// A mount that only this copy has (`-m`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    kind: Kind,
    from: String,
    to: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bind { read_only: bool },
    Overlay,
}

impl Mount {
    /// Parses `bind=FROM[:TO][:ro|rw]` and `overlay=FROM[:TO]`, separated by commas (lxc-copy(1)).
    pub fn parse_list(text: &str) -> Result<Vec<Self>> {
        text.split(',').map(Self::parse).collect()
    }

    fn parse(text: &str) -> Result<Self> {
        let refuse = |why: &str| {
            Err(Error::new(format!("wrong mount {text}: {why}"))
                .hint("write bind=/FROM[:/TO][:ro|rw] or overlay=/FROM[:/TO]"))
        };
        let Some((kind, paths)) = text.split_once('=') else {
            return refuse("there is no '='");
        };
        let mut words: Vec<&str> = paths.split(':').collect();
        let kind = match (kind, words.last()) {
            ("bind", Some(&"ro")) => Kind::Bind { read_only: true },
            ("bind", _) => Kind::Bind { read_only: false },
            ("overlay", _) => Kind::Overlay,
            _ => return refuse("there are bind and overlay"),
        };
        words.pop_if(|last| matches!(kind, Kind::Bind { .. }) && matches!(*last, "ro" | "rw"));
        let (from, to) = match words[..] {
            [from] => (from, from),
            [from, to] => (from, to),
            _ => return refuse("there are too many ':'"),
        };
        if [from, to].iter().any(|path| !Path::new(path).is_absolute()) {
            return refuse("a path is not absolute");
        }
        Ok(Self { kind, from: from.to_owned(), to: to.to_owned() })
    }

    /// The mount as `lxc.mount.entry`; what it needs in the container's directory is made.
    fn entry(&self, target: &Identity) -> Result<String> {
        let (from, to) = (escaped(&self.from), escaped(self.to.trim_start_matches('/')));
        match self.kind {
            Kind::Bind { read_only } => {
                let how = if read_only { "ro" } else { "rw" };
                let what = if Path::new(&self.from).is_dir() { "dir" } else { "file" };
                Ok(format!("{from} {to} none bind,optional,{how},create={what} 0 0"))
            }
            Kind::Overlay => {
                let upper = make_random(&target.dir(), "delta#")?;
                let work = make_random(&target.dir(), "work#")?;
                let dir =
                    File::open(&self.from).context(|| format!("cannot open {}", self.from))?;
                owner_and_mode(&dir, &upper)?;
                let (upper, work) = (escaped(&text(&upper)), escaped(&text(&work)));
                Ok(format!(
                    "{from} {to} overlay lowerdir={from},upperdir={upper},workdir={work},create=dir"
                ))
            }
        }
    }
}

impl Ephemeral {
    /// Adds what is special to the configuration of the copy `target`.
    pub fn extend(&self, target: &Identity, document: &mut Document) -> Result<()> {
        let options = document.config.rootfs.options.clone();
        let mut set = |key: &str, value: &str| document.set(key, value, "lxc-copy");
        if self.tmpfs {
            let options = options.map_or_else(String::new, |options| format!("{options},"));
            set("lxc.rootfs.options", &format!("{options}upper=tmpfs"))?;
        }
        if !self.keep_data {
            set("lxc.ephemeral", "1")?;
        }
        self.mounts.iter().try_for_each(|mount| set("lxc.mount.entry", &mount.entry(target)?))
    }
}

/// A name for a copy of `source` that the user gave none: the source's name, and a random word.
pub fn random_name(source: &ContainerName) -> Result<ContainerName> {
    ContainerName::new(format!("{source}_{}", random_word()?))
}

fn make_random(dir: &Path, prefix: &str) -> Result<PathBuf> {
    let path = dir.join(format!("{prefix}{}", random_word()?));
    DirBuilder::new()
        .mode(0o755)
        .create(&path)
        .context(|| format!("cannot create the directory {}", path.display()))?;
    Ok(path)
}

/// Six letters and digits.
fn random_word() -> Result<String> {
    const LETTERS: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZab";
    let mut bytes = [0; 6];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context(|| "cannot read /dev/urandom")?;
    Ok(bytes.map(|byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()])).iter().collect())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// `word` with its blanks escaped as in fstab(5), where blanks separate fields.
pub(in crate::container) fn escaped(word: &str) -> String {
    word.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_parsed_as_the_manual_has_them() {
        let mounts = Mount::parse_list("bind=/a b:/d:ro,bind=/e,overlay=/f:/g").unwrap();
        let target = Identity::new("/none", ContainerName::new("x").unwrap());
        assert_eq!(
            mounts[0].entry(&target).unwrap(),
            "/a\\040b d none bind,optional,ro,create=file 0 0"
        );
        assert_eq!(mounts[1].to, "/e");
        assert_eq!(mounts[2].kind, Kind::Overlay);
        for bad in ["bind", "bind=rel", "nfs=/a", "bind=/a:/b:/c", "overlay=/a:ro", ""] {
            assert!(Mount::parse_list(bad).is_err(), "{bad}");
        }
    }
}
