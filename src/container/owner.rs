//! A container with id maps whose root filesystem is not mounted with them: what is made for it belongs
//! to its root on the host, and its template runs as that root.

use std::ffi::OsString;
use std::path::Path;

use nix::unistd::{Gid, Uid, chown};

use crate::config::{Config, IdKind, IdMap, Located, Namespace};
use crate::container::unshare::{Request, spawn};
use crate::error::{Context, Result};
use crate::init::command;
use crate::mount::rootfs;
use crate::namespace::mapped::as_root_of;
use crate::namespace::{Ids, NamespaceSet, take_in_own};

/// The container's root.
pub(super) struct Owner {
    /// On the host.
    uid: Uid,
    gid: Gid,
    /// The container's maps, and the caller's own ids, for what only they may read and write.
    maps: Vec<Located<IdMap>>,
    /// The caller's own ids inside.
    own: (u32, u32),
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

    /// Makes it the owner of `path`.
    pub fn give(&self, path: &Path) -> Result<()> {
        self.give_to(path, self.gid, Some(Gid::from_raw(0)))
    }

    /// Makes it the owner of the container's directory. An ordinary user, who makes it, keeps the
    /// group, and with it the right to write there.
    pub fn give_home(&self, path: &Path) -> Result<()> {
        self.give_to(path, self.gid, None)
    }

    /// `group`: of the host where its root gives, `inside` where an ordinary user does.
    fn give_to(&self, path: &Path, group: Gid, inside: Option<Gid>) -> Result<()> {
        let failed =
            || format!("cannot give {} to the container's root ({})", path.display(), self.uid);
        if nix::unistd::geteuid().is_root() {
            return chown(path, Some(self.uid), Some(group)).what(failed);
        }
        as_root_of(Ids::new(&self.maps), || chown(path, Some(0.into()), inside).what(failed))
    }

    /// Makes it the owner of the directories that a back-end made in the container's, `home`.
    pub fn give_storage(&self, home: &Path) -> Result<()> {
        let made =
            ["rootfs", "overlay", "overlay/delta", "overlay/work"].map(|name| home.join(name));
        made.iter().filter(|path| path.exists()).try_for_each(|path| self.give(path))
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
