//! AppArmor: the profile that init and attached commands run under.

use std::path::Path;

use nix::errno::Errno;

use crate::config::Config;
use crate::error::{Context, Error, Result};

/// The profiles that packages of LXC load for containers.
const DEFAULT_PROFILE: &str = "lxc-container-default-cgns";
const NESTING_PROFILE: &str = "lxc-container-default-with-nesting";

/// The loaded profiles, `NAME (MODE)` a line.
const LOADED: &str = "/sys/kernel/security/apparmor/profiles";

/// The files through which a process changes its profile, the first that exists.
pub(super) const OWN: &[&str] = &["/proc/self/attr/apparmor/current", "/proc/self/attr/current"];

/// Where a process shows its profile, below its directory in `/proc`.
pub(super) const CURRENT: &[&str] = &["attr/apparmor/current", "attr/current"];

/// Whether the kernel confines by AppArmor.
pub fn is_enabled() -> bool {
    std::fs::read("/sys/module/apparmor/parameters/enabled")
        .is_ok_and(|flag| flag.starts_with(b"Y"))
        && Path::new("/sys/kernel/security/apparmor").is_dir()
}

/// The name of a profile without the mode that the kernel appends: `NAME (enforce)`.
pub(super) fn without_mode(label: &str) -> &str {
    label.rsplit_once(" (").map_or(label, |(name, _)| name)
}

/// The profile that the configuration asks for, checked; `None` for the one that the caller has.
pub(super) fn profile(config: &Config) -> Result<Option<String>> {
    let settings = &config.apparmor;
    let origin = config.origin("lxc.apparmor.profile");
    let wanted = match settings.profile.as_deref() {
        Some("unchanged") => return Ok(None),
        Some("unconfined") => return Ok(Some("unconfined".into())),
        Some("generated") if settings.allow_nesting => NESTING_PROFILE,
        Some("generated") | None => DEFAULT_PROFILE,
        Some(name) => name,
    };
    let loaded = std::fs::read_to_string(LOADED).context(|| format!("cannot read {LOADED}"))?;
    if loaded.lines().any(|line| without_mode(line) == wanted) {
        return Ok(Some(wanted.to_owned()));
    }
    Err(Error::new(format!("the AppArmor profile {wanted} is not loaded"))
        .errno(Errno::ENOENT)
        .at(origin)
        .hint(
            "load it (apparmor_parser -r /etc/apparmor.d/lxc-containers), or run the container \
             without with: lxc.apparmor.profile = unconfined",
        ))
}

/// A setting that has another effect on this host than it says.
pub(super) fn warning(config: &Config) -> Option<String> {
    let settings = &config.apparmor;
    let profile = settings.profile.as_deref();
    if is_enabled() {
        return (profile == Some("generated")).then(|| {
            let used = if settings.allow_nesting { NESTING_PROFILE } else { DEFAULT_PROFILE };
            let raw =
                if settings.raw.is_empty() { "" } else { ", and lxc.apparmor.raw has no effect" };
            format!("lxc.apparmor.profile = generated uses the loaded profile {used}{raw}")
        });
    }
    (!matches!(profile, None | Some("generated" | "unconfined" | "unchanged")))
        .then(|| "lxc.apparmor.profile has no effect: this host has no AppArmor".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_labels_mode_is_no_part_of_its_name() {
        assert_eq!(
            without_mode("lxc-container-default-cgns (enforce)"),
            "lxc-container-default-cgns"
        );
        assert_eq!(
            without_mode("lxc-a_</var/lib/lxc>//&:lxc-a:unconfined (mixed)"),
            "lxc-a_</var/lib/lxc>//&:lxc-a:unconfined"
        );
        assert_eq!(without_mode("unconfined"), "unconfined");
    }
}
