//! Which containers are snapshots of which: the files `lxc_snapshots` (in a container, its snapshots)
//! and `lxc_rdepends` (in a snapshot, what it is based on), shared with C LXC.
//!
//! Both are pairs of lines, the directory of containers and the name.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::lock::definition;
use crate::config::write_whole;
use crate::error::{Context, Error, Result};
use crate::identity::{ContainerName, Identity};

const SNAPSHOTS: &str = "lxc_snapshots";
const BASES: &str = "lxc_rdepends";

/// The containers that are snapshots of `identity`.
pub fn of(identity: &Identity) -> Result<Vec<Identity>> {
    read(&identity.dir().join(SNAPSHOTS))
}

/// The containers that `identity` is based on.
pub fn bases(identity: &Identity) -> Result<Vec<Identity>> {
    read(&identity.dir().join(BASES))
}

/// Notes that the new container `snapshot` is based on `bases`.
pub fn add(snapshot: &Identity, bases: &[Identity]) -> Result<()> {
    let own = snapshot.dir().join(BASES);
    if bases.is_empty() && !own.exists() {
        return Ok(());
    }
    // First where it starts from: a snapshot that is not completed is found by its own file.
    write(&own, bases)?;
    for base in bases {
        let _lock = definition(base)?;
        let mut all = of(base)?;
        all.push(snapshot.clone());
        write(&base.dir().join(SNAPSHOTS), &all)?;
    }
    Ok(())
}

/// Forgets `snapshot`, which is removed, in `bases`, what it was based on.
pub fn forget(snapshot: &Identity, bases: &[Identity]) -> Result<()> {
    for base in bases {
        let path = base.dir().join(SNAPSHOTS);
        // A base that is gone has forgotten it already.
        if !path.exists() {
            continue;
        }
        let _lock = definition(base)?;
        let mut all = of(base)?;
        if let Some(index) = all.iter().position(|one| one == snapshot) {
            all.remove(index);
            write(&path, &all)?;
        }
    }
    Ok(())
}

/// The snapshots of `identity` that are there. One whose directory is gone, but not the directory of
/// containers that it was in, was removed by somebody who was killed before this was noted.
pub fn living(identity: &Identity) -> Result<Vec<Identity>> {
    let mut all = of(identity)?;
    all.retain(|one| one != identity && (one.dir().exists() || !one.lxcpath.exists()));
    Ok(all)
}

fn read(path: &Path) -> Result<Vec<Identity>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        result => result.what(|| format!("cannot read {}", path.display()))?,
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

/// Without any the file goes.
fn write(path: &Path, containers: &[Identity]) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    if containers.is_empty() {
        return std::fs::remove_file(path).what(failed);
    }
    let mut text = String::new();
    for container in containers {
        text.push_str(&format!("{}\n{}\n", container.lxcpath.display(), container.name));
    }
    write_whole(path, &text)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).what(failed)
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
