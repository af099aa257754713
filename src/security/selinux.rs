//! SELinux: the context that init and attached commands run in.

use std::path::Path;

use crate::config::Config;

/// The file through which a process sets its context, from the next exec on.
pub(super) const OWN: &[&str] = &["/proc/self/attr/exec"];

/// Where a process shows its context, below its directory in `/proc`.
pub(super) const CURRENT: &[&str] = &["attr/current"];

/// Whether the kernel confines by SELinux.
pub fn is_enabled() -> bool {
    Path::new("/sys/fs/selinux/enforce").exists()
}

/// The context that the configuration asks for.
pub(super) fn context(config: &Config) -> Option<String> {
    config.selinux.context.clone()
}

/// A setting that has no effect on this host.
pub(super) fn warning(config: &Config) -> Option<String> {
    (config.selinux.context.is_some() && !is_enabled())
        .then(|| "lxc.selinux.context has no effect: this host has no SELinux".into())
}
