//! Giving the files of a container to the ids that its configuration maps, or that it gets.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::fstat;
use nix::unistd::geteuid;

use super::list::{self, require_defined};
use super::operation::Operation;
use super::operation::mark::{Mark, Unfinished};
use super::operation::shifting::{self, Shifting};
use super::{dependents, ids, interruption};
use crate::config::{Config, Document, IdKind, IdMap};
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::mount::rootfs;
use crate::namespace::{Ids, granted, own_id};
use crate::storage::copy::{Progress, Watch};
use crate::storage::shift::{Outcome, Shift};
use crate::storage::{self, RootfsMount};

/// The tool's name in messages.
const TOOL: &str = "lxc-rs shift";

/// The ids of the host as a container without a user namespace has them.
const HOST: [IdMap; 2] = [
    IdMap { kind: IdKind::User, inside: 0, outside: 0, range: u32::MAX },
    IdMap { kind: IdKind::Group, inside: 0, outside: 0, range: u32::MAX },
];

/// What to shift.
#[derive(Clone)]
pub struct Request<'a> {
    /// The container.
    pub identity: Identity,
    /// The ids that its files have now, instead of those that the owner of its root directory suggests.
    /// Empty: the host's.
    pub from: Option<Vec<IdMap>>,
    /// Whether it gets a range of ids of its own.
    pub own_ids: bool,
    /// Called with the progress several times a second.
    pub report: Option<&'a (dyn Fn(Progress) + Sync)>,
}

/// Shifts the files of a container that does not run to the ids that they are to have on the disk: those
/// of `lxc.idmap`, or the host's where they are mounted with other ids. If this is killed, the next
/// command that needs the container's files completes it.
pub fn shift(request: &Request<'_>) -> Result<Outcome> {
    let identity = &request.identity;
    require_defined(identity)?;
    let _operation = Operation::begin(identity, TOOL)?;
    let mut document = Document::load(&identity.config_file())?;
    let from = match &request.from {
        Some(maps) if maps.is_empty() => HOST.to_vec(),
        Some(maps) => maps.clone(),
        None => found(&document.config)?,
    };
    let given = request.own_ids.then(|| ids::give(&identity.lxcpath)).transpose()?;
    let before = document.config.rootfs.options.clone();
    let mut shifting = Shifting { from, ..Shifting::default() };
    if let Some(given) = &given {
        ids::set_maps(&mut document, &given.maps)?;
        let root = document.config.rootfs.path.as_ref().map(|path| PathBuf::from(&path.source));
        ids::show_inside(&mut document, root.is_some_and(|root| ids::can_show_at(&root)))?;
        shifting.maps = given.maps.to_vec();
        let options = document.config.rootfs.options.clone();
        shifting.options = options.filter(|options| before.as_ref() != Some(options));
    }
    let config = &document.config;
    Ids::of(config).check()?;
    granted::check(Ids::of(config))?;
    shifting.to = on_disk(config)?;
    if Shift::new(&shifting.from, &shifting.to)?.is_idle() {
        if given.is_some() {
            document.save(&identity.config_file())?;
        }
        return Ok(Outcome::default());
    }
    refuse_dependents(identity, config)?;
    if !geteuid().is_root() {
        shifting::check(&shifting)?;
    }
    shifting::directories(config, &identity.dir())?;
    let interrupted = interruption::guard()?;
    shifting::forget(identity)?;
    let mark = Mark::make(identity, &Unfinished::Shift(Box::new(shifting.clone())))?;
    document.save(&identity.config_file())?;
    drop(given);
    let watch = Watch { interrupted: Some(interrupted), report: request.report };
    shifting::complete(identity, mark, &shifting, watch)
}

/// The ids that the files of a container with `config` are to have on the disk.
pub(super) fn on_disk(config: &Config) -> Result<Vec<IdMap>> {
    if config.idmap.is_empty() || rootfs::options(config)?.idmap.is_some() {
        return Ok(HOST.to_vec());
    }
    Ok(config.idmap.iter().map(|map| map.value).collect())
}

/// Whether these are the ids of the host.
pub(super) fn is_of_host(maps: &[IdMap]) -> bool {
    maps == HOST
}

/// The ids that the files seem to have: the owner of the root directory is root inside.
fn found(config: &Config) -> Result<Vec<IdMap>> {
    let (uid, gid) = root_owner(config)?
        .ok_or_else(|| Error::new("the container has no root filesystem of its own"))?;
    let is_root = |maps: &[IdMap]| root_of(maps) == Some((uid, gid));
    let wanted = on_disk(config)?;
    let mapped: Vec<IdMap> = config.idmap.iter().map(|map| map.value).collect();
    if let Some(maps) = [wanted, HOST.to_vec(), mapped.clone()].into_iter().find(|it| is_root(it)) {
        return Ok(maps);
    }
    // As many ids as there are now.
    let count = |kind| {
        let of_kind = mapped.iter().filter(|map| map.kind == kind);
        of_kind.map(|map| map.inside + map.range).max().unwrap_or(ids::COUNT)
    };
    let map = |kind, outside| {
        // An ordinary user's own files have only one owner.
        let is_own = outside == own_id(kind) && !geteuid().is_root();
        let range = if is_own { 1 } else { count(kind).min(u32::MAX - outside) };
        IdMap { kind, inside: 0, outside, range }
    };
    Ok(vec![map(IdKind::User, uid), map(IdKind::Group, gid)])
}

/// Who is root of a container with these maps.
fn root_of(maps: &[IdMap]) -> Option<(u32, u32)> {
    let root = |kind| maps.iter().find(|map| map.kind == kind && map.inside == 0);
    Some((root(IdKind::User)?.outside, root(IdKind::Group)?.outside))
}

/// The owner of the root directory, as it is on the disk.
fn root_owner(config: &Config) -> Result<Option<(u32, u32)>> {
    let path = match storage::rootfs_mount(config)? {
        RootfsMount::HostRoot => return Ok(None),
        RootfsMount::Bind(path) | RootfsMount::Overlay { upper: path, .. } => path,
        source @ RootfsMount::Block(_) => {
            let _attached = storage::attach(config)?;
            let found = fstat(source.open()?).context(|| format!("cannot look at {source}"))?;
            return Ok(Some((found.st_uid, found.st_gid)));
        }
    };
    let found = path.metadata().context(|| format!("cannot look at {}", path.display()))?;
    Ok(Some((found.uid(), found.gid())))
}

/// A warning if the container's root does not own its root directory.
pub(super) fn warning(config: &Config, name: &str) -> Option<Error> {
    if config.idmap.is_empty() {
        return None;
    }
    let (uid, gid) = root_owner(config).ok()??;
    let (root, group) = root_of(&on_disk(config).ok()?)?;
    if uid == root {
        return None;
    }
    let path = config.rootfs.path.as_ref()?;
    let error = Error::new(format!(
        "{} belongs to {uid}:{gid}, not to the container's root, {root}:{group}",
        path.source
    ));
    Some(
        error
            .at(config.origin("lxc.idmap").or(config.origin("lxc.rootfs.path")))
            .hint(format!("give the files to the container's ids with: lxc-rs shift -n {name}")),
    )
}

fn refuse_dependents(identity: &Identity, config: &Config) -> Result<()> {
    let refuse = |what: &str| {
        Err(Error::new(format!("{identity} has {what} whose files would change as well"))
            .hint("destroy them first, or shift a complete copy: lxc-copy -B dir"))
    };
    if !dependents::living(identity)?.is_empty() {
        return refuse("clones");
    }
    let is_layered = matches!(storage::rootfs_mount(config)?, RootfsMount::Overlay { .. });
    if is_layered && !list::snapshots(identity)?.is_empty() {
        return refuse("snapshots");
    }
    Ok(())
}

/// Shifts a new copy in `home`, which is removed if that fails, from the ids `from`.
pub(super) fn copied(
    config: &Config,
    home: &Path,
    from: &[IdMap],
    watch: Watch<'_>,
) -> Result<Outcome> {
    let shifting = Shifting { from: from.to_vec(), to: on_disk(config)?, ..Shifting::default() };
    if Shift::new(&shifting.from, &shifting.to)?.is_idle() {
        return Ok(Outcome::default());
    }
    let _attached = storage::attach(config)?;
    shifting::unrecorded(&shifting, &shifting::directories(config, home)?, watch)
}
