//! Names of keys before LXC 2.1, when all of them changed.

/// What became of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It has this name now.
    Renamed(String),
    /// There is no such key any more, because of this.
    Dropped(&'static str),
}

const RENAMED: [(&str, &str); 23] = [
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
    ("lxc.pts", "lxc.pty.max"),
    ("lxc.rebootsignal", "lxc.signal.reboot"),
    ("lxc.rootfs", "lxc.rootfs.path"),
    ("lxc.se_context", "lxc.selinux.context"),
    ("lxc.seccomp", "lxc.seccomp.profile"),
    ("lxc.stopsignal", "lxc.signal.stop"),
    ("lxc.syslog", "lxc.log.syslog"),
    ("lxc.tty", "lxc.tty.max"),
    ("lxc.utsname", "lxc.uts.name"),
];

const DROPPED: [(&str, &str); 4] = [
    ("lxc.rootfs.backend", "the back-end stands before the path: lxc.rootfs.path = overlay:PATH"),
    ("lxc.pivotdir", "pivot_root needs no directory any more"),
    ("lxc.kmsg", "/dev/kmsg is not a console any more"),
    ("lxc.console.buffer.logfile", "the console's log is lxc.console.logfile"),
];

/// Old names and today's.
pub fn renamed() -> &'static [(&'static str, &'static str)] {
    &RENAMED
}

/// What became of the key `name`; `None` if it never was one of the old names. `link`: which link
/// an `lxc.network` key without an index is about.
pub fn fate(name: &str, link: u32) -> Option<Fate> {
    if let Some((_, why)) = DROPPED.iter().find(|(old, _)| *old == name) {
        return Some(Fate::Dropped(why));
    }
    if let Some((_, new)) = RENAMED.iter().find(|(old, _)| *old == name) {
        return Some(Fate::Renamed((*new).to_owned()));
    }
    if let Some(resource) = name.strip_prefix("lxc.limit.") {
        return Some(Fate::Renamed(format!("lxc.prlimit.{resource}")));
    }
    let rest = name.strip_prefix("lxc.network.")?;
    let (index, key) = match rest.split_once('.') {
        Some((index, key)) if index.parse::<u32>().is_ok() => (index.to_owned(), key),
        _ if rest.parse::<u32>().is_ok() => return Some(Fate::Renamed(format!("lxc.net.{rest}"))),
        _ => (link.to_string(), rest),
    };
    let key = match key {
        "ipv4" => "ipv4.address",
        "ipv6" => "ipv6.address",
        key => key,
    };
    Some(Fate::Renamed(format!("lxc.net.{index}.{key}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_names_have_a_fate() {
        let renamed = |name| match fate(name, 3) {
            Some(Fate::Renamed(new)) => new,
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(renamed("lxc.utsname"), "lxc.uts.name");
        assert_eq!(renamed("lxc.network"), "lxc.net");
        assert_eq!(renamed("lxc.network.type"), "lxc.net.3.type");
        assert_eq!(renamed("lxc.network.ipv4"), "lxc.net.3.ipv4.address");
        assert_eq!(renamed("lxc.network.1.ipv6"), "lxc.net.1.ipv6.address");
        assert_eq!(renamed("lxc.network.1"), "lxc.net.1");
        assert_eq!(renamed("lxc.network.ipv4.gateway"), "lxc.net.3.ipv4.gateway");
        assert_eq!(renamed("lxc.limit.nofile"), "lxc.prlimit.nofile");
        assert!(matches!(fate("lxc.kmsg", 0), Some(Fate::Dropped(_))));
        assert_eq!(fate("lxc.uts.name", 0), None);
    }

    #[test]
    fn every_new_name_is_a_key() {
        for (old, new) in RENAMED {
            assert!(super::super::key::find(new).is_some(), "{new}");
            assert!(super::super::key::find(old).is_none() || old == "lxc.mount", "{old}");
        }
    }
}
