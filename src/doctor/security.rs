//! Security modules.

use super::{Finding, Verdict};
use crate::config::Config;
use crate::identity::Identity;
use crate::security::apparmor::{self, Choice};
use crate::security::selinux;

const TOPIC: &str = "security";

/// What confines the container `identity` if its configuration says nothing of it.
pub fn examine(identity: &Identity) -> Vec<Finding> {
    let mut findings = Vec::new();
    if apparmor::is_enabled() {
        findings.push(match apparmor::choose(&Config::default(), identity) {
            Ok(Choice::Named(profile)) => {
                Finding::ok(TOPIC, "AppArmor", format!("{profile} is loaded"))
            }
            Ok(_) => Finding::ok(TOPIC, "AppArmor", "containers have the profile of this shell"),
            Err(error) => Finding::of_error(TOPIC, "AppArmor", Verdict::Fails, error),
        });
    }
    if selinux::is_enabled() {
        let found = "enabled: lxc.selinux.context gives containers their context";
        findings.push(Finding::ok(TOPIC, "SELinux", found));
    }
    if findings.is_empty() {
        findings.push(Finding::limited(
            TOPIC,
            "security modules",
            "neither AppArmor nor SELinux confines containers here",
            "give each container ids of its own: lxc-create --idmap auto",
        ));
    }
    findings
}
