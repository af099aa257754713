//! What is asked of new storage beside its kind: options of lxc-create(1) and lxc-copy(1).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Backend;
use crate::error::{Error, Result};

/// The type of a file system that nobody chose.
const FILESYSTEM: &str = "ext4";

/// The settings of new storage. Sizes are as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Specification {
    /// `--dir`: the directory of the root filesystem, instead of one in the container's. What is kept in
    /// no directory goes without it, as in C LXC.
    pub dir: Option<PathBuf>,
    /// `--fssize`, or `-L` of a copy: the size of the file system.
    pub size: Option<String>,
    /// `--fstype`: the type of the file system.
    pub filesystem: Option<String>,
    /// `--lvname`: the name of the logical volume.
    pub logical_volume: Option<String>,
    /// `--vgname`: the name of the volume group.
    pub volume_group: Option<String>,
    /// `--thinpool`: the name of the thin pool.
    pub thin_pool: Option<String>,
    /// `--zfsroot`: the parent of the dataset.
    pub zfs_root: Option<String>,
    /// `--rbdname`: the name of the image of Ceph.
    pub rbd_name: Option<String>,
    /// `--rbdpool`: the name of its pool.
    pub rbd_pool: Option<String>,
}

/// A setting that only some back-ends have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// [`Specification::size`].
    Size,
    /// [`Specification::filesystem`].
    Filesystem,
    /// [`Specification::logical_volume`].
    LogicalVolume,
    /// [`Specification::volume_group`].
    VolumeGroup,
    /// [`Specification::thin_pool`].
    ThinPool,
    /// [`Specification::zfs_root`].
    ZfsRoot,
    /// [`Specification::rbd_name`].
    RbdName,
    /// [`Specification::rbd_pool`].
    RbdPool,
}

impl Setting {
    /// The option of lxc-create.
    fn option(self) -> &'static str {
        match self {
            Self::Size => "--fssize",
            Self::Filesystem => "--fstype",
            Self::LogicalVolume => "--lvname",
            Self::VolumeGroup => "--vgname",
            Self::ThinPool => "--thinpool",
            Self::ZfsRoot => "--zfsroot",
            Self::RbdName => "--rbdname",
            Self::RbdPool => "--rbdpool",
        }
    }
}

impl Specification {
    /// Fails if something is set that `backend` has no use for.
    pub fn check(&self, backend: &dyn Backend) -> Result<()> {
        let Some(setting) = self.set().find(|setting| !backend.settings().contains(setting)) else {
            return Ok(());
        };
        let name = backend.name();
        let hint = format!("leave out {}: storage of type {name} has none", setting.option());
        Err(match setting {
            Setting::Size | Setting::Filesystem => {
                Error::new("Filesystem type and size are only valid with block devices")
            }
            _ => Error::new(format!("{} is not valid with -B {name}", setting.option())),
        }
        .hint(hint))
    }

    /// The size in bytes that was asked for.
    pub(super) fn bytes(&self) -> Result<Option<u64>> {
        self.size.as_deref().map(bytes).transpose()
    }

    /// The type of the file system.
    pub(super) fn filesystem(&self) -> &str {
        self.filesystem.as_deref().unwrap_or(FILESYSTEM)
    }

    fn set(&self) -> impl Iterator<Item = Setting> {
        [
            (Setting::Size, &self.size),
            (Setting::Filesystem, &self.filesystem),
            (Setting::LogicalVolume, &self.logical_volume),
            (Setting::VolumeGroup, &self.volume_group),
            (Setting::ThinPool, &self.thin_pool),
            (Setting::ZfsRoot, &self.zfs_root),
            (Setting::RbdName, &self.rbd_name),
            (Setting::RbdPool, &self.rbd_pool),
        ]
        .into_iter()
        .filter_map(|(setting, value)| value.as_ref().map(|_| setting))
    }
}

/// The bytes of a size as `--fssize` has it: a number and a unit, without one mebibytes.
fn bytes(text: &str) -> Result<u64> {
    let digits = text.len() - text.trim_start_matches(|it: char| it.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim() {
        "b" | "B" => Some(0),
        "k" | "K" => Some(10),
        "" | "m" | "M" => Some(20),
        "g" | "G" => Some(30),
        "t" | "T" => Some(40),
        _ => None,
    };
    let size = shift.zip(number.parse::<u64>().ok());
    let size = size.and_then(|(shift, number)| number.checked_mul(1 << shift));
    let may_be = |size: &u64| *size > 0 && i64::try_from(*size).is_ok();
    size.filter(may_be).ok_or_else(|| {
        Error::new(format!("wrong size {text}")).hint(
            "write a number and one of the units B, K, M, G and T; without one they are mebibytes",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_and_are_mebibytes_without() {
        for (text, size) in
            [("300", 300 << 20), ("2g", 2 << 30), ("7B", 7), ("1 K", 1024), ("3T", 3 << 40)]
        {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for bad in ["", "m", "0", "1x", "-1", "1gb", "99999999999999999999", "9999999T", "1.5G"] {
            assert!(bytes(bad).unwrap_err().what.ends_with(bad), "{bad}");
        }
    }
    use crate::storage::backend;

    #[test]
    fn what_a_back_end_has_no_use_for_is_refused_by_its_option() {
        let said = |specification: Specification, name| {
            specification.check(backend(name).unwrap()).map_err(|error| error.what)
        };
        let dir = Specification { dir: Some("/srv/a".into()), ..Specification::default() };
        assert_eq!(said(dir, "overlay"), Ok(()));
        let text = || Some("x".to_owned());
        let zfs = Specification { zfs_root: text(), ..Specification::default() };
        assert_eq!(said(zfs, "btrfs").unwrap_err(), "--zfsroot is not valid with -B btrfs");
        let lvm =
            Specification { volume_group: text(), thin_pool: text(), ..Specification::default() };
        assert_eq!(said(lvm, "overlayfs").unwrap_err(), "--vgname is not valid with -B overlay");
        let block = Specification { filesystem: text(), ..Specification::default() };
        assert!(said(block, "dir").unwrap_err().contains("block devices"));
    }
}
