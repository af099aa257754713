//! Overlays that need not outlive the host: those of ephemeral containers, which the kernel never waits
//! for the disk for (`volatile`).
//!
//! It leaves a mark in the working directory of such a one, and mounts none that has it: what was written
//! before a power cut may be gone in part. As long as the host runs nothing is, and the mark means
//! nothing; which boot it is from is written beside it.

use std::io::ErrorKind;
use std::path::Path;

use crate::config::Config;
use crate::error::{Context, Error, Result};
use crate::sys::remove;

/// The kernel's mark, in the working directory.
const MARK: &str = "work/incompat";

/// The boot that the mark is from, in the working directory.
const BOOT: &str = "boot";

/// Whether the writable layer of the container with the configuration `config` is removed with it.
pub fn is_meant_by(config: &Config) -> bool {
    config.ephemeral && config.rootfs.managed != Some(false)
}

/// Removes the mark of this boot in the directory `work`; one of an earlier boot is an error. If the overlay
/// `is_volatile`, this boot is written down.
pub(super) fn settle(work: &Path, is_volatile: bool) -> Result<()> {
    let file = work.join(BOOT);
    let of = match std::fs::read_to_string(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        read => Some(read.context(|| format!("cannot read {}", file.display()))?),
    };
    if of.is_none() && !is_volatile {
        return Ok(());
    }
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .context(|| "cannot read the id of this boot")?;
    match &of {
        Some(of) if *of == boot => unmark(work)?,
        Some(_) => refuse_marked(work)?,
        None => {}
    }
    if is_volatile {
        std::fs::write(&file, boot)
            .context(|| format!("cannot write the id of this boot to {}", file.display()))
    } else {
        remove::file(&file)
    }
}

fn refuse_marked(work: &Path) -> Result<()> {
    let mark = work.join(MARK);
    match mark.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).context(|| format!("cannot look at {}", mark.display())),
        Ok(_) => Err(Error::new(format!(
            "the layer beside {} was not written to the disk before the host went down",
            work.display()
        ))
        .hint(format!(
            "it is an ephemeral container's: destroy that, or remove {} to use what there is",
            mark.display()
        ))),
    }
}

/// Removes the mark in the directory `work`, that of a mount of this boot.
pub fn unmark(work: &Path) -> Result<()> {
    remove::tree(&work.join(MARK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_of_this_boot_goes_and_one_of_another_is_refused() {
        let work = std::env::temp_dir().join(format!("lxc-rs-volatile-{}", std::process::id()));
        let mark = || std::fs::create_dir_all(work.join(MARK).join("volatile/dirty")).unwrap();
        mark();
        settle(&work, true).unwrap();
        assert!(work.join(MARK).exists(), "it is not ours");
        settle(&work, true).unwrap();
        assert!(!work.join(MARK).exists());
        mark();
        std::fs::write(work.join(BOOT), "another\n").unwrap();
        assert!(settle(&work, false).unwrap_err().hint.unwrap().contains("destroy"));
        std::fs::remove_dir_all(work.join(MARK)).unwrap();
        settle(&work, false).unwrap();
        assert!(!work.join(BOOT).exists());
        std::fs::remove_dir_all(work).unwrap();
    }
}
