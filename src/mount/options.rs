//! Mount options as fstab(5) and `lxc.mount.entry` write them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::sys::mount::{MountAttr, attr};

use super::root::Missing;

/// The options of one mount, sorted by who acts on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// A bind mount, and whether of the whole tree.
    pub bind: Option<Recursive>,
    /// A change of an existing mount.
    pub remount: bool,
    /// The source is moved instead of bound.
    pub moved: bool,
    /// Attributes to set (`MOUNT_ATTR_*`).
    pub set: u64,
    /// Attributes to clear.
    pub clear: u64,
    /// Propagation (`MS_SHARED`, …) and whether of the whole tree.
    pub propagation: Option<(u64, Recursive)>,
    /// Super block options, in order; a value after `=`.
    pub data: Vec<(String, Option<String>)>,
    /// `create=dir`, `create=file`.
    pub create: Option<Missing>,
    /// `optional`: its failure does not fail the start.
    pub optional: bool,
    /// `relative`: the source is below the rootfs.
    pub relative: bool,
    /// `idmap=`.
    pub idmap: Option<MountIds>,
}

/// Whether an operation is about a mount, or also about those below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recursive {
    /// The mount only.
    #[default]
    No,
    /// The whole tree.
    Yes,
}

/// Whose ids an idmapped mount shows (`mount_setattr(2)`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountIds {
    /// `idmap=container`: those of the container's user namespace.
    Container,
    /// `idmap=/proc/PID/ns/user`: those of that user namespace.
    Of(PathBuf),
}

impl Options {
    /// Parses a comma-separated list.
    pub fn parse(text: &str) -> Result<Self> {
        let mut options = Self::default();
        for word in words(text).into_iter().filter(|word| !word.is_empty()) {
            options.add(word)?;
        }
        Ok(options)
    }

    fn add(&mut self, word: &str) -> Result<()> {
        if self.add_attribute(word) || self.add_propagation(word) || is_for_user_space(word) {
            return Ok(());
        }
        match word {
            "relatime" | "norelatime" => {}
            "bind" => self.bind = Some(Recursive::No),
            "rbind" => self.bind = Some(Recursive::Yes),
            "remount" => self.remount = true,
            "move" => self.moved = true,
            "optional" => self.optional = true,
            "relative" => self.relative = true,
            "create=dir" => self.create = Some(Missing::Dir),
            "create=file" => self.create = Some(Missing::File),
            _ if word.starts_with("create=") => {
                return Err(Error::new(format!("unknown mount option {word}"))
                    .hint("write create=dir or create=file"));
            }
            "idmap=container" => self.idmap = Some(MountIds::Container),
            // Flags of the super block with names that fsconfig(2) knows, and everything that only
            // the file system itself understands.
            _ => match word.split_once('=') {
                Some(("idmap", path)) => self.idmap = Some(MountIds::Of(path.into())),
                Some((key, value)) => self.data.push((key.into(), Some(value.into()))),
                None => self.data.push((word.into(), None)),
            },
        }
        Ok(())
    }

    fn add_attribute(&mut self, word: &str) -> bool {
        let (set, clear) = match word {
            "ro" => (attr::RDONLY, 0),
            "rw" => (0, attr::RDONLY),
            "nosuid" => (attr::NOSUID, 0),
            "suid" => (0, attr::NOSUID),
            "nodev" => (attr::NODEV, 0),
            "dev" => (0, attr::NODEV),
            "noexec" => (attr::NOEXEC, 0),
            "exec" => (0, attr::NOEXEC),
            "noatime" => (attr::NOATIME, attr::ATIME_MASK),
            "strictatime" => (attr::STRICTATIME, attr::ATIME_MASK),
            "atime" | "nostrictatime" => (0, attr::ATIME_MASK),
            "nodiratime" => (attr::NODIRATIME, 0),
            "diratime" => (0, attr::NODIRATIME),
            "nosymfollow" => (attr::NOSYMFOLLOW, 0),
            "symfollow" => (0, attr::NOSYMFOLLOW),
            _ => return false,
        };
        self.set = (self.set & !clear) | set;
        self.clear = (self.clear & !set) | clear;
        true
    }

    fn add_propagation(&mut self, word: &str) -> bool {
        let (word, recursive) = match word.strip_prefix('r') {
            Some(word) => (word, Recursive::Yes),
            None => (word, Recursive::No),
        };
        let flag = match word {
            "private" => libc::MS_PRIVATE,
            "shared" => libc::MS_SHARED,
            "slave" => libc::MS_SLAVE,
            "unbindable" => libc::MS_UNBINDABLE,
            _ => return false,
        };
        self.propagation = Some((flag, recursive));
        true
    }

    /// Adds flags of mount(2). Those that change an existing mount are refused.
    pub fn add_flags(&mut self, flags: u64) -> Result<()> {
        const ATTRIBUTES: [(u64, &str); 7] = [
            (libc::MS_RDONLY, "ro"),
            (libc::MS_NOSUID, "nosuid"),
            (libc::MS_NODEV, "nodev"),
            (libc::MS_NOEXEC, "noexec"),
            (libc::MS_NOATIME, "noatime"),
            (libc::MS_NODIRATIME, "nodiratime"),
            (libc::MS_STRICTATIME, "strictatime"),
        ];
        // MS_SILENT and MS_RELATIME (the default) change nothing.
        let mut known = libc::MS_BIND | libc::MS_REC | libc::MS_SILENT | libc::MS_RELATIME;
        for (flag, word) in ATTRIBUTES {
            known |= flag;
            if flags & flag != 0 {
                self.add(word)?;
            }
        }
        if flags & !known != 0 {
            let unknown = flags & !known;
            return Err(Error::new(format!("a new mount cannot have the flags {unknown:#x}")));
        }
        if flags & libc::MS_BIND != 0 {
            let whole = flags & libc::MS_REC != 0;
            self.bind = Some(if whole { Recursive::Yes } else { Recursive::No });
        }
        Ok(())
    }

    /// The attributes as `mount_setattr(2)` takes them.
    pub fn attributes(&self) -> MountAttr {
        MountAttr { set: self.set, clear: self.clear, ..MountAttr::default() }
    }
}

/// The words of a list with commas between; a backslash keeps one in a value, as overlay's layers may
/// need.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut begin = 0;
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        if character == ',' && !escaped {
            words.push(&text[begin..at]);
            begin = at + 1;
        }
        escaped = character == '\\' && !escaped;
    }
    words.push(&text[begin..]);
    words
}

/// Whether an option is for mount(8) and its like, and means nothing to the kernel (fstab(5), mount(8)).
fn is_for_user_space(word: &str) -> bool {
    const FLAGS: [&str; 18] = [
        "defaults",
        "auto",
        "noauto",
        "nofail",
        "user",
        "nouser",
        "users",
        "nousers",
        "owner",
        "noowner",
        "group",
        "nogroup",
        "_netdev",
        "loop",
        "silent",
        "loud",
        "iversion",
        "noiversion",
    ];
    let name = word.split('=').next().unwrap_or(word);
    FLAGS.contains(&word)
        || matches!(name, "comment" | "loop" | "helper" | "uhelper")
        || name.starts_with("x-")
        || name.starts_with("X-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_words_win() {
        let options = Options::parse("ro,nosuid,rw,noatime,strictatime").unwrap();
        assert_eq!(options.set, attr::NOSUID | attr::STRICTATIME);
        assert_eq!(options.clear & attr::RDONLY, attr::RDONLY);
    }

    #[test]
    fn sorts_words_by_who_acts_on_them() {
        let options =
            Options::parse("rbind,create=dir,optional,size=1m,rslave,idmap=container,acl").unwrap();
        assert_eq!(options.bind, Some(Recursive::Yes));
        assert_eq!(options.create, Some(Missing::Dir));
        assert!(options.optional && !options.relative);
        assert_eq!(options.propagation, Some((libc::MS_SLAVE, Recursive::Yes)));
        assert_eq!(options.idmap, Some(MountIds::Container));
        assert_eq!(options.data, [("size".into(), Some("1m".into())), ("acl".into(), None)]);
        assert!(Options::parse("create=pipe").is_err());
    }

    #[test]
    fn words_for_user_space_go_no_further() {
        let text = "defaults,noauto,nofail,_netdev,user,users,owner,group,x-systemd.automount,\
                    x-a=b,X-mount.mkdir=0700,comment=mine,loop,loop=/dev/loop1,ro,size=1m";
        let options = Options::parse(text).unwrap();
        assert_eq!(options.data, [("size".into(), Some("1m".into()))]);
        assert_eq!(options.set, attr::RDONLY);
    }

    #[test]
    fn a_backslash_keeps_a_comma() {
        let options = Options::parse("lowerdir=/a\\,b:/c,upperdir=/d\\\\,xino=off").unwrap();
        let data: Vec<_> = options.data.iter().map(|(_, value)| value.clone().unwrap()).collect();
        assert_eq!(data, ["/a\\,b:/c", "/d\\\\", "off"]);
    }
}
