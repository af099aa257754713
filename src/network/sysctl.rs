//! The kernel's settings of links, `FAMILY/conf/LINK/NAME` (Documentation/networking/ip-sysctl.rst), of the network
//! namespace that this thread is in.

use std::io::ErrorKind;

use crate::error::{Context, Result};

fn path(setting: &str) -> String {
    format!("/proc/sys/net/{setting}")
}

/// Whether `setting` is other than 0.
pub(super) fn is_on(setting: &str) -> bool {
    std::fs::read_to_string(path(setting)).is_ok_and(|value| value.trim() != "0")
}

/// Writes `value` to `setting`. A kernel without the family has none.
pub(super) fn set(setting: &str, value: &str) -> Result<()> {
    let path = path(setting);
    match std::fs::write(&path, value) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result.context(|| format!("cannot write {path}")),
    }
}
