//! The registry of keys: one row a key, with all there is to know about it.
//!
//! Parsing, printing, clearing, help and "did you mean" read these rows; a key without a row does not
//! exist. The rows are in [`keys`](super::keys), by family.

use super::keys;
use super::model::Config;
use super::origin::Origin;

/// What a line says for a key.
#[derive(Clone, Copy, Debug)]
pub struct Field<'line> {
    /// The part of the key that its row leaves open: `memory.max` of `lxc.cgroup2.memory.max`.
    pub rest: &'line str,
    /// The value, without quotes; never empty.
    pub value: &'line str,
    /// The line.
    pub origin: Option<&'line Origin>,
}

/// Why a value is not accepted, and what to write instead.
pub type Refusal = String;

/// A key, or a family of keys.
pub struct Key {
    /// The full name; a family ends in `.*`, and has an index where it says `N`.
    pub name: &'static str,
    /// What it is for: one line.
    pub help: &'static str,
    /// Takes a value.
    pub(super) set: fn(&mut Config, Field<'_>) -> Result<(), Refusal>,
    /// Forgets all values (of the open part, if it is not empty).
    pub(super) clear: fn(&mut Config, &str),
    /// Prints the values as `lxc-info -c` does; `None` if the open part names nothing.
    pub(super) get: fn(&Config, &str) -> Option<String>,
}

/// All keys.
pub fn all() -> impl Iterator<Item = &'static Key> {
    keys::FAMILIES.iter().flat_map(|family| family.iter())
}

/// The row of `name`, and the part of the name that the row leaves open.
pub fn find(name: &str) -> Option<(&'static Key, &str)> {
    let exact = all().find(|key| key.name == name);
    exact.map(|key| (key, "")).or_else(|| {
        // The longest family wins: lxc.cgroup.dir is no file of lxc.cgroup.
        all()
            .filter_map(|key| Some((key, open_part(key.name, name)?)))
            .max_by_key(|(key, _)| key.name.len())
    })
}

fn open_part<'name>(family: &str, name: &'name str) -> Option<&'name str> {
    let stem = family.strip_suffix(".*")?;
    let rest = name.strip_prefix(stem)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') }
}

/// The known key that is nearest to `name`, if one is near.
pub fn nearest(name: &str) -> Option<&'static str> {
    all()
        .map(|key| key.name.trim_end_matches(".*"))
        .map(|known| (distance(name, known), known))
        .min()
        .filter(|(distance, known)| *distance <= 3.max(known.len() / 4))
        .map(|(_, known)| known)
}

/// The number of single-character changes between two words (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

/// The name that a key of LXC 2 and before has today.
pub fn renamed(name: &str) -> Option<&'static str> {
    const RENAMED: [(&str, &str); 31] = [
        ("lxc.aa_allow_incomplete", "lxc.apparmor.allow_incomplete"),
        ("lxc.aa_profile", "lxc.apparmor.profile"),
        ("lxc.console", "lxc.console.path"),
        ("lxc.devttydir", "lxc.tty.dir"),
        ("lxc.haltsignal", "lxc.signal.halt"),
        ("lxc.id_map", "lxc.idmap"),
        ("lxc.init_cmd", "lxc.init.cmd"),
        ("lxc.init_gid", "lxc.init.gid"),
        ("lxc.init_uid", "lxc.init.uid"),
        ("lxc.limit", "lxc.prlimit"),
        ("lxc.logfile", "lxc.log.file"),
        ("lxc.loglevel", "lxc.log.level"),
        ("lxc.mount", "lxc.mount.fstab"),
        ("lxc.network", "lxc.net"),
        ("lxc.network.flags", "lxc.net.0.flags"),
        ("lxc.network.hwaddr", "lxc.net.0.hwaddr"),
        ("lxc.network.ipv4", "lxc.net.0.ipv4.address"),
        ("lxc.network.ipv4.gateway", "lxc.net.0.ipv4.gateway"),
        ("lxc.network.ipv6", "lxc.net.0.ipv6.address"),
        ("lxc.network.link", "lxc.net.0.link"),
        ("lxc.network.mtu", "lxc.net.0.mtu"),
        ("lxc.network.name", "lxc.net.0.name"),
        ("lxc.network.type", "lxc.net.0.type"),
        ("lxc.pts", "lxc.pty.max"),
        ("lxc.rebootsignal", "lxc.signal.reboot"),
        ("lxc.rootfs", "lxc.rootfs.path"),
        ("lxc.se_context", "lxc.selinux.context"),
        ("lxc.seccomp", "lxc.seccomp.profile"),
        ("lxc.stopsignal", "lxc.signal.stop"),
        ("lxc.tty", "lxc.tty.max"),
        ("lxc.utsname", "lxc.uts.name"),
    ];
    RENAMED.iter().find(|(old, _)| *old == name).map(|(_, new)| *new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_unique_and_has_help() {
        let mut names: Vec<&str> = all().map(|key| key.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for key in all() {
            assert!(key.name.starts_with("lxc."), "{}", key.name);
            assert!(!key.help.is_empty() && !key.help.ends_with('.'), "{}", key.name);
        }
    }

    #[test]
    fn exact_keys_come_before_families() {
        assert_eq!(find("lxc.cgroup.dir").unwrap().0.name, "lxc.cgroup.dir");
        let (family, rest) = find("lxc.cgroup.cpu.shares").unwrap();
        assert_eq!((family.name, rest), ("lxc.cgroup.*", "cpu.shares"));
        assert!(find("lxc.cgroups").is_none());
    }

    #[test]
    fn typos_find_their_key() {
        assert_eq!(nearest("lxc.uts.nam"), Some("lxc.uts.name"));
        assert_eq!(nearest("lxc.rootfs.pat"), Some("lxc.rootfs.path"));
        assert_eq!(nearest("something.else.entirely"), None);
        assert_eq!(renamed("lxc.utsname"), Some("lxc.uts.name"));
    }
}
