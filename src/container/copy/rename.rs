//! Renaming a container: its directory moves, its configuration follows.
//!
//! What changes is prepared beside what does not, so that the directory's name alone says which of the
//! two holds: under the new name the renaming is completed, under the old one undone, by whomever.

use std::path::{Path, PathBuf};

use super::adapt::Adaptation;
use super::configuration::Change;
use super::{copy_file, within};
use crate::config::{Document, RootfsPath, sweep_temporary, write_whole};
use crate::container::list::is_defined;
use crate::container::lock::definition;
use crate::container::operation::mark::{Mark, Unfinished};
use crate::container::operation::removal::{is_empty_dir, with_clean_up};
use crate::container::operation::{Operation, bind_socket};
use crate::container::owner::Owner;
use crate::container::{dependents, destroy, interruption, snapshot};
use crate::error::{Context, Error, Kind, Result};
use crate::identity::{ContainerName, Identity};
use crate::storage::{self, tree};
use crate::sys;

const TOOL: &str = "lxc-copy -R";

/// What is prepared, in the container's own directory: whatever that is called.
struct Staging {
    dir: PathBuf,
    old_config: PathBuf,
    new_config: PathBuf,
    /// Files that come from elsewhere.
    files: PathBuf,
}

impl Staging {
    fn of(identity: &Identity) -> Self {
        let dir = identity.dir().join(".rename");
        Self {
            old_config: dir.join("old-config"),
            new_config: dir.join("new-config"),
            files: dir.join("files"),
            dir,
        }
    }

    /// The files, where they are prepared and where they come to.
    fn files(&self, home: &Path) -> Vec<(PathBuf, PathBuf)> {
        let entries = std::fs::read_dir(&self.files).into_iter().flatten().flatten();
        entries.map(|entry| (entry.path(), home.join(entry.file_name()))).collect()
    }
}

/// Gives the container `source` the name `name`, in the same directory of containers. Its clone hooks
/// run for the new name, its destroy hooks for the old one. The answer is what could not be adapted.
///
/// On failure it has the old name and configuration.
pub fn rename(source: &Identity, name: ContainerName) -> Result<Vec<String>> {
    let target = Identity::new(&source.lxcpath, name);
    if !is_defined(source)? {
        return Err(Error::new(format!("Container {source} is not defined")).kind(Kind::NotDefined));
    }
    let refuse_existing = || {
        if target == *source || target.dir().exists() && !is_empty_dir(&target) {
            return Err(Error::new(format!("Container {target} already exists")));
        }
        Ok(())
    };
    refuse_existing()?;
    let _operation = Operation::begin(source, TOOL)?;
    let lock = definition(&target)?;
    lock.sign(TOOL)?;
    let _address = bind_socket(&target)?;
    refuse_existing()?;
    if !dependents::living(source)?.is_empty() || !snapshot::list(source)?.is_empty() {
        return Err(Error::new("Renaming a container with snapshots is not supported")
            .hint("they hold its name; copy it instead"));
    }
    interruption::guard()?;
    let (from, to) = (source.name.clone(), target.name.clone());
    let mark = Mark::make(source, &Unfinished::Rename { from, to })?;
    match prepare(source, &target).and_then(|()| change(source, &target)) {
        Ok(warnings) => {
            settle(&target, &source.name, &target.name, mark.moved_to(&target))?;
            Ok(warnings)
        }
        Err(error) => {
            let moved = if source.dir().exists() { Ok(()) } else { move_dir(&target, source) };
            let undone = moved.and_then(|()| settle(source, &source.name, &target.name, mark));
            Err(with_clean_up(error, undone))
        }
    }
}

/// Prepares everything that the container has under its new name.
fn prepare(source: &Identity, target: &Identity) -> Result<()> {
    let document = Document::load(&source.config_file())?;
    let path = document.config.rootfs.path.as_ref().ok_or_else(|| {
        Error::new(format!("{source} has no root filesystem")).hint("set lxc.rootfs.path")
    })?;
    let moved = storage::backend_of(path)?.renamed(&path.source, &source.dir(), &target.dir());
    let rootfs = storage::value(&RootfsPath { source: moved, ..path.clone() });
    let change = Change { source, target, rootfs: &rootfs, keep_name: false, keep_mac: true };
    let staging = Staging::of(source);
    std::fs::create_dir_all(&staging.files)
        .context(|| format!("cannot create {}", staging.files.display()))?;
    for file in change.files(&document.config)? {
        // What lies in its directory moves with that.
        if !file.from.starts_with(source.dir())
            && let Some(name) = file.to.file_name()
        {
            let place = source.dir().join(name);
            if place.exists() {
                return Err(Error::new(format!("{} exists", place.display())).hint(format!(
                    "{} is to be copied there; move one of them away",
                    file.from.display()
                )));
            }
            copy_file(&document.config, &file.from, &staging.files.join(name))?;
        }
    }
    document.save(&staging.old_config)?;
    write_whole(&staging.new_config, change.apply(document.text(), &document.config)?)?;
    dependents::announce(target, &existing_bases(source)?)
}

/// Moves the container and adapts it to its new name.
fn change(source: &Identity, target: &Identity) -> Result<Vec<String>> {
    let old = Document::load(&source.config_file())?.config;
    if is_empty_dir(target) {
        let dir = target.dir();
        sweep_temporary(&dir)?;
        std::fs::remove_dir(&dir).context(|| format!("cannot remove {}", dir.display()))?;
    }
    move_dir(source, target)?;
    install(target)?;
    let config_file = target.config_file();
    let config = Document::load(&config_file)?.config;
    let adaptation = Adaptation {
        source,
        target,
        config_file: &config_file,
        keep_name: false,
        hook_arguments: &[],
    };
    let warnings = within(Owner::of(&config)?.as_ref(), || adaptation.run(&config))?;
    destroy::run_hooks(source, &old)?;
    interruption::check()?;
    Ok(warnings)
}

/// Lets the container `identity`, which was being renamed `from` so `to` and has the mark `mark`, be
/// complete under the one of the two that it has.
pub fn settle(
    identity: &Identity,
    from: &ContainerName,
    to: &ContainerName,
    mark: Mark,
) -> Result<()> {
    let other = if identity.name == *to {
        // Hooks may have changed it, if it is the new one already.
        if !is_installed(identity)? {
            install(identity)?;
        }
        from
    } else {
        uninstall(identity)?;
        to
    };
    let other = Identity::new(&identity.lxcpath, other.clone());
    // By now it may be another container, which has records of its own.
    if !other.dir().exists() {
        dependents::forget(&other, &existing_bases(identity)?)?;
    }
    tree::remove(&Staging::of(identity).dir)?;
    mark.complete(&[])
}

/// Whether the container `target` has its new configuration.
fn is_installed(target: &Identity) -> Result<bool> {
    let staging = Staging::of(target);
    if !staging.old_config.exists() {
        return Ok(true);
    }
    let read =
        |path: &Path| std::fs::read(path).context(|| format!("cannot read {}", path.display()));
    Ok(read(&target.config_file())? != read(&staging.old_config)?)
}

/// Gives the container `target`, which has moved, its new files.
fn install(target: &Identity) -> Result<()> {
    let staging = Staging::of(target);
    for (file, place) in staging.files(&target.dir()) {
        match std::fs::hard_link(&file, &place) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            linked => linked.context(|| format!("cannot create {}", place.display()))?,
        }
    }
    copy_config(&staging.new_config, target)
}

/// Gives the container `source`, which did not move or has moved back, its old files.
fn uninstall(source: &Identity) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let staging = Staging::of(source);
    for (file, place) in staging.files(&source.dir()) {
        let inode = |path: &Path| path.metadata().map(|metadata| metadata.ino()).ok();
        if inode(&file) == inode(&place) {
            std::fs::remove_file(&place)
                .context(|| format!("cannot remove {}", place.display()))?;
        }
    }
    if staging.old_config.exists() { copy_config(&staging.old_config, source) } else { Ok(()) }
}

fn copy_config(from: &Path, container: &Identity) -> Result<()> {
    let text = std::fs::read(from).context(|| format!("cannot read {}", from.display()))?;
    write_whole(&container.config_file(), text)
}

/// What the container is based on, as far as that exists.
fn existing_bases(identity: &Identity) -> Result<Vec<Identity>> {
    let mut bases = dependents::bases(identity)?;
    bases.retain(|base| base.dir().exists());
    Ok(bases)
}

fn move_dir(from: &Identity, to: &Identity) -> Result<()> {
    sys::rename::without_replacing(&from.dir(), &to.dir())
        .context(|| format!("cannot rename {} to {}", from.dir().display(), to.dir().display()))?;
    storage::sync_dir(&from.lxcpath)
}
