//! Which namespaces a container gets (namespaces(7); runtime order of joining as in LXC).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{Pid, Uid};
use serde::{Deserialize, Serialize};

use crate::config::{Config, Namespace};
use crate::error::{Context, Error, Result};
use crate::sys::namespace as ns;

/// A set of namespace kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceSet(u64);

impl NamespaceSet {
    /// The set of these kinds.
    pub fn of(kinds: impl IntoIterator<Item = Namespace>) -> Self {
        Self(kinds.into_iter().fold(0, |flags, kind| flags | kind.flag()))
    }

    /// The set of the bits `flags` (`CLONE_NEW*`).
    pub fn from_flags(flags: u64) -> Self {
        Self::of(Namespace::ALL.into_iter().filter(|kind| flags & kind.flag() != 0))
    }

    /// The set that `words` names, with `|` between them: `mnt`, `pid` … in either case, or
    /// `MOUNT`, `UTSNAME`, `NETWORK`.
    pub fn parse(words: &str) -> Result<Self> {
        let kinds = words.split('|').filter(|word| !word.is_empty()).map(|word| {
            let name = match word {
                "MOUNT" => "mnt",
                "UTSNAME" => "uts",
                "NETWORK" => "net",
                other => other,
            };
            Namespace::ALL
                .into_iter()
                .find(|kind| kind.name().eq_ignore_ascii_case(name))
                .ok_or_else(|| {
                    Error::new(format!("{word} is not a namespace"))
                        .hint("there are: MOUNT PID UTSNAME IPC USER NETWORK CGROUP TIME")
                })
        });
        kinds.collect::<Result<Vec<_>>>().map(Self::of)
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The `CLONE_NEW*` bits.
    pub fn flags(self) -> u64 {
        self.0
    }

    /// Whether `kind` is in it.
    pub fn has(self, kind: Namespace) -> bool {
        self.0 & kind.flag() != 0
    }

    /// The set without `kind`.
    #[must_use]
    pub fn without(self, kind: Namespace) -> Self {
        Self(self.0 & !kind.flag())
    }

    /// The kinds in it, in the order of joining.
    pub fn kinds(self) -> impl Iterator<Item = Namespace> {
        Namespace::ALL.into_iter().filter(move |kind| self.has(*kind))
    }

    /// The namespaces that a container with this configuration gets of its own.
    ///
    /// `lxc.namespace.clone` lists them, or `lxc.namespace.keep` those it does not get; else all,
    /// but user only with an id map, time only with an offset, net not when every link is `none`.
    /// Those that it shares with another container are not in the set.
    pub fn for_config(config: &Config) -> Result<Self> {
        if let (Some(_), Some(_)) = (&config.namespace_clone, &config.namespace_keep) {
            return Err(Error::new(
                "lxc.namespace.clone and lxc.namespace.keep exclude each other",
            )
            .at(config.origin("lxc.namespace.keep"))
            .hint("remove one of them"));
        }
        let mut set = match (&config.namespace_clone, &config.namespace_keep) {
            (Some(clone), _) => Self::of(clone.iter().copied()),
            (None, Some(keep)) => {
                let kept = Self::of(keep.iter().copied());
                let of_its_own = |kind: &Namespace| match kind {
                    Namespace::User => config.is_unprivileged(),
                    Namespace::Time => has_time_offset(config),
                    _ => true,
                };
                Self::of(Namespace::ALL.into_iter().filter(of_its_own).filter(|k| !kept.has(*k)))
            }
            (None, None) => {
                let of_its_own = |kind: &Namespace| match kind {
                    Namespace::User => config.is_unprivileged(),
                    Namespace::Time => has_time_offset(config),
                    Namespace::Net => !config.keeps_host_network(),
                    Namespace::Cgroup => Path::new("/proc/self/ns/cgroup").exists(),
                    _ => true,
                };
                Self::of(Namespace::ALL.into_iter().filter(of_its_own))
            }
        };
        if config.is_unprivileged() && !set.has(Namespace::User) {
            return Err(Error::new(
                "lxc.idmap needs a user namespace, and the container gets none",
            )
            .at(config.idmap.first().and_then(|map| map.origin.as_ref()))
            .hint("add user to lxc.namespace.clone, or remove lxc.idmap"));
        }
        if let Some(share) = config.namespace_share.get(&Namespace::User)
            && !config.is_unprivileged()
        {
            return Err(Error::new("lxc.namespace.share.user needs the id map of that namespace")
                .at(share.origin.as_ref())
                .hint("copy the lxc.idmap lines of the other container"));
        }
        for kind in config.namespace_share.keys() {
            set = set.without(*kind);
        }
        Ok(set)
    }
}

fn has_time_offset(config: &Config) -> bool {
    config.time_boot.is_some() || config.time_monotonic.is_some()
}

/// Opens namespace `kind` of process `pid` (`self` for this one).
pub fn open(pid: impl std::fmt::Display, kind: Namespace) -> Result<OwnedFd> {
    let path = format!("/proc/{pid}/ns/{}", kind.name());
    nix::fcntl::open(path.as_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
        .context(|| format!("cannot open {path}"))
}

/// Whether this process is in `namespace`, which is one of `kind`.
pub fn is_ours(namespace: BorrowedFd<'_>, kind: Namespace) -> Result<bool> {
    let found = |fd: BorrowedFd<'_>| {
        fstat(fd)
            .map(|found| (found.st_dev, found.st_ino))
            .context(|| format!("cannot look at a {} namespace", kind.name()))
    };
    Ok(found(namespace)? == found(open("self", kind)?.as_fd())?)
}

/// The namespaces of process `pid` that are not this process's.
pub fn other_than_ours(pid: Pid) -> Result<NamespaceSet> {
    let number = |process: &str, kind: Namespace| {
        let path = format!("/proc/{process}/ns/{}", kind.name());
        match std::fs::read_link(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            result => result.map(Some).context(|| format!("cannot read {path}")),
        }
    };
    let pid = pid.to_string();
    let mut kinds = Vec::new();
    for kind in Namespace::ALL {
        if number("self", kind)? != number(&pid, kind)? {
            kinds.push(kind);
        }
    }
    Ok(NamespaceSet::of(kinds))
}

/// Whether user `uid` of this user namespace has all rights over process `pid`: it is in a user
/// namespace that this user made directly below ours, or further below (user_namespaces(7)).
pub fn belongs_to(pid: Pid, uid: Uid) -> Result<bool> {
    let id = |namespace: &OwnedFd| {
        fstat(namespace).map(|found| found.st_ino).context(|| "cannot look at a user namespace")
    };
    let own = id(&open("self", Namespace::User)?)?;
    let mut namespace = open(pid, Namespace::User)?;
    let mut owner = None;
    while id(&namespace)? != own {
        let failed = || format!("cannot find out who made the user namespace of process {pid}");
        owner = Some(ns::owner(namespace.as_fd()).context(failed)?);
        namespace = match ns::parent(namespace.as_fd()) {
            // It is not below ours.
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => return Ok(false),
            result => result.context(failed)?,
        };
    }
    Ok(owner == Some(uid.as_raw()))
}

/// Whether this process is in the user namespace that the kernel began with.
pub fn in_initial_user_namespace() -> bool {
    /// `PROC_USER_INIT_INO` in linux/proc_ns.h.
    const INITIAL: u64 = 0xefff_fffd;
    std::fs::metadata("/proc/self/ns/user").is_ok_and(|namespace| namespace.ino() == INITIAL)
}

/// Whether the user namespace of process `pid` has an id for user `uid` of this one.
pub fn maps_to_user(pid: Pid, uid: u32) -> Result<bool> {
    let path = format!("/proc/{pid}/uid_map");
    let map = std::fs::read_to_string(&path).context(|| format!("cannot read {path}"))?;
    let uid = u64::from(uid);
    Ok(super::map_lines(&map).any(|(_, first, count)| (first..first + count).contains(&uid)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{IdKind, IdMap, Located, Net, NetKind};

    fn names(config: &Config) -> Vec<&'static str> {
        NamespaceSet::for_config(config).unwrap().kinds().map(Namespace::name).collect()
    }

    #[test]
    fn default_is_all_but_user_and_time() {
        let mut config = Config::default();
        assert_eq!(names(&config), ["mnt", "pid", "uts", "ipc", "net", "cgroup"]);
        config.net.insert(0, Net::new(NetKind::None));
        assert_eq!(names(&config), ["mnt", "pid", "uts", "ipc", "cgroup"]);
        config.net.insert(1, Net::new(NetKind::Empty));
        config.time_boot = Some(1);
        let map = IdMap { kind: IdKind::User, inside: 0, outside: 100_000, range: 65_536 };
        config.idmap.push(Located::new(map, None));
        assert_eq!(names(&config), ["user", "mnt", "pid", "uts", "ipc", "net", "cgroup", "time"]);
    }

    #[test]
    fn words_of_either_kind_name_namespaces() {
        let parse = |words| NamespaceSet::parse(words).unwrap();
        assert_eq!(parse("MOUNT|UTSNAME|NETWORK"), parse("mnt||UTS|Net"));
        assert!(parse("").is_empty());
        for bad in ["mount", "PID,IPC", " PID"] {
            assert!(NamespaceSet::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn clone_and_keep_choose_and_exclude_each_other() {
        let mut config =
            Config { namespace_clone: Some(vec![Namespace::Pid]), ..Config::default() };
        assert_eq!(names(&config), ["pid"]);
        config.namespace_keep = Some(vec![Namespace::Net]);
        assert!(NamespaceSet::for_config(&config).is_err());
        config.namespace_clone = None;
        assert_eq!(names(&config), ["mnt", "pid", "uts", "ipc", "cgroup"]);
    }
}
