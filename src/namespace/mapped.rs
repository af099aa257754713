//! Work on what belongs to a container's ids, by an ordinary user, who may not become them: in a
//! user namespace with the container's maps, where root may do with those ids what the host's root
//! may do with all.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Ids, NamespaceSet, take_in_own};
use crate::config::{IdKind, IdMap, Located, Namespace};
use crate::error::{Context, Result};
use crate::worker::Worker;

/// Runs `act` as root of a user namespace that maps `ids` and, beside them, the caller's own user and
/// group. Ids in there are the container's.
pub fn as_root_of<T: Serialize + DeserializeOwned>(
    ids: Ids<'_>,
    act: impl FnOnce() -> Result<T>,
) -> Result<T> {
    as_root_in(NamespaceSet::of([Namespace::User]), ids, act)
}

/// As [`as_root_of`], where `act` may also mount what nobody else sees.
pub fn as_root_with_mounts<T: Serialize + DeserializeOwned>(
    ids: Ids<'_>,
    act: impl FnOnce() -> Result<T>,
) -> Result<T> {
    as_root_in(NamespaceSet::of([Namespace::User, Namespace::Mnt]), ids, act)
}

fn as_root_in<T: Serialize + DeserializeOwned>(
    namespaces: NamespaceSet,
    ids: Ids<'_>,
    act: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let mut maps: Vec<IdMap> = ids.maps().iter().map(|map| map.value).collect();
    for kind in IdKind::BOTH {
        take_in_own(&mut maps, kind);
    }
    let maps: Vec<Located<IdMap>> = maps.into_iter().map(|map| Located::new(map, None)).collect();
    let worker = Worker { namespaces: namespaces.flags(), within: None };
    worker.run(|pid| Ids::new(&maps).write(pid), || become_root().and_then(|()| act()))
}

/// Does `act`, once more as root of the container's `ids` where an ordinary user alone may not.
pub fn in_reach_of(ids: Ids<'_>, act: impl Fn() -> Result<()>) -> Result<()> {
    match act() {
        Err(error)
            if error.lacks_rights() && !ids.is_empty() && !nix::unistd::geteuid().is_root() =>
        {
            as_root_of(ids, act)
        }
        result => result,
    }
}

/// Becomes root of the user namespace that the process is in.
pub fn become_root() -> Result<()> {
    nix::unistd::setgid(0.into())
        .and_then(|()| nix::unistd::setuid(0.into()))
        .context(|| "cannot become root of the container's user namespace")
}
