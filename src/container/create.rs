//! Creating a container: its directory, its configuration, its root filesystem by a template.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{AccessFlags, access, geteuid};
use serde::{Deserialize, Serialize};

use super::list::{self, is_defined};
use super::lock::definition;
use super::operation::Operation;
use super::operation::mark::{self, Mark, Unfinished};
use super::owner::Owner;
use super::rollback::Rollback;
use super::{ids, interruption};
use crate::config::{Document, Net, SystemConfig, get, show_bytes, write_whole};
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::namespace::Ids;
use crate::storage::{self, Backend, Specification, Target};
use crate::template::{self, Template};

/// What to create.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The container.
    pub identity: Identity,
    /// The template's name or path; `None` for a container without a root filesystem.
    pub template: Option<String>,
    /// What the template gets after its own arguments.
    pub arguments: Vec<OsString>,
    /// The configuration to begin with, instead of the system's default.
    pub config: Option<PathBuf>,
    /// The content of the configuration to begin with, instead of any file. A container of which only the
    /// configuration has been saved is completed with it.
    pub document: Option<Document>,
    /// The storage back-end's name; `None` for the best one that is available.
    pub backend: Option<String>,
    /// What is asked of the storage.
    pub storage: Specification,
    /// The most bytes that its root filesystem may take, instead of what the configuration says.
    #[serde(default)]
    pub size: Option<u64>,
    /// Whether the container gets a range of ids of its own, as `lxc.idmap`, instead of what the
    /// configuration says.
    #[serde(default)]
    pub own_ids: bool,
    /// Whether a template that can may make the root filesystem a layer over those that containers share,
    /// where the storage is a directory in the container's own.
    #[serde(default)]
    pub layers: bool,
    /// Whether the template's output is thrown away.
    pub quiet: bool,
}

impl Request {
    /// To make `identity` from the system's default configuration, without a root filesystem.
    pub fn of(identity: Identity) -> Self {
        Self {
            identity,
            template: None,
            arguments: Vec::new(),
            config: None,
            document: None,
            backend: None,
            storage: Specification::default(),
            size: None,
            own_ids: false,
            layers: false,
            quiet: true,
        }
    }

    /// The back-end; fails if it has no use for something that is asked for.
    pub(crate) fn backend(&self) -> Result<&'static dyn Backend> {
        let home = self.identity.dir();
        storage::backend_for_new(self.backend.as_deref(), self.target(&home))
    }

    /// Whether `template` makes layers for the new container.
    fn has_layers(&self, template: &Template) -> bool {
        let in_own =
            self.storage.dir.is_none() && self.backend.as_deref() == Some(storage::DEFAULT.name());
        self.layers && in_own && template.may_make_layers(&self.arguments)
    }

    fn target<'a>(&'a self, home: &'a Path) -> Target<'a> {
        Target {
            home,
            specification: &self.storage,
            lxcpath: &self.identity.lxcpath,
            name: self.identity.name.as_str(),
            limit: self.size,
        }
    }
}

/// Creates the container. On failure everything that was made is removed, and nothing else.
pub fn create(request: &Request) -> Result<()> {
    let identity = &request.identity;
    let template = request.template.as_deref().map(template::find).transpose()?;
    let initial = initial_config(request)?;
    let backend = request.backend()?;
    if let Some(dir) = &request.storage.dir
        && !dir.is_absolute()
    {
        return Err(Error::new("--dir should use absolute path"));
    }
    require_writable(&identity.lxcpath)?;
    let may_be_saved = request.document.is_some() && is_defined(identity)?;
    let (_operation, _lock) = if may_be_saved {
        (Some(Operation::begin(identity, "lxc-create")?), None)
    } else {
        (None, Some(definition(identity)?))
    };
    let saved = if may_be_saved { saved_only(identity)? } else { None };
    if saved.is_none() && (is_defined(identity)? || mark::exists(identity)) {
        return Err(Error::new("Container already exists"));
    }
    interruption::guard()?;
    let mut rollback = Rollback::new(identity);
    rollback.replace(saved);
    match build(request, backend, template.as_ref(), &initial, &mut rollback) {
        Ok(()) => Ok(()),
        Err(error) => Err(rollback.undo(error)),
    }
}

/// The saved configuration of a container that consists of nothing else.
fn saved_only(identity: &Identity) -> Result<Option<Vec<u8>>> {
    let failed = || format!("cannot read {}", identity.dir().display());
    for entry in std::fs::read_dir(identity.dir()).context(failed)? {
        if entry.context(failed)?.file_name() != "config" {
            return Ok(None);
        }
    }
    std::fs::read(identity.config_file()).map(Some).context(failed)
}

/// Fails unless this user may make containers in `lxcpath`, or make `lxcpath` itself.
fn require_writable(lxcpath: &Path) -> Result<()> {
    let nearest = lxcpath.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
    let flags = AccessFlags::W_OK | AccessFlags::X_OK;
    access(nearest, flags)
        .context(|| format!("You lack access to {}", lxcpath.display()))
        .map_err(|error| error.hint("run it as root, or name a directory of your own with -P"))
}

/// The configuration to begin with, checked before anything is made.
fn initial_config(request: &Request) -> Result<Document> {
    if let Some(document) = &request.document {
        return Ok(document.clone());
    }
    if let Some(path) = &request.config {
        return Document::load(path);
    }
    let configured = SystemConfig::load()?.get("lxc.default_config");
    let path = configured.map_or_else(crate::paths::default_config, PathBuf::from);
    if !path.exists() {
        return Ok(Document::default());
    }
    Document::load(&path)
}

fn build(
    request: &Request,
    backend: &dyn Backend,
    template: Option<&Template>,
    initial: &Document,
    rollback: &mut Rollback<'_>,
) -> Result<()> {
    let identity = &request.identity;
    let dir = identity.dir();
    rollback.make_home()?;
    let mark = Mark::make(identity, &Unfinished::Whole)?;
    let mut document = initial.clone();
    document.keep_addresses();
    let limit = request.size.or(initial.config.rootfs.size);
    let target = Target { limit, ..request.target(&dir) };
    let planned = template.map(|_| backend.plan(target)).transpose()?;
    if let Some(planned) = &planned {
        document.set("lxc.rootfs.path", &storage::value(&planned.path), "lxc-create")?;
    }
    if let Some(size) = request.size {
        document.set("lxc.rootfs.size", "", "lxc-create")?;
        document.set("lxc.rootfs.size", &show_bytes(&size), "lxc-create")?;
    }
    settle_addresses(&mut document)?;
    let given = request.own_ids.then(|| ids::give(&identity.lxcpath)).transpose()?;
    if let Some(given) = &given {
        ids::set_maps(&mut document, &given.maps)?;
        let root = planned.as_ref().map(|planned| planned.root.as_path());
        ids::show_inside(&mut document, root.is_some_and(ids::can_show_at))?;
    }
    let layers = template.is_some_and(|template| request.has_layers(template));
    if layers && geteuid().is_root() && !document.config.idmap.is_empty() {
        // The layers have the ids of the image, for containers with any ids.
        let root = planned.as_ref().map(|planned| planned.root.as_path());
        ids::show_inside(&mut document, root.is_some_and(ids::can_show_at))?;
    }
    document.save(&identity.config_file())?;
    drop(given);
    if let Some(planned) = &planned {
        backend.create(planned, target)?;
        if !planned.root.exists() {
            rollback.make_elsewhere(&planned.root)?;
        }
        storage::size::check(&document.config)?;
        storage::size::apply(&document.config)?;
    }
    if let (Some(template), Some(planned)) = (template, &planned) {
        let owner = Owner::of(&document.config)?;
        if let Some(owner) = &owner {
            rollback.for_ids(Ids::of(&document.config));
            owner.allow_traversal(&dir)?;
        }
        let layers = layers && (owner.is_none() || !geteuid().is_root());
        let mut words = request.arguments.clone();
        words.splice(0..0, layers.then(|| template::LAYERS.into()));
        let words = template.command_line(identity, &planned.root, &words)?;
        let fill = || fill(request, template, &words, &planned.root, owner.as_ref());
        backend.fill(planned, target, &fill)?;
    }
    interruption::check()?;
    let rootfs = planned.map(|planned| planned.root);
    mark.complete(rootfs.as_deref().as_slice())
}

/// Fills the empty root filesystem at `rootfs`.
fn fill(
    request: &Request,
    template: &Template,
    words: &[OsString],
    rootfs: &Path,
    owner: Option<&Owner>,
) -> Result<()> {
    if let Some(owner) = owner {
        owner.chown(rootfs)?;
        owner.chown_storage(&request.identity.dir())?;
    }
    run_template(request, template, words, rootfs, owner)
}

/// Replaces the `x` in MAC addresses by random digits for good, so that the container keeps its address.
fn settle_addresses(document: &mut Document) -> Result<()> {
    let is_random = |net: &Net| {
        let origin = net.origin("hwaddr");
        origin
            .and_then(|origin| origin.text.split_once('='))
            .is_some_and(|(_, value)| value.contains(['x', 'X']))
    };
    let random: Vec<u32> = document
        .config
        .net
        .iter()
        .filter(|(_, net)| is_random(net))
        .map(|(index, _)| *index)
        .collect();
    for index in random {
        let key = format!("lxc.net.{index}.hwaddr");
        let address = get(&document.config, &key)?;
        document.set(&key, "", "lxc-create")?;
        document.set(&key, &address, "lxc-create")?;
    }
    Ok(())
}

fn run_template(
    request: &Request,
    template: &Template,
    words: &[OsString],
    rootfs: &Path,
    owner: Option<&Owner>,
) -> Result<()> {
    let identity = &request.identity;
    // A root filesystem is used by others than its owner, whom the caller's umask may keep out.
    let before = umask(Mode::from_bits_truncate(0o022));
    let ended = match owner {
        Some(owner) => owner.run(words.to_vec(), request.quiet),
        None => template::run(words, request.quiet),
    };
    umask(before);
    ended.and_then(|code| template.succeeded(code)).map_err(|error| {
        if is_full(rootfs) { error.errno(Errno::ENOSPC).hint("the disk is full") } else { error }
    })?;
    interruption::check()?;
    if let Some(owner) = owner {
        let snapshots = list::snapshots(identity)?;
        let dirs = || snapshots.iter().map(|snapshot| snapshot.identity.dir());
        let mut kept: Vec<PathBuf> = dirs().map(|dir| dir.join("rootfs")).collect();
        kept.push(rootfs.to_owned());
        owner.chown_back(&identity.dir(), &kept)?;
        dirs().try_for_each(|dir| owner.allow_traversal(&dir))?;
    }
    add_header(request, template)?;
    // What the template wrote must be a configuration.
    Document::load(&identity.config_file()).map(drop)
}

/// The lines that tell, years later, where the container came from.
fn add_header(request: &Request, template: &Template) -> Result<()> {
    let file = request.identity.config_file();
    let text = std::fs::read(&file).context(|| format!("cannot read {}", file.display()))?;
    let words = shown(&request.arguments);
    let parameters = format!("# Parameters passed to the template: {}", words.join(" "));
    let header = format!(
        "# Template used to create this container: {}\n\
         {}\n\
         # For additional config options, please look at lxc.container.conf(5)\n\n\
         # Uncomment the following line to support nesting containers:\n\
         #lxc.include = {}\n\
         # (Be aware this has security implications)\n\n",
        template.shown(),
        parameters.trim_end(),
        crate::paths::data_dir().join("config/nesting.conf").display(),
    );
    write_whole(&file, [header.as_bytes(), &text].concat())
}

/// A template's `arguments` as the configuration shows them: others may read it, so a password is left
/// out.
fn shown(arguments: &[OsString]) -> Vec<String> {
    const SECRET: &str = "--password";
    let mut words: Vec<String> =
        arguments.iter().map(|word| word.to_string_lossy().replace('\n', " ")).collect();
    // Numbers of descriptors mean nothing later.
    words.retain(|word| !word.starts_with("--descriptors="));
    let mut follows = false;
    for word in &mut words {
        if std::mem::replace(&mut follows, word == SECRET) {
            "...".clone_into(word);
        } else if word.strip_prefix(SECRET).is_some_and(|rest| rest.starts_with('=')) {
            *word = format!("{SECRET}=...");
        }
    }
    words
}

fn is_full(path: &Path) -> bool {
    nix::sys::statvfs::statvfs(path)
        .is_ok_and(|fs| fs.blocks_available() == 0 || fs.files_available() == 0 && fs.files() > 0)
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn a_password_is_not_written_down() {
        let words =
            ["-u", "docker://a", "--password", "word", "--password=word", "--passwords", "x"];
        let words = shown(&words.map(Into::into));
        assert_eq!(words.join(" "), "-u docker://a --password ... --password=... --passwords x");
    }
}
