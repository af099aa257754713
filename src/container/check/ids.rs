//! Ids of a container that it has to share, or may have to.

use std::collections::BTreeSet;
use std::path::Path;

use nix::unistd::geteuid;

use crate::config::{Config, IdKind, IdMap};
use crate::container::ids::taken::{self, Taken};
use crate::container::ids::{OF_USERADD, few};
use crate::error::Error;
use crate::namespace::ranges::{self, Ids};
use crate::namespace::subid;
use crate::table;

/// Warnings about ids of the container with the configuration `config` in `file` that others have as
/// well, other containers or users, or could get.
pub(super) fn warnings(config: &Config, file: &Path) -> Vec<Error> {
    let mut all = Vec::new();
    if let Some((by, ids)) = shared(config, &of_containers(file)) {
        all.push(not_alone(config, &by, &ids).hint(
            "two containers with the same ids are one to the kernel; give this one its own with: \
             lxc-rs shift --idmap auto NAME",
        ));
    }
    // An ordinary user can map only the user's own ids.
    if !geteuid().is_root() {
        return all;
    }
    let of_users: Vec<Taken> = IdKind::BOTH.into_iter().flat_map(taken::of_others).collect();
    match shared(config, &of_users) {
        Some((by, ids)) => {
            all.push(not_alone(config, &by, &ids).hint("map ids that no user has"));
        }
        None => all.extend(not_reserved(config)),
    }
    all
}

fn not_alone(config: &Config, by: &BTreeSet<&str>, ids: &Ids) -> Error {
    let at = config.idmap.first().and_then(|map| map.origin.as_ref());
    Error::new(format!(
        "the ids {} are not this container's alone: {} too",
        ranges::shown(ids),
        few(by)
    ))
    .at(at)
}

/// Who of `others` has ids of the container as well, and the first of those ids.
fn shared<'t>(config: &Config, others: &'t [Taken]) -> Option<(BTreeSet<&'t str>, Ids)> {
    let both = taken::of_config(config, "").into_iter().flat_map(|own| {
        let of_kind = others.iter().filter(move |other| other.kind == own.kind);
        of_kind.filter_map(move |other| {
            let ids = [own.ids.clone()];
            let both = ranges::common(&ids, std::slice::from_ref(&other.ids));
            Some((other.by.as_str(), both.first()?.clone()))
        })
    });
    let both: Vec<(&str, Ids)> = both.collect();
    let first = both.first()?.1.clone();
    Some((both.into_iter().map(|(by, _)| by).collect(), first))
}

/// The ids of all containers except the one whose configuration is `file`.
fn of_containers(file: &Path) -> Vec<Taken> {
    let Ok(file) = std::path::absolute(file) else { return Vec::new() };
    let Some((home, lxcpath)) = file.parent().and_then(|home| Some((home, home.parent()?))) else {
        return Vec::new();
    };
    // Containers that cannot be read are not the caller's.
    let all = taken::containers(lxcpath).unwrap_or_default().into_iter();
    // Its snapshots have its ids.
    let others = all.filter(|(other, _)| !other.dir().starts_with(home));
    let by = |name: &str| format!("the container {name} has them");
    others.flat_map(|(other, config)| taken::of_config(&config, &by(other.name.as_str()))).collect()
}

/// A warning about ids of root's container that useradd(8) may give to a user.
fn not_reserved(config: &Config) -> Option<Error> {
    let reserve = |map: &IdMap| {
        let ids = map.outside_ids();
        let file = subid::file(map.kind);
        let text = table::read(file).unwrap_or_default();
        let could = !ranges::common(std::slice::from_ref(&ids), &[OF_USERADD]).is_empty();
        if !could || subid::grants(&text, "root", 0, map.outside, map.range) {
            return None;
        }
        let what = format!("useradd(8) may give the ids {} to a new user", ranges::shown(&ids));
        let (first, count, file) = (map.outside, map.range, file.display());
        Some(Error::new(what).hint(format!("reserve them: echo 'root:{first}:{count}' >>{file}")))
    };
    let mut all = config.idmap.iter();
    all.find_map(|map| Some(reserve(map)?.at(map.origin.as_ref())))
}
