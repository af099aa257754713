//! `lxc.mount.auto = shmounts`: a directory of the host through which mounts reach a running
//! container.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::root::{Missing, Root};
use crate::config::Config;
use crate::error::{Context, Error, Result};
use crate::sys::mount::{self as sys, MountAttr};

/// Where it is inside if the configuration does not say.
const DEFAULT_TARGET: &str = "/dev/.lxc-mounts";

/// The container's end.
#[derive(Debug)]
pub struct SharedMounts {
    tree: OwnedFd,
    target: PathBuf,
}

/// Binds the host's directory into the container, if that is configured.
pub fn open(root: &Root, config: &Config) -> Result<Option<SharedMounts>> {
    let Some((host, inside)) = &config.mount_auto.shmounts else {
        return Ok(None);
    };
    let at = |error: Error| error.at(config.origin("lxc.mount.auto"));
    let target = inside.as_deref().unwrap_or(Path::new(DEFAULT_TARGET));
    let tree = sys::open_tree(sys::at_cwd(), host, sys::OPEN_TREE_CLONE | sys::AT_RECURSIVE)
        .context(|| format!("cannot bind the directory of shared mounts {}", host.display()))
        .map_err(|error| at(error).hint("it must exist, as a shared mount: mount --make-shared"))?;
    root.attach(tree.as_fd(), target, Missing::Dir).map_err(at)?;
    Ok(Some(SharedMounts { tree, target: target.to_owned() }))
}

impl SharedMounts {
    /// Lets mounts come in and none go out, whatever the rest of the container's tree does.
    pub fn make_slave(&self) -> Result<()> {
        let slave = MountAttr { propagation: libc::MS_SLAVE, ..MountAttr::default() };
        sys::mount_setattr(self.tree.as_fd(), true, &slave)
            .context(|| format!("cannot set the propagation of {}", self.target.display()))
    }
}
