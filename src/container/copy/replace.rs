//! Putting a copy in the place of a container that is there: restoring its snapshot.

use std::ffi::OsString;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use super::{Request, copy_file, copy_storage, refuse_running};
use crate::config::{Document, RootfsPath};
use crate::container::lock::definition;
use crate::container::{dependents, destroy, interruption};
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::storage::{self, tree};

/// Where the new storage is made, in the container's own directory.
const STAGING: &str = ".restore";

/// Copies `request.source` over the stopped container `request.target`: its storage and its
/// configuration are replaced, its snapshots stay. The new storage is complete before the old one is
/// touched, and on failure the container is as it was. The answer is what could not be adapted.
pub fn replace(request: &Request<'_>) -> Result<Vec<String>> {
    let target = &request.target;
    refuse_running(&Request { source: target.clone(), ..request.clone() })?;
    if !dependents::living(target)?.is_empty() {
        return Err(Error::new(format!("{target} has clones"))
            .hint("they need its storage; restore to another name with -N"));
    }
    let _lock = definition(target)?;
    let home = target.dir();
    let staging = home.join(STAGING);
    // What one that was killed left.
    tree::remove(&staging)?;
    interruption::guard()?;
    std::fs::create_dir(&staging).what(|| format!("cannot create {}", staging.display()))?;
    let result = prepare(request, &staging).and_then(|new| exchange(request, &staging, &new));
    let removed = tree::remove(&staging);
    let warnings = result.map_err(|error| match &removed {
        Err(problem) => error.note(format!("cleaning up: {problem}")),
        Ok(()) => error,
    })?;
    removed.map(|()| warnings)
}

/// The configuration of the container once its storage is exchanged.
fn prepare(request: &Request<'_>, staging: &Path) -> Result<Document> {
    let Request { source, target, .. } = request;
    let document = Document::load(&source.config_file())?;
    let made = copy_storage(request, &document, staging)?;
    interruption::check()?;
    let backend = storage::backend_of(&made.path)?;
    let path = RootfsPath {
        source: backend.renamed(&made.path.source, staging, &target.dir()),
        ..made.path
    };
    let value = storage::value(&path);
    let change = request.change(&value);
    for file in change.files(&document.config)? {
        copy_file(&file.from, &file.to)?;
    }
    let text = change.apply(document.text(), &document.config)?;
    Document::parse(&text, &target.config_file().display().to_string())
}

/// Lets the container be what was prepared.
fn exchange(request: &Request<'_>, staging: &Path, new: &Document) -> Result<Vec<String>> {
    let target = &request.target;
    let old = Document::load(&target.config_file())?;
    let old_bases = dependents::bases(target)?;
    destroy::run_hooks(target, &old.config)?;
    let home = target.dir();
    let mut names: Vec<OsString> = Vec::new();
    let adapted = exchange_all(staging, &home, &mut names)
        .and_then(|()| new.save(&target.config_file()))
        .and_then(|()| request.adaptation().run(&new.config));
    let warnings = adapted.map_err(|mut error| {
        let back = names.iter().map(|name| swap(&staging.join(name), &home.join(name)));
        let saved = old.save(&target.config_file());
        for problem in back.chain([saved]).filter_map(Result::err) {
            error = error.note(format!("cleaning up: {problem}"));
        }
        error
    })?;
    storage::destroy(&old.config, &home)?;
    dependents::forget(target, &old_bases)?;
    dependents::add(target, &new_bases(request)?)?;
    Ok(warnings)
}

/// What the container is based on now: what its snapshot was, that itself not being among it.
fn new_bases(request: &Request<'_>) -> Result<Vec<Identity>> {
    dependents::bases(&request.source)
}

fn exchange_all(staging: &Path, home: &Path, names: &mut Vec<OsString>) -> Result<()> {
    let failed = || format!("cannot read {}", staging.display());
    for entry in std::fs::read_dir(staging).what(failed)? {
        let name = entry.what(failed)?.file_name();
        swap(&staging.join(&name), &home.join(&name))?;
        names.push(name);
    }
    Ok(())
}

/// Exchanges the two, of which one may be missing.
fn swap(one: &Path, other: &Path) -> Result<()> {
    let rename = |from: &Path, to: &Path, flags| renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
    match rename(one, other, RenameFlags::RENAME_EXCHANGE) {
        Err(Errno::ENOENT) => rename(one, other, RenameFlags::RENAME_NOREPLACE)
            .or_else(|_| rename(other, one, RenameFlags::RENAME_NOREPLACE)),
        result => result,
    }
    .what(|| format!("cannot exchange {} and {}", one.display(), other.display()))
}
