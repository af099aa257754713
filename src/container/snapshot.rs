//! Snapshots of a container: complete containers themselves, called `snapN`, in the directory `snaps`
//! of the container, with the time and perhaps a comment in a file each.

use std::path::Path;

use super::copy::{self, Request};
use super::destroy;
use super::list::{self, is_defined};
use super::operation::{self, mark, removal};
use super::rollback::make_dir;
use crate::config::Document;
use crate::error::{Context, Error, Kind, Result};
use crate::identity::{ContainerName, Identity};
use crate::storage;
use crate::storage::copy::Progress;

/// The snapshot of `identity` called `name`, or what is left of it.
fn find(identity: &Identity, name: &str) -> Result<Identity> {
    require_defined(identity)?;
    let snapshot = Identity::new(identity.snapshots(), ContainerName::new(name)?);
    if is_defined(&snapshot)? || mark::exists(&snapshot) || removal::is_empty_dir(&snapshot) {
        return Ok(snapshot);
    }
    Err(Error::new(format!("there is no snapshot {name} of {identity}"))
        .kind(Kind::NotDefined)
        .hint(format!("see lxc-snapshot -n {identity} -L")))
}

fn require_defined(identity: &Identity) -> Result<()> {
    if is_defined(identity)? {
        return Ok(());
    }
    Err(Error::new("Container is not defined").kind(Kind::NotDefined))
}

/// Takes a snapshot of `identity`, with the content of the file `comment`; returns the snapshot and what
/// could not be adapted in it. On failure nothing is left of it.
pub fn take(
    identity: &Identity,
    comment: Option<&Path>,
    report: Option<&(dyn Fn(Progress) + Sync)>,
) -> Result<(Identity, Vec<String>)> {
    require_defined(identity)?;
    let comment = comment
        .map(|path| std::fs::read(path).context(|| format!("cannot read {}", path.display())))
        .transpose()?;
    // Held before the first directory is made, which would be left over if the container were destroyed.
    let _reading = operation::read(identity, "lxc-snapshot")?;
    let config = Document::load(&identity.config_file())?.config;
    let as_snapshot = storage::is_kept_as_snapshot(&config)?;
    removal::sweep_copies(&identity.snapshots())?;
    let (target, made_all) = reserve(&identity.snapshots())?;
    let extend = |_: &mut Document| annotate(&target, comment.as_deref());
    let request = Request {
        snapshot: as_snapshot,
        keep_name: true,
        keep_mac: true,
        report,
        extend: Some(&extend),
        ..Request::new(identity.clone(), target.clone())
    };
    let result = copy::copy(&request);
    let warnings = result.inspect_err(|_| {
        // The directories made for it, unless something else is in them by now.
        let _ = std::fs::remove_dir(target.dir());
        if made_all {
            let _ = std::fs::remove_dir(&target.lxcpath);
        }
    })?;
    Ok((target, warnings))
}

/// Makes the directory of the snapshot with the lowest free number, and says whether it is the first
/// there.
fn reserve(dir: &Path) -> Result<(Identity, bool)> {
    let failed = |path: &Path| format!("cannot create the directory {}", path.display());
    let make = |path: &Path, mode| match make_dir(path, mode) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        made => made.map(|()| true).context(|| failed(path)),
    };
    let is_first = make(dir, 0o755)?;
    for number in 0_u32.. {
        let identity = Identity::new(dir, ContainerName::new(format!("snap{number}"))?);
        let is_free = make(&identity.dir(), 0o770).inspect_err(|_| {
            if is_first {
                let _ = std::fs::remove_dir(dir);
            }
        })?;
        if is_free {
            return Ok((identity, is_first));
        }
    }
    Err(Error::new(failed(dir)))
}

/// Writes time and comment.
fn annotate(snapshot: &Identity, comment: Option<&[u8]>) -> Result<()> {
    let time = jiff::ZonedDateTime::now().strftime("%Y:%m:%d %H:%M:%S").to_string();
    let write = |name: &str, content: &[u8]| {
        let path = snapshot.dir().join(name);
        std::fs::write(&path, content).context(|| format!("cannot write {}", path.display()))
    };
    write("ts", time.as_bytes())?;
    comment.map_or(Ok(()), |comment| write("comment", comment))
}

/// Makes the container `name` next to `identity` from its snapshot `snapshot`; if `name` is that of
/// `identity` itself, the snapshot takes its place. Returns what could not be adapted.
pub fn restore(
    identity: &Identity,
    snapshot: &str,
    name: Option<ContainerName>,
    report: Option<&(dyn Fn(Progress) + Sync)>,
) -> Result<Vec<String>> {
    let snapshot = find(identity, snapshot)?;
    let target = Identity::new(&identity.lxcpath, name.unwrap_or(identity.name.clone()));
    let config = Document::load(&snapshot.config_file())?.config;
    let as_snapshot = storage::is_kept_as_snapshot(&config)?;
    let request =
        Request { snapshot: as_snapshot, report, ..Request::new(snapshot, target.clone()) };
    if target == *identity { copy::replace(&request) } else { copy::copy(&request) }
}

/// Destroys the snapshot `name` of `identity`, or with `ALL` all of them.
pub fn remove(identity: &Identity, name: &str) -> Result<()> {
    if name != "ALL" {
        return destroy::destroy(&find(identity, name)?, false, None);
    }
    require_defined(identity)?;
    let dir = identity.snapshots();
    removal::sweep_snapshots(&dir)?;
    let all = list::snapshots(identity)?;
    if all.is_empty() && !removal::is_empty(&dir) {
        return Err(Error::new(format!("{identity} has no snapshots")).kind(Kind::NotDefined));
    }
    all.iter().try_for_each(|one| destroy::destroy(&one.identity, false, None))?;
    std::fs::remove_dir(&dir).context(|| format!("cannot remove {}", dir.display()))
}
