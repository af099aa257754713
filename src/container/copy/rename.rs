//! Renaming a container: its directory moves, its configuration follows.

use nix::fcntl::{RenameFlags, renameat2};

use super::adapt::Adaptation;
use super::configuration::Change;
use super::copy_file;
use crate::config::{Document, write_whole};
use crate::container::list::is_defined;
use crate::container::lock::definition;
use crate::container::{dependents, destroy, snapshot};
use crate::error::{Context, Error, Kind, Result};
use crate::identity::{ContainerName, Identity};
use crate::monitor::client::Client;
use crate::state::State;
use crate::storage;

/// Gives the container `source` the name `name`, in the same directory of containers. Its clone hooks
/// run for the new name, its destroy hooks for the old one. The answer is what could not be adapted.
///
/// On failure it has the old name and configuration. One that was killed in between has the old name
/// still; renaming it again completes that.
pub fn rename(source: &Identity, name: ContainerName) -> Result<Vec<String>> {
    let target = Identity::new(&source.lxcpath, name);
    if !is_defined(source)? {
        return Err(Error::new(format!("Container {source} is not defined")).kind(Kind::NotDefined));
    }
    if target == *source || target.dir().exists() {
        return Err(Error::new(format!("Container {target} already exists")));
    }
    if Client::new(source).state()? != State::Stopped {
        return Err(Error::new(format!("{source} is running"))
            .kind(Kind::AlreadyRunning)
            .hint("stop it first"));
    }
    if !dependents::living(source)?.is_empty() || !snapshot::list(source)?.is_empty() {
        return Err(Error::new("Renaming a container with snapshots is not supported")
            .hint("they hold its name; copy it instead"));
    }
    // In one order, whichever way others rename at the same time.
    let (first, second) =
        if source.name < target.name { (source, &target) } else { (&target, source) };
    let _locks = (definition(first)?, definition(second)?);
    let document = Document::load(&source.config_file())?;
    let path = document.config.rootfs.path.as_ref().ok_or_else(|| {
        Error::new(format!("{source} has no root filesystem")).hint("set lxc.rootfs.path")
    })?;
    let moved = storage::backend_of(path)?.renamed(&path.source, &source.dir(), &target.dir());
    let rootfs = storage::value(&crate::config::RootfsPath { source: moved, ..path.clone() });
    let change =
        Change { source, target: &target, rootfs: &rootfs, keep_name: false, keep_mac: true };
    for file in change.files(&document.config)? {
        // What lies in its directory moves with that.
        if !file.from.starts_with(source.dir())
            && let Some(name) = file.to.file_name()
        {
            copy_file(&file.from, &source.dir().join(name))?;
        }
    }
    let text = change.apply(document.text(), &document.config)?;
    write_whole(&source.config_file(), &text)?;
    let undo = |error: Error| match write_whole(&source.config_file(), document.text()) {
        Err(problem) => error.note(format!("cleaning up: {problem}")),
        Ok(()) => error,
    };
    move_dir(source, &target).map_err(undo)?;
    let warnings = complete(source, &target).map_err(|error| match move_dir(&target, source) {
        Err(problem) => error.note(format!("cleaning up: {problem}")),
        Ok(()) => undo(error),
    })?;
    let bases = dependents::bases(&target)?;
    dependents::forget(source, &bases)?;
    dependents::add(&target, &bases)?;
    destroy::run_hooks(source, &document.config)?;
    Ok(warnings)
}

fn move_dir(from: &Identity, to: &Identity) -> Result<()> {
    let (cwd, flags) = (nix::fcntl::AT_FDCWD, RenameFlags::RENAME_NOREPLACE);
    renameat2(cwd, &from.dir(), cwd, &to.dir(), flags)
        .what(|| format!("cannot rename {} to {}", from.dir().display(), to.dir().display()))
}

fn complete(source: &Identity, target: &Identity) -> Result<Vec<String>> {
    let config = Document::load(&target.config_file())?.config;
    Adaptation { source, target, keep_name: false, hook_arguments: &[] }.run(&config)
}
