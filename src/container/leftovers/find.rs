//! Looking for what was left.

use std::path::Path;

use super::{Kind, Leftover};
use crate::config::{Config, Document, RootfsPath, writer_of};
use crate::container::operation::mark::{self, Unfinished};
use crate::container::operation::removal::is_empty_dir;
use crate::container::operation::restoration::Staging;
use crate::container::{dependents, list, volume};
use crate::error::{Context, Result};
use crate::identity::{ContainerName, Identity};
use crate::monitor::client::Client;
use crate::state::State;
use crate::storage::{self, size};

/// All that was left in the directory of containers `lxcpath`, or of the containers `names` there.
pub fn find(lxcpath: &Path, names: &[ContainerName]) -> Result<Vec<Leftover>> {
    let mut found = Vec::new();
    for name in entries(lxcpath)? {
        if names.is_empty() || names.contains(&name) {
            of_directory(&Identity::new(lxcpath, name), &mut found)?;
        }
    }
    if names.is_empty() {
        found.extend(size::unused_projects(lxcpath)?.into_iter().map(|project| {
            let what = format!("the project {project} has a limit and no file");
            let found = Leftover::new(None, Kind::Project, lxcpath.to_owned(), what);
            Leftover { project: Some(project), ..found }
        }));
        found.extend(orphan_volumes(lxcpath)?.into_iter().map(|volume| {
            let what = format!("{} was made for a container that is gone", storage::value(&volume));
            let found = Leftover::new(None, Kind::Orphan, lxcpath.to_owned(), what);
            Leftover { volume: Some(volume), ..found }
        }));
    }
    Ok(found)
}

/// Storage that was made for containers in `lxcpath` outside of their directories, and that none of them
/// has.
pub(super) fn orphan_volumes(lxcpath: &Path) -> Result<Vec<RootfsPath>> {
    let mut volumes = storage::volumes(lxcpath)?;
    if volumes.is_empty() {
        return Ok(volumes);
    }
    // The containers are looked at after the volumes: the container of a volume is recorded before the
    // volume is made.
    for name in entries(lxcpath)? {
        let identity = Identity::new(lxcpath, name);
        let snaps = identity.snapshots();
        let mut all = vec![identity.clone()];
        if snaps.is_dir() {
            all.extend(entries(&snaps)?.into_iter().map(|name| Identity::new(&snaps, name)));
        }
        for one in all {
            let used = known_volumes(&one)?;
            volumes.retain(|volume| !used.contains(volume));
        }
    }
    Ok(volumes)
}

/// The storage that the container `identity` has, or is getting, outside of its own directory.
fn known_volumes(identity: &Identity) -> Result<Vec<RootfsPath>> {
    let staging = Staging::of(identity);
    let configs = [identity.config_file(), staging.old_config()];
    let named = configs.iter().filter_map(|file| Document::load(file).ok()?.config.rootfs.path);
    let mut all: Vec<RootfsPath> = named.collect();
    for home in [identity.dir(), staging.storage()] {
        all.extend(storage::noted(&home)?);
    }
    Ok(all)
}

/// The names of directories in `lxcpath` that a container can have.
fn entries(lxcpath: &Path) -> Result<Vec<ContainerName>> {
    let failed = || format!("cannot read {}", lxcpath.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(lxcpath).context(failed)? {
        let entry = entry.context(failed)?;
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let name = entry.file_name();
        // A hidden one is something else, such as what is kept beside the containers.
        let name = name.to_str().filter(|name| is_dir && !name.starts_with('.'));
        if let Some(Ok(name)) = name.map(ContainerName::new)
            && name.as_str() != volume::DIR
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn of_directory(identity: &Identity, found: &mut Vec<Leftover>) -> Result<()> {
    let home = identity.dir();
    let mut add = |kind, path, what: &str| {
        found.push(Leftover::new(Some(identity), kind, path, what));
    };
    if let Some(unfinished) = mark::read(identity)? {
        if !mark::is_held(identity)? {
            let (kind, what) = unfinished_as(&unfinished);
            add(kind, home, what);
        }
        return Ok(());
    }
    if is_empty_dir(identity) {
        // A new file system of some kinds has such a directory.
        if identity.name.as_str() != "lost+found" {
            add(Kind::Rest, home, "an empty directory");
        }
        return Ok(());
    }
    if !list::is_defined(identity)? {
        if storage::places().any(|name| home.join(name).exists()) {
            add(Kind::Orphan, home, "storage without a configuration");
        }
        return Ok(());
    }
    if Client::new(identity).state()? == State::Stopped {
        of_stopped(identity, found)?;
    }
    of_snapshots(identity, found)?;
    of_records(identity, found)
}

fn unfinished_as(unfinished: &Unfinished) -> (Kind, &'static str) {
    match unfinished {
        Unfinished::Whole => (Kind::Rest, "its creation or destruction was killed"),
        Unfinished::Copy => (Kind::Rest, "a copy was killed"),
        Unfinished::Restore => (Kind::Unfinished, "a restore was killed"),
        Unfinished::Rename { .. } => (Kind::Unfinished, "a rename was killed"),
        Unfinished::Shift(_) => (Kind::Unfinished, "a change of ids was killed"),
    }
}

/// Looks for leftovers that only a container that does not run can have.
fn of_stopped(identity: &Identity, found: &mut Vec<Leftover>) -> Result<()> {
    let home = identity.dir();
    let mut add = |kind, path, what: String| {
        found.push(Leftover::new(Some(identity), kind, path, what));
    };
    if Staging::of(identity).exists()? {
        add(Kind::Rest, home.clone(), "a restore was killed before it took effect".into());
    }
    let failed = || format!("cannot read {}", home.display());
    for entry in std::fs::read_dir(&home).context(failed)? {
        let name = entry.context(failed)?.file_name();
        if writer_of(&name).is_some_and(|pid| !crate::config::is_running(pid)) {
            add(Kind::Temporary, home.join(name), "a file was being written".into());
        }
    }
    // A configuration that cannot be read is for the start to complain of.
    let Ok(document) = Document::load(&identity.config_file()) else { return Ok(()) };
    let config = &document.config;
    for name in storage::places() {
        let path = home.join(name);
        let is_something =
            path.is_file() || path.read_dir().is_ok_and(|mut dir| dir.next().is_some());
        if !is_used(config, &path) && is_something {
            add(Kind::Orphan, path, "storage that its configuration does not name".into());
        }
    }
    if size::is_partly_limited(config) {
        add(Kind::Limit, home.clone(), "a start or a copy was killed that set its limit".into());
    }
    for what in storage::leftovers(config, &home)? {
        add(Kind::Storage, home.clone(), what);
    }
    Ok(())
}

/// Whether the root filesystem of `config` has a part in the directory `path`.
pub(super) fn is_used(config: &Config, path: &Path) -> bool {
    let Some(rootfs) = &config.rootfs.path else { return false };
    let whole = [rootfs.source.as_str()];
    rootfs.source.split(':').chain(whole).any(|part| Path::new(part).starts_with(path))
}

fn of_snapshots(identity: &Identity, found: &mut Vec<Leftover>) -> Result<()> {
    let snaps = identity.snapshots();
    if !snaps.is_dir() {
        return Ok(());
    }
    for name in entries(&snaps)? {
        let snapshot = Identity::new(&snaps, name);
        let unfinished = mark::read(&snapshot)?;
        let is_rest = unfinished.as_ref().is_some_and(|it| !it.can_be_completed())
            && !mark::is_held(&snapshot)?
            || is_empty_dir(&snapshot);
        let (kind, what) = if is_rest {
            (Kind::Snapshot, "a snapshot that was killed")
        } else if unfinished.is_none() && !list::is_defined(&snapshot)? {
            (Kind::Orphan, "a snapshot without a configuration")
        } else {
            continue;
        };
        found.push(Leftover::new(Some(identity), kind, snapshot.dir(), what));
    }
    Ok(())
}

fn of_records(identity: &Identity, found: &mut Vec<Leftover>) -> Result<()> {
    let living = dependents::living(identity)?;
    for gone in dependents::of(identity)?.iter().filter(|one| !living.contains(one)) {
        let what = format!("a record of {}, which does not need it", gone.dir().display());
        found.push(Leftover::new(Some(identity), Kind::Record, identity.dir(), what));
    }
    for base in dependents::bases(identity)? {
        if !base.dir().exists() {
            let what = format!("it needs {}, which is gone", base.dir().display());
            found.push(Leftover::new(Some(identity), Kind::Broken, identity.dir(), what));
        }
    }
    Ok(())
}
