//! Renaming a container: its directory moves, its configuration follows. A renaming that was killed on
//! the way is completed or undone by [`renaming`].

use super::adapt::Adaptation;
use super::configuration::Change;
use super::{copy_file, within};
use crate::config::{Document, RootfsPath, sweep_temporary, write_whole};
use crate::container::list::{self, require_defined};
use crate::container::lock::definition;
use crate::container::operation::mark::{Mark, Unfinished};
use crate::container::operation::removal::{is_empty_dir, with_clean_up};
use crate::container::operation::renaming::{self, Staging, existing_bases, install};
use crate::container::operation::{self, Operation, bind_socket, removal};
use crate::container::owner::Owner;
use crate::container::{dependents, interruption};
use crate::error::{Context, Error, Result};
use crate::identity::{ContainerName, Identity};
use crate::storage;
use crate::storage::shared::Shared;
use crate::sys;

const TOOL: &str = "lxc-copy -R";

/// Gives the container `source` the name `name`, in the same directory of containers. Its clone hooks run
/// for the new name, its destroy hooks for the old one. Returns what could not be adapted.
///
/// On failure the container has the old name and configuration, unless the error says that it has the new
/// ones.
pub fn rename(source: &Identity, name: ContainerName) -> Result<Vec<String>> {
    let target = Identity::new(&source.lxcpath, name);
    require_defined(source)?;
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
    if !dependents::living(source)?.is_empty() || !list::snapshots(source)?.is_empty() {
        return Err(Error::new("Renaming a container with snapshots is not supported")
            .hint("they hold its name; copy it instead"));
    }
    interruption::guard()?;
    let _shared = Shared::hold(&Document::load(&source.config_file())?.config)?;
    let (from, to) = (source.name.clone(), target.name.clone());
    let mark = Mark::make(source, &Unfinished::Rename { from, to })?;
    match prepare(source, &target).and_then(|()| change(source, &target)) {
        Ok(warnings) => {
            let mark = mark.moved_to(&target);
            // The container's hooks have run, so this can no longer be undone.
            renaming::settle(&target, &source.name, &target.name, mark).map_err(|error| {
                let done = format!("{} is called {}", source.name, target.name);
                operation::try_again(&target, error, &done)
            })?;
            Ok(warnings)
        }
        Err(error) => {
            let moved = if source.dir().exists() { Ok(()) } else { move_dir(&target, source) };
            let undone =
                moved.and_then(|()| renaming::settle(source, &source.name, &target.name, mark));
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
        // Files in the container's directory move with it.
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
    removal::run_hooks(source, &old)?;
    interruption::check()?;
    Ok(warnings)
}

fn move_dir(from: &Identity, to: &Identity) -> Result<()> {
    sys::rename::without_replacing(&from.dir(), &to.dir())
        .context(|| format!("cannot rename {} to {}", from.dir().display(), to.dir().display()))?;
    storage::sync_dir(&from.lxcpath)
}
