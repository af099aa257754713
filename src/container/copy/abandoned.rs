//! What copies that were killed have left.

use std::path::Path;

use crate::container::dependents;
use crate::container::lock::{definition, is_being_created};
use crate::error::Result;
use crate::identity::{ContainerName, Identity};
use crate::storage::tree;

/// What stands in the mark of a copy that is being made.
pub(super) const MARK: &str = "lxc-copy\n";

/// Removes the copies in `lxcpath` whose makers were killed.
pub(super) fn remove(lxcpath: &Path) -> Result<()> {
    for entry in std::fs::read_dir(lxcpath).into_iter().flatten().flatten() {
        let mark = entry.path().join("partial");
        if std::fs::read_to_string(&mark).is_ok_and(|text| text == MARK)
            && let Some(name) = entry.file_name().to_str().map(str::to_owned)
            && let Ok(name) = ContainerName::new(name)
        {
            let identity = Identity::new(lxcpath, name);
            let _lock = definition(&identity)?;
            if !is_being_created(&identity)? && mark.exists() {
                dependents::forget(&identity, &dependents::bases(&identity)?)?;
                tree::remove(&identity.dir())?;
            }
        }
    }
    Ok(())
}
