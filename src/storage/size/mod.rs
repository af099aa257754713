//! How much of the disk a root filesystem may take (`lxc.rootfs.size`).
//!
//! Directories get a [`project`] of their own, subvolumes have a [`group`] of their own; the
//! kernel counts what is in either, and lets nobody have more than its limit. Of images and volumes it is
//! their own size, which can grow.

pub(super) mod group;
pub(super) mod project;

use ::caps::Capability;
use nix::errno::Errno;
use nix::unistd::geteuid;
use serde::Serialize;

use super::{backend_of, value};
use crate::config::{Config, RootfsPath};
use crate::error::{Error, Result};
use crate::security::caps;

pub use project::{forget as forget_project, unused as unused_projects};

pub(super) const KEY: &str = "lxc.rootfs.size";

/// What a root filesystem takes, and may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Bytes on the disk.
    pub used_bytes: u64,
    /// The most that there may be.
    pub limit_bytes: u64,
}

/// Lets the root filesystem of the container with this configuration have as much as that says. Its
/// container must not run, unless it has a limit already.
pub fn apply(config: &Config) -> Result<()> {
    match &config.rootfs.path {
        Some(path) => apply_at(path, config),
        None if config.rootfs.size.is_some() => {
            Err(Error::new("the host's own root cannot get a limit of its size"))
        }
        None => Ok(()),
    }
    .map_err(|error| error.at(config.origin(KEY)))
}

/// As [`apply`], for a root filesystem at `path`.
pub fn apply_at(path: &RootfsPath, config: &Config) -> Result<()> {
    match (config.rootfs.size, config.rootfs.managed) {
        (None, Some(false)) => Ok(()),
        (Some(_), Some(false)) => Err(Error::new(format!(
            "{} is not managed by LXC, and gets no limit of its size",
            value(path)
        ))
        .hint(format!("leave out {KEY}, or lxc.rootfs.managed = 0"))),
        (size, _) => match backend_of(path) {
            // The start says so.
            Err(_) if size.is_none() => Ok(()),
            backend => backend?.limit(&path.source, size),
        },
    }
}

/// Fails unless the root filesystem can have a limit that holds. Changes nothing.
pub fn check(config: &Config) -> Result<()> {
    let (Some(path), Some(_)) = (&config.rootfs.path, config.rootfs.size) else { return Ok(()) };
    let resource = Capability::CAP_SYS_RESOURCE.bitmask();
    let is_held = !config.idmap.is_empty() || caps::bounding_set(config)? & resource == 0;
    if !geteuid().is_root() {
        let error = not_permitted(format!("cannot limit the size of {}", value(path)));
        return Err(error.at(config.origin(KEY)));
    }
    backend_of(path)
        .and_then(|backend| backend.can_limit(&path.source, is_held))
        .map_err(|error| error.at(config.origin(KEY)))
}

/// Whether a process was killed that gave the root filesystem its first limit.
pub fn is_partly_limited(config: &Config) -> bool {
    let Some(path) = &config.rootfs.path else { return false };
    backend_of(path).is_ok_and(|backend| backend.is_partly_limited(&path.source))
}

/// What the root filesystem takes and may take; `None` if it has no limit.
pub fn usage(config: &Config) -> Result<Option<Usage>> {
    match &config.rootfs.path {
        Some(path) => backend_of(path)?.usage(&path.source),
        None => Ok(None),
    }
}

fn not_permitted(what: String) -> Error {
    Error::new(what).errno(Errno::EPERM).hint("only root sets limits of this kind")
}

/// What a limit below what is `used` is refused with.
pub(super) fn too_small(what: &str, used: u64, size: u64) -> Error {
    Error::new(format!("{what} takes {} already, more than {}", rounded(used), rounded(size)))
        .errno(Errno::EDQUOT)
        .hint("remove files in it, or choose a larger size")
}

/// A number of bytes in a unit of which it has at least ten, rounded up.
pub(super) fn rounded(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.into_iter().find(|(shift, _)| bytes >= 10 << shift);
    unit.map_or_else(
        || format!("{bytes} bytes"),
        |(shift, unit)| format!("{} {unit}", bytes.div_ceil(1 << shift)),
    )
}
