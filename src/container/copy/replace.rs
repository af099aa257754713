//! Putting a copy in the place of an existing container: restoring its snapshot.
//!
//! Everything new is prepared first, and the clone hooks run; [`restoration`] then puts it in place.

use super::{Request, Storage, copy_file};
use crate::config::{Document, RootfsPath};
use crate::container::operation::mark::{Mark, Unfinished};
use crate::container::operation::removal::{self, with_clean_up};
use crate::container::operation::restoration::{self, Staging};
use crate::container::operation::{self, Operation};
use crate::container::owner::Owner;
use crate::container::{dependents, interruption};
use crate::error::{Error, Result};
use crate::storage;

const TOOL: &str = "lxc-snapshot -r";

/// Copies `request.source` over the stopped container `request.target`: its storage and its
/// configuration are replaced, its snapshots stay. On failure the container is as it was, unless the error says
/// that it is restored. The answer is what could not be adapted.
pub fn replace(request: &Request<'_>) -> Result<Vec<String>> {
    let target = &request.target;
    let _operation = Operation::begin(target, TOOL)?;
    let _reading = operation::read(&request.source, TOOL)?;
    if !dependents::living(target)?.is_empty() {
        return Err(Error::new(format!("{target} has clones"))
            .hint("they need its storage; restore to another name with -N"));
    }
    interruption::guard()?;
    let (warnings, mark) = prepare(request).map_err(|error| {
        let discarded = restoration::discard(target);
        with_clean_up(error, discarded)
    })?;
    restoration::complete(target, mark)
        .map_err(|error| operation::try_again(target, error, &format!("{target} is restored")))?;
    Ok(warnings)
}

/// Makes the new container, up to the mark. Returns what could not be adapted in it.
fn prepare(request: &Request<'_>) -> Result<(Vec<String>, Mark)> {
    let Request { source, target, .. } = request;
    let staging = Staging::of(target);
    staging.make()?;
    let old = Document::load(&target.config_file())?;
    let document = Document::load(&source.config_file())?;
    let owner = Owner::of(&document.config)?;
    let made = Storage::of(request, &document, &staging.storage())?.copy(
        request,
        &staging.storage(),
        owner.as_ref(),
    )?;
    interruption::check()?;

    let backend = storage::backend_of(&made)?;
    staging.keep_layers(&backend.rootfs_mount(&made.source)?)?;
    let moved = backend.renamed(&made.source, &staging.storage(), &staging.home);
    let value = storage::value(&RootfsPath { source: moved, ..made.clone() });
    let change = request.change(&value);
    for file in change.files(&document.config)? {
        let to = file.to.strip_prefix(&staging.home).unwrap_or(&file.to);
        copy_file(&document.config, &file.from, &staging.files().join(to))?;
    }
    let text = change.apply(document.text(), &document.config)?;
    let new = Document::parse(&text, &target.config_file().display().to_string())?;
    let config_file = staging.files().join("config");
    new.save(&config_file)?;
    old.save(&staging.old_config())?;
    let bases = dependents::bases(source)?;
    dependents::write(&staging.old_bases(), &dependents::bases(target)?)?;
    dependents::write_staged(target, &bases)?;
    dependents::announce(target, &bases)?;

    let mut adapted = new.config.clone();
    adapted.rootfs.path = Some(made);
    // The hooks of the snapshot: the container may have lost its own.
    adapted.hooks = document.config.hooks.clone();
    let warnings = request.adapt(&config_file, &adapted, owner.as_ref())?;
    removal::run_hooks(target, &old.config)?;
    interruption::check()?;
    storage::sync(&[&staging.home])?;
    Ok((warnings, Mark::make(target, &Unfinished::Restore)?))
}
