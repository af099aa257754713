//! Destroying a container: its storage, its directory, what a dead monitor left; if wanted with all
//! that depends on it.

use super::list::is_defined;
use super::lock::{Partial, definition, is_being_created};
use super::{dependents, snapshot, stop};
use crate::cgroup::HostRules;
use crate::config::{Config, Document, HookStage, SystemConfig};
use crate::error::{Context, Error, Kind, Result};
use crate::hooks;
use crate::identity::Identity;
use crate::monitor::client::Client;
use crate::namespace::Ids;
use crate::namespace::mapped::in_reach_of;
use crate::state::State;
use crate::storage::tree::{Removal, Report};
use crate::storage::{self, tree};

/// Destroys the container; `force` kills it first if it runs. Refused if anything depends on it.
/// `report` is told how many entries are removed.
pub fn destroy(identity: &Identity, force: bool, report: Report<'_>) -> Result<()> {
    require_defined(identity)?;
    stop_for(identity, force)?;
    if !was_abandoned(identity)? {
        refuse_dependents(identity)?;
    }
    remove(identity, report)
}

/// Destroys the container with its snapshots and the containers that are snapshots of any of them;
/// `force` kills what runs of them. Nothing is touched unless all of them can be destroyed.
pub fn destroy_with_dependents(identity: &Identity, force: bool, report: Report<'_>) -> Result<()> {
    require_defined(identity)?;
    let mut all = Vec::new();
    collect(identity, &mut Vec::new(), &mut all)?;
    if !force {
        all.iter().try_for_each(|one| stop_for(one, false))?;
    }
    for one in &all {
        stop_for(one, force)?;
        remove(one, report)?;
    }
    Ok(())
}

/// Removes one that nothing depends on: destroy hooks, storage, directory, cgroups.
pub(super) fn remove(identity: &Identity, report: Report<'_>) -> Result<()> {
    let _lock = definition(identity)?;
    if is_being_created(identity)? {
        return Err(Error::new("Ongoing container creation detected"));
    }
    let dir = identity.dir();
    // A configuration that cannot be read must not keep its container from being removed; but then
    // it is not known to lie elsewhere either, and only the container's own directory goes.
    let config = Document::load(&identity.config_file()).map(|document| document.config);
    if let Ok(config) = &config {
        run_hooks(identity, config)?;
        in_reach_of(Ids::of(config), || storage::destroy(config, &dir))?;
    }
    let bases = dependents::bases(identity)?;
    match &config {
        Ok(config) => in_reach_of(Ids::of(config), || remove_dir(identity, report))?,
        Err(_) => remove_dir(identity, report)?,
    }
    // Last: who is killed before that leaves a name in there that is known to be nobody's.
    dependents::forget(identity, &bases)?;
    let config = config.unwrap_or_default();
    let rules = HostRules::of(&SystemConfig::load()?);
    crate::cgroup::remove::sweep(&identity.name, &config, &rules)
}

/// Removes the container's directory. What is left of it by somebody who is killed meanwhile is
/// marked as the rest of a container.
fn remove_dir(identity: &Identity, report: Report<'_>) -> Result<()> {
    let dir = identity.dir();
    if !dir.join("partial").exists() {
        Partial::mark(identity)?;
    }
    let failed = || format!("cannot read the directory {}", dir.display());
    let mut removal = Removal::told(report);
    for entry in std::fs::read_dir(&dir).what(failed)? {
        let entry = entry.what(failed)?;
        if entry.file_name() != "partial" {
            tree::remove_watched(&entry.path(), &mut removal)?;
        }
    }
    tree::remove(&dir)
}

fn require_defined(identity: &Identity) -> Result<()> {
    if is_defined(identity)? || identity.dir().join("partial").exists() {
        return Ok(());
    }
    Err(Error::new("Container is not defined").kind(Kind::NotDefined))
}

/// Whether it is what a killed lxc-create or lxc-destroy left.
fn was_abandoned(identity: &Identity) -> Result<bool> {
    Ok(identity.dir().join("partial").exists() && !is_being_created(identity)?)
}

fn stop_for(identity: &Identity, force: bool) -> Result<()> {
    if Client::new(identity).state()? == State::Stopped {
        return Ok(());
    }
    if !force {
        return Err(Error::new(format!("{identity} is running"))
            .hint(format!("stop it first, or: lxc-destroy -f -n {identity}")));
    }
    stop::kill(identity)
}

fn refuse_dependents(identity: &Identity) -> Result<()> {
    let refuse = |what: &str| {
        Err(Error::new(format!("Destroying {identity} failed: {identity} has {what}"))
            .hint(format!("destroy them first, or all with: lxc-destroy -s -n {identity}")))
    };
    if !dependents::living(identity)?.is_empty() {
        return refuse("clones");
    }
    if !snapshot::list(identity)?.is_empty() {
        return refuse("snapshots");
    }
    Ok(())
}

/// Adds `identity` to `all` behind everything that depends on it. `open`: those whose dependents are
/// being collected; a container restored from its own snapshot is one of its dependents.
fn collect(identity: &Identity, open: &mut Vec<Identity>, all: &mut Vec<Identity>) -> Result<()> {
    if open.contains(identity) || all.contains(identity) {
        return Ok(());
    }
    open.push(identity.clone());
    for clone in dependents::living(identity)? {
        collect(&clone, open, all)?;
    }
    for snapshot in snapshot::list(identity)? {
        collect(&snapshot.identity, open, all)?;
    }
    open.pop();
    all.push(identity.clone());
    Ok(())
}

/// Runs the destroy hooks of a container.
pub(super) fn run_hooks(identity: &Identity, config: &Config) -> Result<()> {
    let mount = crate::mount::rootfs::mount_point(config);
    let mut environment = vec![
        ("LXC_NAME".to_owned(), identity.name.as_str().into()),
        ("LXC_CONFIG_FILE".to_owned(), identity.config_file().into()),
        ("LXC_ROOTFS_MOUNT".to_owned(), mount.into()),
    ];
    if let Some(path) = &config.rootfs.path {
        environment.push(("LXC_ROOTFS_PATH".to_owned(), path.source.clone().into()));
    }
    hooks::run(config, &identity.name, HookStage::Destroy, &[], &environment)
}
