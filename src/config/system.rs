//! The system configuration, `lxc.conf` (lxc.system.conf(5)).

use ini::{Ini, ParseOption};

use crate::error::{Error, Result};
use crate::paths;

/// What the system configuration says.
#[derive(Clone, Debug, Default)]
pub struct SystemConfig {
    file: Option<Ini>,
}

impl SystemConfig {
    /// Reads the configuration of this user; there need not be one.
    pub fn load() -> Result<Self> {
        let path = paths::system_config();
        if !path.exists() {
            return Ok(Self::default());
        }
        let options =
            ParseOption { enabled_quote: false, enabled_escape: false, ..ParseOption::default() };
        let file = Ini::load_from_file_opt(&path, options)
            .map_err(|error| Error::new(format!("cannot read {}: {error}", path.display())))?;
        Ok(Self { file: Some(file) })
    }

    /// The value of `key` as the file sets it, else its default; `None` if it has none.
    pub fn get(&self, key: &str) -> Option<String> {
        let set = self.file.as_ref().and_then(|file| file.get_from(None::<&str>, key));
        set.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()).or_else(|| {
            match key {
                "lxc.lxcpath" => Some(paths::default_lxcpath().display().to_string()),
                "lxc.default_config" => Some(paths::default_config().display().to_string()),
                "lxc.bdev.lvm.vg"
                | "lxc.bdev.lvm.thin_pool"
                | "lxc.bdev.zfs.root"
                | "lxc.bdev.rbd.rbdpool" => Some("lxc".to_owned()),
                _ => None,
            }
        })
    }
}
