//! The rootfs becomes the root.

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::root::Root;
use crate::error::{Context, Result};
use crate::sys::mount::pivot_to_current_dir;

/// Makes `root` the root of this process's mount namespace and takes the host's mounts away.
///
/// The old root ends up over the new one and is unmounted as a whole, lazily: one operation instead
/// of one for every mount of the host.
pub fn pivot(root: &Root) -> Result<()> {
    nix::unistd::fchdir(root.fd()).context(|| "cannot enter the root filesystem")?;
    pivot_to_current_dir()
        .context(|| format!("cannot pivot to {}", root.path().display()))
        .map_err(|error| {
            error.hint("the root filesystem must be a mount point and not on an initramfs")
        })?;
    umount2(".", MntFlags::MNT_DETACH).context(|| "cannot unmount the host's root")?;
    nix::unistd::chdir("/").context(|| "cannot enter the new root")?;
    // Mounts inside propagate among the container's own mount namespaces, as on a host.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SHARED, None::<&str>)
        .context(|| "cannot share the container's mounts among its own namespaces")
}
