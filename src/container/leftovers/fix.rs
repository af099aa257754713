//! Completing or removing what was left.

use super::find::{is_used, orphan_volumes};
use super::{Kind, Leftover, Outcome, Remedy};
use crate::config::{Document, sweep_temporary};
use crate::container::operation::mark::{self, Unfinished};
use crate::container::operation::removal::{self, is_empty_dir};
use crate::container::operation::{self, Operation};
use crate::container::{dependents, list};
use crate::error::{Kind as ErrorKind, Result};
use crate::identity::{ContainerName, Identity};
use crate::namespace::Ids;
use crate::namespace::mapped::in_reach_of;
use crate::storage::{self, size, tree};

const TOOL: &str = "lxc-rs storage check";

/// Completes or removes `leftover`; data that no container is known to have only if `remove_data`.
pub fn fix(leftover: &mut Leftover, remove_data: bool) {
    let is_wanted = match leftover.remedy {
        Remedy::Complete | Remedy::Remove => true,
        Remedy::RemoveData => remove_data,
        Remedy::Nothing => false,
    };
    if !is_wanted {
        return;
    }
    match try_fix(leftover) {
        // If there is no such container any more, somebody else has fixed it.
        Err(error) if error.kind != ErrorKind::NotDefined => {
            leftover.outcome = Outcome::Failed;
            leftover.error = Some(error.to_string());
        }
        _ => leftover.outcome = Outcome::Fixed,
    }
}

fn try_fix(leftover: &Leftover) -> Result<()> {
    if let Some(project) = leftover.project {
        return size::forget_project(&leftover.path, project);
    }
    if let Some(volume) = &leftover.volume {
        let is_orphan = orphan_volumes(&leftover.path)?.contains(volume);
        return if is_orphan { storage::destroy_volume(volume, &leftover.path) } else { Ok(()) };
    }
    let Some(identity) = &leftover.identity else { return Ok(()) };
    match leftover.kind {
        Kind::Unfinished => operation::settle(identity, TOOL),
        Kind::Rest => remove_rest(identity),
        Kind::Temporary => {
            let _operation = Operation::hold(identity, TOOL)?;
            sweep_temporary(&identity.dir())
        }
        Kind::Orphan => remove_orphan(identity, leftover),
        Kind::Snapshot => removal::sweep_snapshots(&identity.snapshots()),
        Kind::Record => dependents::prune(identity),
        Kind::Limit => {
            let _operation = Operation::begin(identity, TOOL)?;
            size::apply(&Document::load(&identity.config_file())?.config)
        }
        Kind::Storage => {
            let _operation = Operation::begin(identity, TOOL)?;
            let document = Document::load(&identity.config_file())?;
            storage::remove_leftovers(&document.config, &identity.dir())
        }
        Kind::Broken | Kind::Project => Ok(()),
    }
}

/// Removes the rest of a container that cannot be completed, if it still is one.
fn remove_rest(identity: &Identity) -> Result<()> {
    let _operation = Operation::hold(identity, TOOL)?;
    let is_rest = match mark::read(identity)? {
        Some(unfinished) => matches!(unfinished, Unfinished::Whole | Unfinished::Copy),
        None => is_empty_dir(identity),
    };
    if is_rest {
        let document = Document::load(&identity.config_file()).ok();
        return removal::remove(identity, document.as_ref().map(|it| &it.config), None);
    }
    // A restore that did not take effect.
    operation::restoration::discard(identity)
}

fn remove_orphan(identity: &Identity, leftover: &Leftover) -> Result<()> {
    let path = &leftover.path;
    if *path == identity.dir() {
        let _operation = Operation::hold(identity, TOOL)?;
        return if list::is_defined(identity)? || mark::exists(identity) {
            Ok(())
        } else {
            removal::remove(identity, None, None)
        };
    }
    let _operation = Operation::begin(identity, TOOL)?;
    if path.parent() == Some(&identity.snapshots()) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let snapshot = Identity::new(identity.snapshots(), ContainerName::new(name)?);
        return remove_orphan(&snapshot, &Leftover { path: snapshot.dir(), ..leftover.clone() });
    }
    let config = Document::load(&identity.config_file())?.config;
    if is_used(&config, path) {
        return Ok(());
    }
    in_reach_of(Ids::of(&config), || tree::remove(path))
}
