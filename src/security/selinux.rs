//! SELinux: the context that init and attached commands run in.

use std::path::Path;

use nix::errno::Errno;

use crate::config::Config;
use crate::error::{Context, Error, Result};

/// LXC's word for the context that the caller has.
const UNCHANGED: &str = "unconfined_t";

/// Fails for a context that the policy does not have.
const CHECK: &str = "/sys/fs/selinux/context";

/// The file through which a process sets the context of its new keyrings and keys.
const KEYS: &str = "/proc/self/attr/keycreate";

/// The file through which a process sets its context, from the next exec on.
pub(super) const OWN: &[&str] = &["/proc/self/attr/exec"];

/// Where a process shows its context, below its directory in `/proc`.
pub(super) const CURRENT: &[&str] = &["attr/current"];

/// Whether the kernel confines by SELinux.
pub fn is_enabled() -> bool {
    Path::new("/sys/fs/selinux/enforce").exists()
}

/// The context that the configuration asks for, known to the policy; `None` for the one that the caller has.
pub(super) fn context(config: &Config) -> Result<Option<String>> {
    let settings = &config.selinux;
    for (key, value) in [
        ("lxc.selinux.context", &settings.context),
        ("lxc.selinux.context.keyring", &settings.keyring),
    ] {
        if let Some(context) = wanted(value.as_deref()) {
            check(context).map_err(|error| error.at(config.origin(key)))?;
        }
    }
    Ok(wanted(settings.context.as_deref()).map(str::to_owned))
}

/// `context`, unless it is LXC's word for the caller's own.
fn wanted(context: Option<&str>) -> Option<&str> {
    context.map(str::trim).filter(|context| !matches!(*context, "" | UNCHANGED))
}

fn check(context: &str) -> Result<()> {
    match std::fs::write(CHECK, context) {
        Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => {
            Err(Error::new(format!("the SELinux policy has no context {context}"))
                .errno(Errno::EINVAL)
                .hint("a context is USER:ROLE:TYPE[:LEVEL]; without the key, it is the caller's"))
        }
        // Who may not ask is told when the context is set.
        _ => Ok(()),
    }
}

/// Lets the keyrings and keys that this process makes until its next exec have the context `keyring`, else
/// `context`, while /proc is the host's.
pub fn label_keys(keyring: Option<&str>, context: Option<&str>) -> Result<()> {
    let Some((file, context)) = key_label(keyring, context) else { return Ok(()) };
    std::fs::write(file, context)
        .context(|| format!("cannot set the SELinux context of keyrings: {context}"))
}

/// The file that a process writes for that, and what; `None` if there is nothing to write.
pub fn key_label<'a>(
    keyring: Option<&'a str>,
    context: Option<&'a str>,
) -> Option<(&'static str, &'a str)> {
    let keyring = keyring.filter(|keyring| !keyring.trim().is_empty());
    wanted(keyring.or(context)).filter(|_| is_enabled()).map(|context| (KEYS, context))
}

/// A setting that has no effect on this host.
pub(super) fn warning(config: &Config) -> Option<String> {
    (config.selinux.context.is_some() && !is_enabled())
        .then(|| "lxc.selinux.context has no effect: this host has no SELinux".into())
}
