//! Resources that the kernel limits per user or per host, and that a container may find used up.

use std::path::Path;

use crate::config::Config;
use crate::error::Error;
use crate::namespace::Ids;
use crate::network;

/// inotify instances that a booting systemd takes, with room for its services.
const INOTIFY_INSTANCES: u64 = 32;
/// Ports of a bridge (`BR_MAX_PORTS`, net/bridge/br_private.h), without the reserved one.
const BRIDGE_PORTS: usize = 1023;

/// Warnings about the resources that are running short.
pub(super) fn of(config: &Config) -> Vec<Error> {
    let (root, _) = Ids::of(config).root();
    let checks = [terminals(config), inotify(root), keys(root)];
    checks.into_iter().flatten().chain(ports(config)).collect()
}

fn number(path: &str) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Pseudo terminals of the host (pts(4)).
fn terminals(config: &Config) -> Option<Error> {
    let (most, used) = (number("/proc/sys/kernel/pty/max")?, number("/proc/sys/kernel/pty/nr")?);
    let wanted = u64::from(config.tty_max) + 1;
    (used + wanted > most).then(|| {
        Error::new(format!("{used} of {most} pseudo terminals are in use, {wanted} are needed"))
            .at(config.origin("lxc.tty.max"))
            .hint("raise the sysctl kernel.pty.max, or lower lxc.tty.max")
    })
}

/// inotify instances of the user that is root inside (inotify(7)).
fn inotify(uid: u32) -> Option<Error> {
    let most = number("/proc/sys/fs/inotify/max_user_instances")?;
    let used = inotify_instances(uid);
    (used + INOTIFY_INSTANCES > most).then(|| {
        Error::new(format!("user {uid} has {used} of {most} inotify instances"))
            .hint("raise the sysctl fs.inotify.max_user_instances: systemd needs some tens of them")
    })
}

fn inotify_instances(uid: u32) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(processes) = std::fs::read_dir("/proc") else { return 0 };
    let of_user = processes
        .flatten()
        .filter(|entry| entry.metadata().is_ok_and(|metadata| metadata.uid() == uid));
    let descriptors =
        of_user.filter_map(|entry| std::fs::read_dir(entry.path().join("fd")).ok()).flatten();
    let is_inotify = |path: &Path| {
        std::fs::read_link(path).is_ok_and(|target| target == Path::new("anon_inode:inotify"))
    };
    let count = descriptors.flatten().filter(|entry| is_inotify(&entry.path())).count();
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Keys of the user that is root inside (`/proc/key-users`, keyrings(7)).
fn keys(uid: u32) -> Option<Error> {
    let table = std::fs::read_to_string("/proc/key-users").ok()?;
    let (used, most) = key_quota(&table, uid)?;
    let sysctl = if uid == 0 { "kernel.keys.root_maxkeys" } else { "kernel.keys.maxkeys" };
    (used + 1 > most).then(|| {
        Error::new(format!("user {uid} has {used} of {most} kernel keys"))
            .hint(format!("raise the sysctl {sysctl}: each container takes a keyring"))
    })
}

/// Used and allowed keys: the fourth column, `USED/MOST`.
fn key_quota(table: &str, uid: u32) -> Option<(u64, u64)> {
    let line = table
        .lines()
        .find(|line| line.split(':').next().is_some_and(|owner| owner.trim() == uid.to_string()))?;
    let (used, most) = line.split_whitespace().nth(3)?.split_once('/')?;
    Some((used.parse().ok()?, most.parse().ok()?))
}

/// Ports of the bridges that links join.
fn ports(config: &Config) -> Vec<Error> {
    network::bridge_ports(config)
        .filter_map(|net| {
            let bridge = net.link.as_deref()?;
            let used =
                Path::new("/sys/class/net").join(bridge).join("brif").read_dir().ok()?.count();
            (used >= BRIDGE_PORTS).then(|| {
                Error::new(format!("the bridge {bridge} has no port left"))
                    .at(net.origin("link"))
                    .hint("take another bridge: one has at most 1023 ports")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_quotas_are_found_by_user() {
        let table = "    0:    94 93/93 32/1000000 704/25000000\n 1000:     2 2/2 2/200 40/20000\n";
        assert_eq!(key_quota(table, 0), Some((32, 1_000_000)));
        assert_eq!(key_quota(table, 1000), Some((2, 200)));
        assert_eq!(key_quota(table, 100), None);
    }
}
