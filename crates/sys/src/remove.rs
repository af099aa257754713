//! Removing what may be gone already.

use std::io::{self, ErrorKind};
use std::path::Path;

use crate::error::{Context, Result};

/// Removes the file or link `path`, if it is there.
pub fn file(path: &Path) -> Result<()> {
    gone(std::fs::remove_file(path), path)
}

/// Removes the empty directory `path`, if it is there.
pub fn dir(path: &Path) -> Result<()> {
    gone(std::fs::remove_dir(path), path)
}

/// Removes the directory `path` with all that is in it, if it is there.
pub fn tree(path: &Path) -> Result<()> {
    gone(std::fs::remove_dir_all(path), path)
}

fn gone(removed: io::Result<()>, path: &Path) -> Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.context(|| format!("cannot remove {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_no_failure_and_what_stays_is_one() {
        let top = std::env::temp_dir().join(format!("lxc-rs-remove-{}", std::process::id()));
        let inner = top.join("inner");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(inner.join("file"), "").unwrap();
        let refused = dir(&inner).unwrap_err();
        assert!(refused.what.starts_with("cannot remove /"), "{refused}");
        assert!(file(&inner).is_err());
        for _ in 0..2 {
            file(&inner.join("file")).unwrap();
            dir(&inner).unwrap();
            tree(&top).unwrap();
        }
        assert!(!top.exists());
    }
}
