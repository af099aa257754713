//! A container with id maps whose root filesystem is not mounted with them: its root filesystem belongs
//! to its root on the host, and its template runs as that root. The directory and everything else in it
//! belong to the caller: hooks in the configuration run on the host.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, chown, getegid, geteuid};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::reclaim::reclaim;
use crate::config::{Config, IdKind, IdMap, Located, Namespace};
use crate::container::unshare::{Request, spawn};
use crate::error::{Context, Result};
use crate::init::command;
use crate::mount::rootfs;
use crate::namespace::mapped::{as_root_of, as_root_with_mounts};
use crate::namespace::{Ids, NamespaceSet, take_in_own};

/// What a back-end makes in the container's directory for the container's root.
const STORAGE: [&str; 3] = ["rootfs", "overlay/delta", "overlay/work"];

/// The container's root.
pub(super) struct Owner {
    /// Its user id on the host.
    uid: Uid,
    gid: Gid,
    /// The container's maps, and the caller's own ids, for files that only the caller may read and write.
    maps: Vec<Located<IdMap>>,
    /// The caller's own ids inside.
    own: (u32, u32),
}

/// Both owners, by the ids that they have where the owners of files are changed.
struct Owners {
    /// The container's root.
    root: (Uid, Gid),
    caller: (Uid, Gid),
}

impl Owner {
    /// The owner of what is made for a container with `config`; `None` where that is the caller.
    pub fn of(config: &Config) -> Result<Option<Self>> {
        let ids = Ids::of(config);
        if ids.is_empty() || rootfs::options(config)?.idmap.is_some() {
            return Ok(None);
        }
        ids.check()?;
        let (uid, gid) = ids.root();
        let mut maps: Vec<IdMap> = config.idmap.iter().map(|map| map.value).collect();
        let own = (take_in_own(&mut maps, IdKind::User), take_in_own(&mut maps, IdKind::Group));
        Ok(Some(Self {
            uid: Uid::from_raw(uid),
            gid: Gid::from_raw(gid),
            maps: maps.into_iter().map(|map| Located::new(map, None)).collect(),
            own,
        }))
    }

    /// Runs `act` where it may change owners: on the host as root, in a user namespace as an ordinary
    /// user.
    fn act(&self, act: impl FnOnce(&Owners) -> Result<()>) -> Result<()> {
        if geteuid().is_root() {
            return act(&Owners { root: (self.uid, self.gid), caller: (geteuid(), getegid()) });
        }
        let inside = |(uid, gid)| (Uid::from_raw(uid), Gid::from_raw(gid));
        let owners = Owners { root: inside((0, 0)), caller: inside(self.own) };
        as_root_of(Ids::new(&self.maps), || act(&owners))
    }

    /// Does `act`, which makes or changes files of the container's ids: as an ordinary user in a user
    /// namespace that has those ids and the caller's, and a mount namespace.
    pub fn within<T: Serialize + DeserializeOwned>(
        &self,
        act: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        if geteuid().is_root() {
            return act();
        }
        as_root_with_mounts(Ids::new(&self.maps), act)
    }

    /// Makes the container's root the owner of `path`.
    pub fn chown(&self, path: &Path) -> Result<()> {
        self.act(|Owners { root: (uid, gid), .. }| {
            chown(path, Some(*uid), Some(*gid)).context(|| {
                format!("cannot give {} to the container's root ({})", path.display(), self.uid)
            })
        })
    }

    /// Lets the container's root pass through the container's directory, `home`, and no more: the
    /// directory belongs to the caller.
    pub fn allow_traversal(&self, home: &Path) -> Result<()> {
        let failed =
            || format!("cannot let the container's root ({}) through {}", self.uid, home.display());
        std::fs::set_permissions(home, PermissionsExt::from_mode(0o710)).context(failed)?;
        self.act(|Owners { root, caller }| {
            chown(home, Some(caller.0), Some(root.1)).context(failed)
        })
    }

    /// Makes the container's root the owner of what a back-end made in the container's directory,
    /// `home`.
    pub fn chown_storage(&self, home: &Path) -> Result<()> {
        let made = STORAGE.map(|name| home.join(name));
        made.iter().filter(|path| path.exists()).try_for_each(|path| self.chown(path))
    }

    /// Makes the caller the owner of everything that the template made in the container's directory,
    /// `home`, except for the root filesystems `roots`.
    pub fn chown_back(&self, home: &Path, roots: &[PathBuf]) -> Result<()> {
        let mut kept = STORAGE.map(|name| home.join(name)).to_vec();
        kept.extend_from_slice(roots);
        self.act(|Owners { caller, .. }| reclaim(home, &kept, *caller))
    }

    /// Runs the template's `words` as the container's root; its exit code.
    pub fn run(&self, words: Vec<OsString>, quiet: bool) -> Result<i32> {
        let mut command: Vec<OsString> = Vec::new();
        if quiet {
            command.extend(
                ["/bin/sh", "-c", "exec \"$@\" </dev/null >/dev/null 2>&1", "sh"].map(Into::into),
            );
        }
        command.extend(words);
        for (option, id) in [("--mapped-uid", self.own.0), ("--mapped-gid", self.own.1)] {
            command.extend([option.into(), id.to_string().into()]);
        }
        let child = spawn(&Request {
            command: &command,
            namespaces: NamespaceSet::of([Namespace::User, Namespace::Mnt]),
            ids: Ids::new(&self.maps),
            uid: Some(0),
            gid: Some(0),
            hostname: None,
            links: &[],
            remount: false,
        })?;
        command::wait(child)
    }
}
