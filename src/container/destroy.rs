//! Destroying a container: its storage, its directory, what a dead monitor left; if wanted, with all
//! containers that depend on it.

use std::time::{Duration, Instant};

use super::operation::{Operation, mark, removal};
use super::{dependents, list, stop};
use crate::cgroup::{HostRules, Layout, Search};
use crate::config::{Config, Document, SystemConfig};
use crate::error::{Error, Kind, Result};
use crate::identity::Identity;
use crate::monitor::client::Client;
use crate::monitor::resources::reclaim;
use crate::security::apparmor;
use crate::state::State;
use crate::storage::tree::Report;

/// How long a start that is under way may take until its container can be killed.
const STARTED_WITHIN: Duration = Duration::from_secs(10);

/// Destroys the container; `force` kills it first if it runs. Refused if anything depends on it.
/// `report` is told how many entries are removed.
pub fn destroy(identity: &Identity, force: bool, report: Report<'_>) -> Result<()> {
    require_known(identity)?;
    let Some(operation) = hold(identity, force)? else { return Ok(()) };
    operation.recover_for_removal();
    removal::sweep_snapshots(&identity.snapshots())?;
    refuse_dependents(identity)?;
    remove(identity, report)
}

/// Destroys the container with its snapshots and the containers that are snapshots of any of them;
/// `force` kills what runs of them. Nothing is touched unless all of them can be destroyed.
pub fn destroy_with_dependents(identity: &Identity, force: bool, report: Report<'_>) -> Result<()> {
    require_known(identity)?;
    let mut all = Vec::new();
    collect(identity, &mut Vec::new(), &mut all)?;
    if !force {
        all.iter().try_for_each(|one| {
            let is_stopped = Client::new(one).state()? == State::Stopped;
            if is_stopped { Ok(()) } else { Err(is_running(one)) }
        })?;
    }
    all.iter().try_for_each(|one| destroy(one, force, report))
}

/// Begins the removal of the container, which `force` kills first if it runs; `None` if it was ephemeral,
/// and therefore is gone once it is killed.
fn hold(identity: &Identity, force: bool) -> Result<Option<Operation>> {
    let begin = Instant::now();
    let mut was_running = false;
    loop {
        match Operation::hold(identity, "lxc-destroy") {
            Err(error) if error.kind == Kind::AlreadyRunning => {
                if !force || begin.elapsed() > STARTED_WITHIN && !was_running {
                    return Err(is_running(identity));
                }
                match stop::kill(identity) {
                    // Its monitor does not listen yet.
                    Err(error) if error.kind == Kind::NotRunning => {
                        std::thread::sleep(Duration::from_millis(10));
                    }
                    killed => {
                        killed?;
                        was_running = true;
                    }
                }
            }
            Err(error) if error.kind == Kind::NotDefined && was_running => return Ok(None),
            held => return held.map(Some),
        }
    }
}

/// Removes a container whose files this process has the right to change, and that nothing depends on:
/// what its monitor left if it was killed, then, with destroy hooks, storage and directory.
fn remove(identity: &Identity, report: Report<'_>) -> Result<()> {
    // A configuration that cannot be read must not keep its container from being removed; but storage
    // elsewhere is unknown then, and only the container's own directory is removed.
    let config = Document::load(&identity.config_file()).map(|document| document.config).ok();
    let reclaimed = reclaim_left(identity, &config.clone().unwrap_or_default());
    if let Some(config) = &config {
        removal::run_hooks(identity, config)?;
    }
    let removed = removal::remove(identity, config.as_ref(), report);
    if !identity.dir().try_exists().unwrap_or(true) {
        apparmor::forget(identity);
    }
    removed.and(reclaimed)
}

fn reclaim_left(identity: &Identity, config: &Config) -> Result<()> {
    let rules = HostRules::of(&SystemConfig::load()?);
    let layout = Layout::for_containers(config, &rules)?;
    reclaim(identity, config, &rules, &layout, Search::Full)
}

/// Fails unless there is a container, or the rest of one: with the mark of an unfinished operation, or
/// a directory that is empty already.
fn require_known(identity: &Identity) -> Result<()> {
    if list::is_defined(identity)? || mark::exists(identity) || removal::is_empty_dir(identity) {
        return Ok(());
    }
    Err(Error::new("Container is not defined").kind(Kind::NotDefined))
}

fn is_running(identity: &Identity) -> Error {
    Error::new(format!("{identity} is running"))
        .hint(format!("stop it first, or: lxc-destroy -f -n {identity}"))
}

fn refuse_dependents(identity: &Identity) -> Result<()> {
    let refuse = |what: &str| {
        Err(Error::new(format!("Destroying {identity} failed: {identity} has {what}"))
            .hint(format!("destroy them first, or all with: lxc-destroy -s -n {identity}")))
    };
    if !dependents::living(identity)?.is_empty() {
        return refuse("clones");
    }
    if !list::snapshots(identity)?.is_empty() {
        return refuse("snapshots");
    }
    Ok(())
}

/// Adds `identity` to `all` after everything that depends on it. `open`: containers whose dependents are
/// being collected; a container restored from its own snapshot is one of its dependents.
fn collect(identity: &Identity, open: &mut Vec<Identity>, all: &mut Vec<Identity>) -> Result<()> {
    if open.contains(identity) || all.contains(identity) {
        return Ok(());
    }
    open.push(identity.clone());
    removal::sweep_snapshots(&identity.snapshots())?;
    for clone in dependents::living(identity)? {
        collect(&clone, open, all)?;
    }
    for snapshot in list::snapshots(identity)? {
        collect(&snapshot.identity, open, all)?;
    }
    open.pop();
    all.push(identity.clone());
    Ok(())
}
