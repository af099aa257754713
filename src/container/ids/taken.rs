//! Who has which ids.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use nix::unistd::getuid;

use super::caller;
use crate::config::{Config, Document, IdKind, IdMap, SystemConfig};
use crate::container::list;
use crate::error::Result;
use crate::identity::Identity;
use crate::namespace::ranges::Ids;
use crate::namespace::{map_lines, subid};
use crate::table;

/// Ids that somebody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Of users or of groups.
    pub kind: IdKind,
    /// The ids.
    pub ids: Ids,
    /// Who, in words.
    pub by: String,
}

/// All ids in use among those that the caller's containers could get.
pub fn taken(lxcpath: &Path) -> Result<Vec<Taken>> {
    let configured = SystemConfig::load()?.get("lxc.lxcpath").map(PathBuf::from);
    let mut paths = vec![lxcpath.to_owned()];
    // Directories that cannot be read are not the caller's.
    paths.extend(configured.filter(|path| path != lxcpath && list::defined(path).is_ok()));
    let mut all = Vec::new();
    for path in paths {
        for (identity, config) in containers(&path)? {
            all.extend(of_config(&config, &format!("the container {identity}")));
        }
    }
    all.extend(of_processes());
    for kind in IdKind::BOTH {
        all.extend(of_others(kind).into_iter().chain(of_accounts(kind)));
    }
    Ok(all)
}

/// The containers of `lxcpath` and their snapshots, with what can be understood of their configurations.
pub fn containers(lxcpath: &Path) -> Result<Vec<(Identity, Config)>> {
    let mut all = Vec::new();
    for name in list::defined(lxcpath)? {
        let identity = Identity::new(lxcpath, name);
        let snapshots = list::snapshots(&identity).unwrap_or_default();
        all.extend(snapshots.into_iter().map(|snapshot| snapshot.identity));
        all.push(identity);
    }
    let read = |identity: Identity| {
        // One that is removed meanwhile has no ids any more.
        let (document, _) = Document::check(&identity.config_file()).ok()?;
        Some((identity, document.config))
    };
    Ok(all.into_iter().filter_map(read).collect())
}

/// The ids that `by`, with the configuration `config`, has.
pub fn of_config(config: &Config, by: &str) -> Vec<Taken> {
    let taken = |map: &IdMap| Taken { kind: map.kind, ids: map.outside_ids(), by: by.to_owned() };
    config.idmap.iter().map(|map| taken(map)).collect()
}

/// The ids of user namespaces in which processes are: containers of whatever program.
fn of_processes() -> Vec<Taken> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    let Ok(processes) = std::fs::read_dir("/proc") else { return all };
    let pid = |name: std::ffi::OsString| name.to_str()?.parse::<u32>().ok();
    for pid in processes.flatten().filter_map(|entry| pid(entry.file_name())) {
        for (kind, file) in IdKind::BOTH.into_iter().zip(["uid_map", "gid_map"]) {
            // It may be gone by now.
            let text = table::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            if !seen.insert((file, text.clone())) {
                continue;
            }
            let by = format!("the process {pid}");
            let taken = |ids| Taken { kind, ids, by: by.clone() };
            all.extend(mapped(&text).into_iter().map(taken));
        }
    }
    all
}

/// The ids outside of a map in the kernel's format. A map of ids to themselves is left out: it makes them
/// no other user's.
fn mapped(text: &str) -> Vec<Ids> {
    let others = map_lines(text).filter(|(inside, outside, _)| inside != outside);
    others.map(|(_, outside, count)| outside..outside + count).collect()
}

/// The ids of `kind` that other users than the caller may map.
pub fn of_others(kind: IdKind) -> Vec<Taken> {
    let (file, names) = (subid::file(kind), [caller(), getuid().to_string()]);
    let text = table::read(file).unwrap_or_default();
    let others = subid::allocations(&text).filter(|one| !names.iter().any(|own| own == one.owner));
    let taken = others.map(|one| {
        let by = format!("{} in {}", one.owner, file.display());
        Taken { kind, ids: one.ids(), by }
    });
    taken.collect()
}

/// The ids of users, or of groups, themselves.
fn of_accounts(kind: IdKind) -> Vec<Taken> {
    let file = Path::new(if kind == IdKind::User { "/etc/passwd" } else { "/etc/group" });
    let text = table::read(file).unwrap_or_default();
    let taken = |line: &str| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?.parse::<u64>().ok()?);
        Some(Taken { kind, ids: id..id + 1, by: format!("{name} in {}", file.display()) })
    };
    text.lines().filter_map(taken).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_taken_from_a_map_unless_they_are_the_same_inside() {
        assert_eq!(mapped("         0          0 4294967295\n"), []);
        let text = "0 100000 1000\n1000 1000 1\n1001 101001 64535\n";
        assert_eq!(mapped(text), [100_000..101_000, 101_001..165_536]);
    }
}
