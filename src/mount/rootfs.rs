//! The root filesystem itself: attached where hooks and entries expect it, before it becomes the root.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use super::idmapped::SetIds;
use super::options::{Options, Recursive};
use super::overlay::{self, Overlay, Parts};
use super::private;
use super::root::Root;
use crate::config::Config;
use crate::error::{Context, Error, Result};
use crate::namespace::Ids;
use crate::namespace::mapped::in_reach_of;
use crate::storage::RootfsMount;
use crate::storage::block::{self, layers};
use crate::sys::mount::{self as sys, attr};

/// Where the rootfs is attached (`lxc.rootfs.mount`).
pub fn mount_point(config: &Config) -> PathBuf {
    config.rootfs.mount.clone().unwrap_or_else(crate::paths::rootfs_mount)
}

/// Makes what mounting the root filesystem needs: the working directory of an overlay, and the mount
/// point unless the configuration names one.
pub fn prepare(config: &Config, source: &RootfsMount) -> Result<()> {
    // The layer may belong to the container's ids.
    in_reach_of(Ids::of(config), || source.prepare(config))
        .map_err(|error| error.at(config.origin("lxc.rootfs.path")))?;
    if config.rootfs.mount.is_some() || matches!(source, RootfsMount::HostRoot) {
        return Ok(());
    }
    let point = mount_point(config);
    std::fs::create_dir_all(&point)
        .context(|| format!("cannot create {} to mount the root filesystem on", point.display()))
        .map_err(|error| error.hint("name another directory with lxc.rootfs.mount"))
}

/// Lets no mount made from here on reach the host: shared mounts become slaves.
pub fn detach_from_host() -> Result<()> {
    use nix::mount::{MsFlags, mount};
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SLAVE, None::<&str>)
        .context(|| "cannot make the host's mounts slaves")
}

/// The rootfs as a detached tree, with `lxc.rootfs.options`; `None` for the host's own root.
pub fn detached(
    config: &Config,
    source: &RootfsMount,
    set_ids: &SetIds<'_>,
) -> Result<Option<OwnedFd>> {
    let options = options(config)?;
    if overlay::is_in_memory(&options) && !matches!(source, RootfsMount::Overlay { .. }) {
        return Err(Error::new("only an overlay has a layer in memory (upper=tmpfs)")
            .at(config.origin("lxc.rootfs.options")));
    }
    let tree = match source {
        RootfsMount::HostRoot => return Ok(None),
        RootfsMount::Bind(path) => {
            sys::open_tree(sys::at_cwd(), path, sys::OPEN_TREE_CLONE | sys::AT_RECURSIVE)
                .context(|| format!("cannot open the root filesystem {}", path.display()))
                .map_err(|error| match closed_above(path).filter(|_| error.is(Errno::EACCES)) {
                    Some(dir) => error.hint(format!(
                        "the container's root must get there: chmod o+x {}",
                        dir.display()
                    )),
                    None => error,
                })
        }
        RootfsMount::Block(device) => block::mount(device, &given(&options)),
        RootfsMount::Overlay { lower, upper, work } => {
            let overlay = Overlay { config, options: &options, set_ids };
            layers::as_directories(lower, |lower| overlay.mount(Parts { lower, upper, work }))
        }
    }
    .map_err(|error| error.at(config.origin("lxc.rootfs.path")))?;
    let at = |error: Error| error.at(config.origin("lxc.rootfs.options"));
    let mut attributes = options.attributes();
    let is_inside =
        options.idmap.is_some() || source.is_for_host_root() && !config.idmap.is_empty();
    if is_inside && attributes.clear & attr::NODEV == 0 {
        // As the kernel has it for what is mounted in a user namespace: whoever filled it may have made devices
        // that its root could not.
        attributes.set |= attr::NODEV;
    }
    if attributes.set | attributes.clear != 0 {
        sys::mount_setattr(tree.as_fd(), false, &attributes)
            .context(|| "cannot set the options of the root filesystem")
            .map_err(at)?;
    }
    if let (Some(ids), RootfsMount::Bind(_) | RootfsMount::Block(_)) = (&options.idmap, source) {
        set_ids(tree.as_fd(), Recursive::Yes, ids).map_err(at)?;
    }
    Ok(Some(tree))
}

/// The first directory above `path` that this process may not pass through.
fn closed_above(path: &Path) -> Option<&Path> {
    let above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.into_iter().rev().find(|dir| access(*dir, AccessFlags::X_OK).is_err())
}

/// `lxc.rootfs.options`, checked for what only makes sense in an entry.
pub fn options(config: &Config) -> Result<Options> {
    let Some(text) = &config.rootfs.options else {
        return Ok(Options::default());
    };
    let origin = config.origin("lxc.rootfs.options");
    let options = Options::parse(text).map_err(|error| error.at(origin))?;
    if options.create.is_some() || options.optional || options.relative {
        return Err(Error::new("lxc.rootfs.options cannot have create=, optional or relative")
            .at(origin)
            .hint("these are options of lxc.mount.entry"));
    }
    Ok(options)
}

/// Those of `options` that are the file system's own.
fn given(options: &Options) -> Vec<sys::FsOption<'_>> {
    options.data.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect()
}

/// Attaches the detached `tree` at the mount point and opens it there; without a tree the host's
/// root is the root.
pub fn attach(config: &Config, tree: Option<&OwnedFd>) -> Result<Root> {
    let Some(tree) = tree else {
        return Root::open(Path::new("/"));
    };
    let point = mount_point(config);
    // Propagation inside must not depend on how the host mounted it.
    private::keep(tree)?;
    sys::move_mount(tree.as_fd(), sys::at_cwd(), &point)
        .context(|| format!("cannot mount the root filesystem at {}", point.display()))
        .map_err(|error| {
            let error = error.at(config.origin("lxc.rootfs.mount"));
            match (error.errno.map(Errno::from_raw), closed_above(&point)) {
                (Some(Errno::ENOENT), _) => {
                    error.hint(format!("create the directory {}", point.display()))
                }
                (Some(Errno::EACCES), Some(dir)) => error.hint(format!(
                    "the container's root may not pass {}: name another directory with lxc.rootfs.mount",
                    dir.display()
                )),
                _ => error,
            }
        })?;
    Root::open(&point)
}
