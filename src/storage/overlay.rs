//! Overlays: `overlay:LOWER[:LOWER…]:UPPER`, the topmost of the lower layers first.

use std::path::{Path, PathBuf};

use super::{RootfsMount, dir};
use crate::error::{Context, Error, Result};

/// The overlay that `source` describes, its layers being there. The working directory is beside the
/// upper layer: `work` for one called `delta`, else its name with `.work` behind.
pub(super) fn rootfs_mount(source: &str) -> Result<RootfsMount> {
    let mut layers: Vec<PathBuf> = source.split(':').map(PathBuf::from).collect();
    let upper = layers.pop().filter(|_| !layers.is_empty()).ok_or_else(|| {
        Error::new(format!("the overlay {source} has one layer only"))
            .hint("write overlay:LOWER:UPPER")
    })?;
    for path in layers.iter().chain([&upper]) {
        dir::check(path)?;
    }
    let work = work_dir(&upper);
    match std::fs::create_dir(&work) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        result => result.what(|| format!("cannot create {}", work.display()))?,
    }
    Ok(RootfsMount::Overlay { lower: layers, upper, work })
}

fn work_dir(upper: &Path) -> PathBuf {
    match upper.file_name() {
        Some(name) if name == "delta" => upper.with_file_name("work"),
        Some(name) => {
            let mut name = name.to_owned();
            name.push(".work");
            upper.with_file_name(name)
        }
        None => upper.join("work"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_in_order_and_work_beside_the_upper_one() {
        let base = std::env::temp_dir().join(format!("lxc-rs-overlay-{}", std::process::id()));
        let path = |name: &str| base.join(name).display().to_string();
        for name in ["a", "b", "delta"] {
            std::fs::create_dir_all(base.join(name)).unwrap();
        }
        let mount = rootfs_mount(&[path("a"), path("b"), path("delta")].join(":")).unwrap();
        let RootfsMount::Overlay { lower, upper, work } = mount else { panic!() };
        assert_eq!(lower, [base.join("a"), base.join("b")]);
        assert_eq!((upper, &work), (base.join("delta"), &base.join("work")));
        assert!(work.is_dir());
        assert!(rootfs_mount(&path("a")).is_err());
        assert!(rootfs_mount(&[path("none"), path("delta")].join(":")).is_err());
        std::fs::remove_dir_all(base).unwrap();
    }
}
