//! Limits of the kernel that many containers reach before the host has no room for more.

use super::Finding;
use crate::table;

const TOPIC: &str = "limits";

/// A setting below /proc/sys, the least that some dozens of full systems need, and what for.
const LEAST: [(&str, u64, &str); 6] = [
    ("fs.inotify.max_user_instances", 512, "each systemd has some of them"),
    ("fs.inotify.max_user_watches", 65_536, "each systemd has some of them"),
    ("kernel.keys.maxkeys", 2_000, "each container has a keyring"),
    ("kernel.pid_max", 65_536, "all containers share them"),
    ("kernel.pty.max", 1_024, "each console and each lxc-attach has one"),
    ("user.max_user_namespaces", 1_000, "each container with lxc.idmap has one"),
];

/// Those that are low.
pub fn examine() -> Vec<Finding> {
    LEAST.into_iter().filter_map(|(name, least, why)| finding(name, least, why)).collect()
}

/// `None` if the kernel does not have it.
fn finding(name: &str, least: u64, why: &str) -> Option<Finding> {
    let path = format!("/proc/sys/{}", name.replace('.', "/"));
    let value: u64 = table::read(path).ok()?.trim().parse().ok()?;
    Some(if value >= least {
        Finding::ok(TOPIC, name, value.to_string())
    } else {
        let fix = format!("sysctl -w {name}={least}, and a line in /etc/sysctl.d");
        Finding::limited(TOPIC, name, format!("{value}: {why}"), fix)
    })
}
