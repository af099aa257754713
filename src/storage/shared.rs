//! Layers of images that containers share (see `lxc_sys::layers`): nobody removes them while a container that
//! uses them gets another name, or another one begins to use them.

use std::path::Path;

use super::rootfs_mount;
use crate::config::Config;
use crate::error::Result;
use crate::sys::layers::Store;
use crate::sys::lock::FileLock;

/// Holds the stores with the layers of a container.
#[derive(Debug)]
pub struct Shared(Vec<(Store, FileLock)>);

impl Shared {
    /// Those of the container with the configuration `config`.
    pub fn hold(config: &Config) -> Result<Self> {
        // One whose storage is not there has no layers to lose.
        let Ok(mount) = rootfs_mount(config) else { return Ok(Self(Vec::new())) };
        let mut held: Vec<(Store, FileLock)> = Vec::new();
        for store in mount.read_only().iter().filter_map(|layer| Store::of_layer(layer)) {
            if held.iter().all(|(other, _)| *other != store) {
                let lock = store.hold()?;
                held.push((store, lock));
            }
        }
        Ok(Self(held))
    }

    /// Notes that containers in `lxcpath` use these layers.
    pub fn note(&self, lxcpath: &Path) -> Result<()> {
        self.0.iter().try_for_each(|(store, _)| store.note(lxcpath))
    }
}

/// Whether `layer` is one that never changes.
pub(super) fn is_shared(layer: &Path) -> bool {
    Store::of_layer(layer).is_some()
}
