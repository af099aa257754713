//! Which containers are snapshots of which: the files `lxc_snapshots` (in a container, its snapshots)
//! and `lxc_rdepends` (in a snapshot, what it is based on), shared with C LXC.
//!
//! Both are pairs of lines, the directory of containers and the name.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::list::is_defined;
use super::lock::definition;
use super::operation::mark;
use crate::config::{sweep_temporary, write_whole};
use crate::error::{Context, Error, Result};
use crate::identity::{ContainerName, Identity};
use crate::sys::remove;

const SNAPSHOTS: &str = "lxc_snapshots";
/// The file of what a container is based on.
pub(super) const BASES: &str = "lxc_rdepends";
/// The same file of a container that is being restored, which will replace [`BASES`].
pub(super) const STAGED_BASES: &str = ".restore/files/lxc_rdepends";

/// The containers that are snapshots of `identity`.
pub fn of(identity: &Identity) -> Result<Vec<Identity>> {
    read(&identity.dir().join(SNAPSHOTS))
}

/// The containers that `identity` is based on.
pub fn bases(identity: &Identity) -> Result<Vec<Identity>> {
    read(&identity.dir().join(BASES))
}

/// Writes into the file of `snapshot` that it is based on `bases`, and then into theirs.
pub fn add(snapshot: &Identity, bases: &[Identity]) -> Result<()> {
    if bases.is_empty() && !snapshot.dir().join(BASES).exists() {
        return Ok(());
    }
    // The snapshot's own file first: should this be interrupted, the records are found, and removed, by
    // that file.
    write(&snapshot.dir().join(BASES), bases)?;
    announce(snapshot, bases)
}

/// Writes into the files of `bases` that `snapshot` is based on them. This comes before the snapshot
/// needs them, so that none of them is removed meanwhile. Each must be a complete container.
pub fn announce(snapshot: &Identity, bases: &[Identity]) -> Result<()> {
    for base in bases {
        let _lock = definition(base)?;
        let mut all = of(base)?;
        if all.contains(snapshot) {
            continue;
        }
        if !is_defined(base)? || mark::exists(base) {
            let dir = base.dir();
            return Err(Error::new(format!("{} is no longer a container", dir.display()))
                .hint(format!("the storage of {snapshot} needs it")));
        }
        all.push(snapshot.clone());
        sweep_temporary(&base.dir())?;
        write(&base.dir().join(SNAPSHOTS), &all)?;
    }
    Ok(())
}

/// Removes `snapshot` from the files of `bases`, which it no longer needs.
pub fn forget(snapshot: &Identity, bases: &[Identity]) -> Result<()> {
    for base in bases {
        let path = base.dir().join(SNAPSHOTS);
        // A base that is gone has forgotten it already.
        if !path.exists() {
            continue;
        }
        let _lock = definition(base)?;
        let mut all = of(base)?;
        let known = all.len();
        all.retain(|one| one != snapshot);
        if all.len() < known {
            sweep_temporary(&base.dir())?;
            write(&path, &all)?;
        }
    }
    Ok(())
}

/// Removes the records of snapshots that do not need `base`. A snapshot that is being made has its own
/// file before its record is written, and the record is written under the same lock.
pub fn prune(base: &Identity) -> Result<()> {
    let _lock = definition(base)?;
    let (all, living) = (of(base)?, living(base)?);
    if living.len() == all.len() {
        return Ok(());
    }
    sweep_temporary(&base.dir())?;
    write(&base.dir().join(SNAPSHOTS), &living)
}

/// The snapshots of `identity` that need it.
pub fn living(identity: &Identity) -> Result<Vec<Identity>> {
    let mut all = of(identity)?;
    all.retain(|one| one != identity && needs(one, identity));
    Ok(all)
}

/// Whether `one`, which `base` has a record of, needs `base`. A record is left over if its container is
/// gone, or another container is in its place: a process that removes or renames a container can be
/// killed before it removes the record.
fn needs(one: &Identity, base: &Identity) -> bool {
    // If that cannot be told, it counts as needed.
    if one.dir().try_exists().unwrap_or(true) {
        return claims(one).map_or(true, |bases| bases.iter().any(|it| is_same(it, base)));
    }
    // The container may be on a file system that is not mounted. The directory of snapshots goes with its
    // container.
    let lxcpath = match one.lxcpath.parent().and_then(Path::parent) {
        Some(above) if one.lxcpath.ends_with("snaps") => above,
        _ => &one.lxcpath,
    };
    !lxcpath.exists()
}

/// Writes what `identity` will be based on once its restore is complete; the file is written even if that
/// is nothing.
pub(super) fn write_staged(identity: &Identity, bases: &[Identity]) -> Result<()> {
    let path = identity.dir().join(STAGED_BASES);
    if bases.is_empty() {
        return std::fs::write(&path, "").context(|| format!("cannot write {}", path.display()));
    }
    write(&path, bases)
}

/// What `identity` is based on, or will be once its restore is complete.
pub fn claims(identity: &Identity) -> Result<Vec<Identity>> {
    let mut all = bases(identity)?;
    all.extend(read(&identity.dir().join(STAGED_BASES))?);
    Ok(all)
}

/// Whether both name the same directory.
fn is_same(one: &Identity, other: &Identity) -> bool {
    let inode = |identity: &Identity| {
        identity.dir().metadata().map(|metadata| (metadata.dev(), metadata.ino()))
    };
    one == other || matches!((inode(one), inode(other)), (Ok(one), Ok(other)) if one == other)
}

/// Reads a file of either kind; a missing file names no container.
pub(super) fn read(path: &Path) -> Result<Vec<Identity>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        result => result.context(|| format!("cannot read {}", path.display()))?,
    };
    // LXC up to 1.0 kept a number here.
    if text.trim() == "0" {
        return Ok(Vec::new());
    }
    let lines: Vec<&str> = text.lines().collect();
    lines
        .chunks(2)
        .map(|pair| match pair {
            [lxcpath, name] => Ok(Identity::new(*lxcpath, ContainerName::new(*name)?)),
            _ => Err(Error::new("a directory without a name")),
        })
        .collect::<Result<_>>()
        .map_err(|error| {
            Error::new(format!("{} is damaged: {}", path.display(), error.what))
                .hint("it has two lines for each container: its directory of containers, its name")
        })
}

/// Writes a file of either kind; removes it if there are no containers to name.
pub(super) fn write(path: &Path, containers: &[Identity]) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    if containers.is_empty() {
        return remove::file(path);
    }
    let mut text = String::new();
    for container in containers {
        text.push_str(&format!("{}\n{}\n", container.lxcpath.display(), container.name));
    }
    write_whole(path, &text)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).context(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_pairs_of_lines_and_go_when_empty() {
        let dir = std::env::temp_dir().join(format!("lxc-rs-dependents-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join(SNAPSHOTS);
        let name = |name| ContainerName::new(name).unwrap();
        let two = [Identity::new("/a", name("x")), Identity::new("/b", name("y"))];
        write(&path, &two).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "/a\nx\n/b\ny\n");
        assert_eq!(read(&path).unwrap(), two);
        write(&path, &[]).unwrap();
        assert!(!path.exists());
        assert_eq!(read(&path).unwrap(), []);
        std::fs::write(&path, "/a\n").unwrap();
        assert!(read(&path).unwrap_err().what.contains("damaged"));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
