//! Copying a container: its storage, its configuration (changed where it names the source), its hooks.

mod adapt;
mod configuration;
pub mod ephemeral;
mod names;
mod rename;
mod replace;

use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::list::{is_defined, require_defined};
use super::lock::definition;
use super::operation::mark::{self, Mark, Unfinished};
use super::operation::{self, removal};
use super::owner::Owner;
use super::rollback::Rollback;
use super::{dependents, ids, interruption, shift};
use crate::config::{Config, Document, RootfsPath};
use crate::error::{Context, Error, Kind, Result};
use crate::identity::Identity;
use crate::monitor::client::Client;
use crate::mount::Roots;
use crate::namespace::Ids;
use crate::state::State;
use crate::storage::copy::{Progress, Watch};
use crate::storage::shared::Shared;
use crate::storage::{self, Attached, Backend, RootfsMount, Specification, Target};

pub use names::replace_name;
pub use rename::rename;
pub use replace::replace;

use adapt::Adaptation;
use configuration::Change;

/// Adds to a configuration.
pub type Extend<'a> = dyn Fn(&mut Document) -> Result<()> + 'a;

/// What to copy, and how.
#[derive(Clone)]
pub struct Request<'a> {
    /// The container to copy.
    pub source: Identity,
    /// The container to make.
    pub target: Identity,
    /// The configuration to copy, instead of the source's file.
    pub document: Option<Document>,
    /// Whether the copy shares with the source what neither changes.
    pub snapshot: bool,
    /// Whether it does so if the source's storage supports snapshots by itself.
    pub snapshot_if_possible: bool,
    /// The storage back-end of the copy, instead of the source's; a snapshot of a directory is an
    /// overlay, a copy of a btrfs subvolume to another kind of file system a directory.
    pub backend: Option<String>,
    /// What is asked of the copy's storage. A back-end without a use for a setting ignores it.
    pub storage: Specification,
    /// Whether the copy keeps the source's `lxc.uts.name` and `/etc/hostname`.
    pub keep_name: bool,
    /// Whether the copy keeps the source's MAC addresses.
    pub keep_mac: bool,
    /// Whether the copy gets a range of ids of its own, instead of those of the source.
    pub own_ids: bool,
    /// Whether the source may run.
    pub allow_running: bool,
    /// What clone hooks get after their own arguments.
    pub hook_arguments: Vec<String>,
    /// Called with the progress several times a second.
    pub report: Option<&'a (dyn Fn(Progress) + Sync)>,
    /// Adds to the copy's configuration, and to its directory, before the copy is complete.
    pub extend: Option<&'a Extend<'a>>,
}

impl Request<'_> {
    /// A complete copy of `source`, with a name and addresses of its own.
    pub fn new(source: Identity, target: Identity) -> Self {
        Self {
            source,
            target,
            document: None,
            snapshot: false,
            snapshot_if_possible: false,
            backend: None,
            storage: Specification::default(),
            keep_name: false,
            keep_mac: false,
            own_ids: false,
            allow_running: false,
            hook_arguments: Vec::new(),
            report: None,
            extend: None,
        }
    }

    /// The directory of containers that the copy belongs to, and a name for it that nothing else has there.
    fn place(&self) -> (PathBuf, String) {
        let Self { source, target, .. } = self;
        if target.lxcpath == source.snapshots() {
            return (source.lxcpath.clone(), format!("{}_{}", source.name, target.name));
        }
        (target.lxcpath.clone(), target.name.to_string())
    }

    fn change<'c>(&'c self, rootfs: &'c str) -> Change<'c> {
        Change {
            source: &self.source,
            target: &self.target,
            rootfs,
            keep_name: self.keep_name,
            keep_mac: self.keep_mac,
        }
    }

    /// Adapts the copy, whose configuration is `config`, in the file `config_file`; see
    /// [`Adaptation::run`].
    fn adapt(
        &self,
        config_file: &Path,
        config: &Config,
        owner: Option<&Owner>,
    ) -> Result<Vec<String>> {
        let adaptation = Adaptation {
            source: &self.source,
            target: &self.target,
            config_file,
            keep_name: self.keep_name,
            hook_arguments: &self.hook_arguments,
        };
        within(owner, || adaptation.run(config))
    }
}

/// Copies the container. On failure everything that was made is removed, and nothing else; what killed
/// copies have left in the same directory of containers is removed as well. When this returns the copy is
/// on the disk, unless it is one that is destroyed when it stops.
///
/// Returns what could not be adapted in the copy.
pub fn copy(request: &Request<'_>) -> Result<Vec<String>> {
    let Request { source, target, .. } = request;
    require_defined(source)?;
    let _reading = operation::read(source, "lxc-copy")?;
    let document = match &request.document {
        Some(document) => document.clone(),
        None => Document::load(&source.config_file())?,
    };
    let mut request = request.clone();
    request.snapshot |= request.snapshot_if_possible && storage::has_snapshots(&document.config)?;
    refuse_running(&request)?;
    removal::sweep_copies(&target.lxcpath)?;
    let _lock = definition(target)?;
    if is_defined(target)? || mark::exists(target) {
        return Err(Error::new(format!("Container {target} already exists")));
    }
    if !target.lxcpath.is_dir() {
        return Err(Error::new(format!("there is no directory {}", target.lxcpath.display()))
            .hint("create it, or name another one with -p"));
    }
    interruption::guard()?;
    let mut rollback = Rollback::new(target);
    build(&request, &document, &mut rollback).map_err(|error| rollback.undo(error))
}

fn refuse_running(request: &Request<'_>) -> Result<()> {
    let source = &request.source;
    if request.allow_running || Client::new(source).state()? == State::Stopped {
        return Ok(());
    }
    Err(Error::new(format!("{source} is running"))
        .kind(Kind::AlreadyRunning)
        .hint("stop it first, or copy it as it is at your own risk with --allowrunning"))
}

fn build(
    request: &Request<'_>,
    document: &Document,
    rollback: &mut Rollback<'_>,
) -> Result<Vec<String>> {
    let Request { source, target, .. } = request;
    rollback.make_home()?;
    rollback.for_ids(Ids::of(&document.config));
    let mark = Mark::make(target, &Unfinished::Copy)?;
    let owner = Owner::of(&document.config)?;
    if let Some(owner) = &owner {
        owner.allow_traversal(&target.dir())?;
    }
    let storage = Storage::of(request, document, &target.dir())?;
    let shared = Shared::hold(&document.config)?;
    if target.lxcpath != source.lxcpath && target.lxcpath != source.snapshots() {
        shared.note(&target.lxcpath)?;
    }
    // Tried before the storage is copied: the threads that copy might not have quite ended after that.
    let can_show = request.own_ids && ids::can_show_at(&target.dir());
    if storage.is_dependent {
        dependents::add(target, &bases(source, target)?)?;
    }
    let path = storage.copy(request, &target.dir(), owner.as_ref())?;
    storage::size::apply_at(&path, &document.config)
        .map_err(|error| error.at(document.config.origin("lxc.rootfs.size")))?;
    if let (Some(owner), true) = (&owner, storage.is_dependent) {
        owner.chown_storage(&target.dir())?;
    }
    // If the source was started meanwhile, the copy is neither its state before that nor after.
    refuse_running(request)?;
    let value = storage::value(&path);
    let change = request.change(&value);
    for file in change.files(&document.config)? {
        copy_file(&document.config, &file.from, &file.to)?;
    }
    let text = change.apply(document.text(), &document.config)?;
    let file = target.config_file();
    let from = shift::on_disk(&document.config)?;
    let mut document = Document::parse(&text, &file.display().to_string())?;
    let given = request.own_ids.then(|| ids::give(&target.lxcpath)).transpose()?;
    if let Some(given) = &given {
        ids::set_maps(&mut document, &given.maps)?;
        ids::show_inside(&mut document, can_show)?;
    }
    if let Some(extend) = request.extend {
        extend(&mut document)?;
    }
    write_new(&file, document.text())?;
    drop(given);
    let owner = if request.own_ids {
        let watch = Watch { interrupted: Some(interruption::guard()?), report: None };
        shift::copied(&document.config, &target.dir(), &from, watch)?;
        rollback.for_ids(Ids::of(&document.config));
        let owner = Owner::of(&document.config)?;
        if let Some(owner) = &owner {
            owner.allow_traversal(&target.dir())?;
        }
        owner
    } else {
        owner
    };
    let warnings = request.adapt(&file, &document.config, owner.as_ref())?;
    interruption::check()?;
    if document.config.ephemeral {
        // An ephemeral copy is not meant to outlive this boot.
        mark.remove()?;
    } else {
        mark.complete(&[])?;
    }
    Ok(warnings)
}

/// Runs `act` where files that belong to the container's root, `owner`, can be made.
fn within<T: Serialize + DeserializeOwned>(
    owner: Option<&Owner>,
    act: impl FnOnce() -> Result<T>,
) -> Result<T> {
    match owner {
        Some(owner) => owner.within(act),
        None => act(),
    }
}

/// The storage to copy, and how.
struct Storage {
    source: RootfsMount,
    backend: &'static dyn Backend,
    /// The limit of the copy's size.
    limit: Option<u64>,
    /// Whether the copy needs the source's storage.
    is_dependent: bool,
    _attached: Option<Attached>,
}

impl Storage {
    /// What `request` wants of the container with the configuration `document`, for a copy in `home`.
    fn of(request: &Request<'_>, document: &Document, home: &Path) -> Result<Self> {
        let config = &document.config;
        let source = &request.source;
        let Some(path) = &config.rootfs.path else {
            return Err(Error::new(format!("{source} has no root filesystem to copy"))
                .hint("set lxc.rootfs.path"));
        };
        if config.rootfs.managed == Some(false) {
            return Err(Error::new(format!(
                "the root filesystem of {source} is not managed by LXC"
            ))
            .at(config.origin("lxc.rootfs.managed"))
            .hint("set lxc.rootfs.managed = 1, or copy it by hand"));
        }
        let backend = match &request.backend {
            Some(name) => storage::backend(name)?,
            None => storage::backend_for_copy(path, request.snapshot, home)?,
        };
        let source = storage::rootfs_mount(config)?;
        let attached = storage::attach(config)?;
        Ok(Self {
            backend,
            limit: config.rootfs.size,
            is_dependent: request.snapshot && backend.snapshots_depend(&source),
            source,
            _attached: attached,
        })
    }

    /// Makes the copy in the directory `home`; `owner`: the container's root, if that is not the caller.
    fn copy(
        &self,
        request: &Request<'_>,
        home: &Path,
        owner: Option<&Owner>,
    ) -> Result<RootfsPath> {
        let (lxcpath, name) = request.place();
        let target = Target {
            home,
            specification: &request.storage,
            lxcpath: &lxcpath,
            name: &name,
            limit: self.limit,
        };
        let watch = Watch { interrupted: Some(interruption::guard()?), report: request.report };
        let copied = within(owner, || {
            if request.snapshot {
                self.backend.snapshot(&self.source, target, watch)
            } else {
                self.backend.copy(&self.source, target, watch)
            }
        });
        if let (Some(owner), Ok(_)) = (owner.filter(|_| !geteuid().is_root()), &copied) {
            // What the back-end made in addition to the storage.
            owner.chown_back(home, &[home.join("rootfs")])?;
        }
        copied.map_err(|error| Error {
            what: format!("cannot copy {}: {}", self.source, error.what),
            ..error
        })
    }
}

/// What the snapshot `target` is based on: what `source` is based on, and `source` itself unless the
/// snapshot is kept in the source's directory and removed with it.
fn bases(source: &Identity, target: &Identity) -> Result<Vec<Identity>> {
    let mut bases = dependents::bases(source)?;
    if target.lxcpath != source.snapshots() {
        bases.push(source.clone());
    }
    Ok(bases)
}

/// Writes the new file `path`, mode 0640. Unlike where a file is replaced, this does not wait for the
/// disk, which would first write all that was copied.
fn write_new(path: &Path, text: &[u8]) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o640).open(path);
    file.and_then(|mut file| file.write_all(text))
        .context(|| format!("cannot write {}", path.display()))
}

/// Copies a file that the configuration `config` names.
fn copy_file(config: &Config, from: &Path, to: &Path) -> Result<()> {
    let failed = || format!("cannot copy {} to {}", from.display(), to.display());
    if let Some(dir) = to.parent() {
        std::fs::create_dir_all(dir).context(failed)?;
    }
    let roots = Roots::of(config);
    if roots.hold(from) {
        return std::fs::write(to, roots.read(from)?).context(failed);
    }
    std::fs::copy(from, to).map(drop).context(failed)
}
