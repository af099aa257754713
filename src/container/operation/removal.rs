//! Removing a container: the one place where its files are removed. Its mark goes last, so that what a
//! killed removal leaves is known to be the rest of a container.

use std::ffi::OsStr;
use std::path::Path;

use super::after_second_try;
use super::mark::{self, Mark, Unfinished};
use crate::channel::Block;
use crate::config::{Config, Document, HookStage, writer_of};
use crate::container::dependents;
use crate::error::{Context, Error, Result};
use crate::hooks;
use crate::identity::{ContainerName, Identity};
use crate::mount::rootfs;
use crate::namespace::mapped::in_reach_of;
use crate::namespace::{Ids, subid};
use crate::storage;
use crate::storage::tree::{self, Removal, Report};
use crate::sys::remove;

/// What the removal of the rest needs, in the order in which it goes: what the container was based on,
/// and where its storage is.
const KEPT: [&str; 2] = [dependents::BASES, "config"];

/// Runs the destroy hooks of a container.
pub fn run_hooks(identity: &Identity, config: &Config) -> Result<()> {
    let mount = rootfs::mount_point(config);
    let mut environment = vec![
        ("LXC_NAME".to_owned(), identity.name.as_str().into()),
        ("LXC_CONFIG_FILE".to_owned(), identity.config_file().into()),
        ("LXC_ROOTFS_MOUNT".to_owned(), mount.into()),
    ];
    if let Some(path) = &config.rootfs.path {
        environment.push(("LXC_ROOTFS_PATH".to_owned(), path.source.clone().into()));
    }
    hooks::run(config, &identity.name, HookStage::Destroy, &[], &environment, &mut Block)
}

/// Removes the container `identity`, whose configuration is `config` if that can be read: its storage (outside
/// of its directory only if the container is known to be complete) and its directory. A removal cannot be
/// undone, so if it fails it is tried once more.
pub fn remove(identity: &Identity, config: Option<&Config>, report: Report<'_>) -> Result<()> {
    // What a killed copy has left has no configuration yet.
    let unknown = if config.is_none() { subid::all_of_caller() } else { Vec::new() };
    let ids = config.map_or(Ids::new(&unknown), Ids::of);
    let Some(mark) = Mark::for_removal(identity)? else { return Ok(()) };
    let remove_from = |mark: Option<Mark>| {
        // The mark goes last: without it there is nothing but the directory.
        if let Some(mark) = mark {
            remove_storage(identity, config, ids)?;
            empty(identity, mark, ids, report)?;
        }
        in_reach_of(ids, || remove::dir(&identity.dir()))?;
        // It does no harm if an ephemeral container comes back after a power cut, so the disk is not
        // waited for.
        if config.is_some_and(|config| config.ephemeral) {
            return Ok(());
        }
        storage::sync_dir(&identity.lxcpath)
    };
    remove_from(Some(mark)).map_err(|error| {
        let second = Mark::take(identity).and_then(remove_from);
        after_second_try(error, second.is_ok(), &format!("{identity} is removed"))
    })
}

/// Removes the storage of a container that has a mark.
fn remove_storage(identity: &Identity, config: Option<&Config>, ids: Ids<'_>) -> Result<()> {
    // The storage of a copy is in the copy's own directory or recorded there, whatever an unfinished
    // configuration says.
    if is_of_a_copy(identity) {
        return storage::discard(&identity.dir());
    }
    config.map_or(Ok(()), |config| in_reach_of(ids, || storage::destroy(config, &identity.dir())))
}

/// Removes what is in the container's directory; some of it may belong to `ids`.
pub fn empty(identity: &Identity, mark: Mark, ids: Ids<'_>, report: Report<'_>) -> Result<()> {
    let dir = identity.dir();
    let bases = dependents::claims(identity);
    in_reach_of(ids, || remove_content(&dir, report))?;
    // The bases in a damaged file are unknown; their records will be recognised as left over.
    dependents::forget(identity, &bases.unwrap_or_default())?;
    in_reach_of(ids, || KEPT.iter().try_for_each(|name| remove_file(&dir.join(name))))?;
    mark.remove()
}

fn is_of_a_copy(identity: &Identity) -> bool {
    matches!(mark::read(identity), Ok(Some(Unfinished::Copy)))
}

fn remove_content(dir: &Path, report: Report<'_>) -> Result<()> {
    let failed = || format!("cannot read the directory {}", dir.display());
    let mut removal = Removal::told(report);
    for entry in std::fs::read_dir(dir).context(failed)? {
        let entry = entry.context(failed)?;
        let name = entry.file_name();
        if !mark::is_mark(&name) && !KEPT.iter().any(|kept| name == OsStr::new(kept)) {
            tree::remove_watched(&entry.path(), &mut removal)?;
        }
    }
    Ok(())
}

fn remove_file(path: &Path) -> Result<()> {
    // A directory of this name is nobody's configuration.
    if path.is_dir() && !path.is_symlink() { tree::remove(path) } else { remove::file(path) }
}

/// Removes what killed copies have left in the directory of containers `lxcpath`.
pub fn sweep_copies(lxcpath: &Path) -> Result<()> {
    sweep(lxcpath, |identity| Ok(mark::read(identity)? == Some(Unfinished::Copy)))
}

/// Removes what killed processes have left in the directory of snapshots `snaps`.
pub fn sweep_snapshots(snaps: &Path) -> Result<()> {
    sweep(snaps, |identity| {
        let unfinished = mark::read(identity)?;
        Ok(unfinished.is_some_and(|it| !it.can_be_completed()) || is_empty_dir(identity))
    })
}

fn sweep(lxcpath: &Path, is_rest: impl Fn(&Identity) -> Result<bool>) -> Result<()> {
    for entry in std::fs::read_dir(lxcpath).into_iter().flatten().flatten() {
        let Some(Ok(name)) = entry.file_name().to_str().map(ContainerName::new) else { continue };
        let identity = Identity::new(lxcpath, name);
        if !is_rest(&identity)? || mark::is_held(&identity)? {
            continue;
        }
        let operation = super::Operation::hold(&identity, "a sweep");
        // Somebody else was quicker, or its maker had not locked it yet.
        if operation.is_ok() && is_rest(&identity)? {
            let document = Document::load(&identity.config_file()).ok();
            remove(&identity, document.as_ref().map(|it| &it.config), None)?;
        }
    }
    Ok(())
}

/// Whether `identity` is what a killed removal leaves last, or a killed creation first: a directory
/// without content, not counting a mark that was not completed.
pub fn is_empty_dir(identity: &Identity) -> bool {
    is_empty(&identity.dir())
}

/// Whether `path` is a directory without content, likewise.
pub fn is_empty(path: &Path) -> bool {
    let is_temporary = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| writer_of(&entry.file_name()).is_some())
    };
    path.read_dir().is_ok_and(|mut entries| entries.all(is_temporary))
}

/// The same error, with that of `cleaning_up` as a note.
pub fn with_clean_up(error: Error, cleaning_up: Result<()>) -> Error {
    match cleaning_up {
        Err(problem) => error.note(format!("cleaning up: {problem}")),
        Ok(()) => error,
    }
}
