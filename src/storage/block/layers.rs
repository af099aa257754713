//! Layers of an overlay that are images or devices: their file systems are mounted to be read.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::mount_to_read;
use crate::error::{Context, Result};
use crate::mount::private;
use crate::paths;
use crate::sys::mount as sys;

/// Whether the layer `path` is to be mounted.
pub(crate) fn is_mounted(path: &Path) -> bool {
    path.exists() && !path.is_dir()
}

/// Does `act` with the directories of `layers`: those that are images or devices are mounted for that long,
/// where nobody else sees it. An overlay of them keeps them.
pub(crate) fn as_directories<T: Send>(
    layers: &[PathBuf],
    act: impl Fn(&[PathBuf]) -> Result<T> + Sync,
) -> Result<T> {
    if !layers.iter().any(|layer| is_mounted(layer)) {
        return act(layers);
    }
    private::within("the layers", || act(&mount_all(layers)?))
}

/// Mounts them below the directory that root filesystems are mounted on.
fn mount_all(layers: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let place = paths::rootfs_mount();
    let failed = || format!("cannot mount layers on {}", place.display());
    // A name of one of the layers may lead through there.
    let trees =
        layers.iter().map(|layer| is_mounted(layer).then(|| mount_to_read(layer)).transpose());
    let trees = trees.collect::<Result<Vec<_>>>()?;
    std::fs::create_dir_all(&place).context(failed)?;
    let empty = sys::new_mount("tmpfs", &[("mode", Some("0700"))], 0).context(failed)?;
    sys::move_mount(empty.as_fd(), sys::at_cwd(), &place).context(failed)?;
    let mut directories = layers.to_vec();
    for (number, (tree, directory)) in trees.iter().zip(&mut directories).enumerate() {
        if let Some(tree) = tree {
            *directory = place.join(number.to_string());
            std::fs::create_dir(&*directory).context(failed)?;
            sys::move_mount(tree.as_fd(), sys::at_cwd(), directory).context(failed)?;
        }
    }
    Ok(directories)
}
