//! The host's cgroups, and which controllers containers get.

use nix::unistd::geteuid;

use super::{Finding, Verdict};
use crate::cgroup::{Layout, LayoutKind, scope};

const TOPIC: &str = "cgroups";
/// Those without which common limits have no effect.
const WANTED: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];

/// The layout, and the controllers.
pub fn examine() -> Vec<Finding> {
    let layout = match Layout::of_host(false) {
        Ok(layout) => layout,
        Err(error) => return vec![Finding::of_error(TOPIC, "layout", Verdict::Fails, error)],
    };
    let kind = match layout.kind() {
        LayoutKind::Legacy => "v1",
        LayoutKind::Hybrid => "v1 and v2 beside it",
        LayoutKind::Unified => "v2",
    };
    let mut findings = vec![Finding::ok(TOPIC, "layout", kind)];
    let has = |name: &&str| layout.hierarchies.iter().any(|one| one.has(name));
    let (there, missing): (Vec<&str>, Vec<&str>) = WANTED.into_iter().partition(has);
    findings.push(if missing.is_empty() {
        Finding::ok(TOPIC, "controllers", there.join(", "))
    } else {
        let fix = if geteuid().is_root() {
            "enable them on the kernel's command line, such as cgroup_enable=memory"
        } else {
            "have systemd delegate them: Delegate=yes in a drop-in of user@.service"
        };
        Finding::limited(TOPIC, "controllers", format!("without {}", missing.join(", ")), fix)
    });
    if !geteuid().is_root() {
        findings.push(if scope::is_delegated(&layout) {
            Finding::ok(TOPIC, "cgroups of this user", "may be made where this shell is")
        } else {
            Finding::ok(TOPIC, "cgroups of this user", "are asked of systemd at each start")
        });
    }
    findings
}
