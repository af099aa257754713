//! Overlays as only this process sees them: to unpack a layer over those below, and to look into them.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use lxc_sys::mount::{self, FsOption, Refused};

use crate::template::in_user_namespace;
use crate::{Error, Result};

/// What a kernel may be configured to note in a writable layer, and what would tie that to this machine. With the
/// attributes of users it notes none of it.
const PLAIN: [FsOption<'_>; 3] =
    [("index", Some("off")), ("metacopy", Some("off")), ("redirect_dir", Some("off"))];

/// A detached overlay that goes with this value.
#[derive(Debug)]
pub(super) struct Overlay(OwnedFd);

impl Overlay {
    /// `upper`, which is written to, over the directories `lower`, topmost first. `work` is the kernel's, empty
    /// and beside `upper`. What is written is not on the disk when it goes.
    pub fn writable(lower: &[PathBuf], upper: &Path, work: &Path) -> Result<Self> {
        let [upper, work] = [text(upper)?, text(work)?];
        // As whoever mounts it when the container starts.
        let attributes: &[FsOption<'_>] =
            if in_user_namespace() { &[("userxattr", None)] } else { &PLAIN };
        let mut options = vec![("upperdir", Some(upper)), ("workdir", Some(work))];
        options.extend(attributes);
        options.push(("volatile", None));
        Self::new(lower, &options)
    }

    fn new(lower: &[PathBuf], options: &[FsOption<'_>]) -> Result<Self> {
        let mount = |layers: &[FsOption<'_>]| {
            let mut all = vec![("source", Some("overlay"))];
            all.extend(layers);
            all.extend(options);
            mount::new_mount("overlay", &all, 0)
        };
        let failed = |Refused { error, said }: Refused| {
            let errno = nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or_default());
            let error = Error::new("cannot mount an overlay of the image's layers").errno(errno);
            said.into_iter().fold(error, Error::note)
        };
        let names = lower.iter().map(|path| text(path)).collect::<Result<Vec<_>>>()?;
        let single: Vec<FsOption<'_>> =
            names.iter().map(|name| ("lowerdir+", Some(*name))).collect();
        let refused = match mount(&single) {
            Ok(tree) => return Ok(Self(tree)),
            Err(refused) => refused,
        };
        // Before Linux 6.8 all of them are one option.
        let opened = lower.iter().map(File::open).collect::<std::io::Result<Vec<_>>>();
        let opened = opened.map_err(|error| failed(error.into()))?;
        let known: Vec<String> =
            opened.iter().map(|dir| format!("/proc/self/fd/{}", dir.as_raw_fd())).collect();
        let joined = known.join(":");
        if !mount::fits(&joined) {
            return Err(failed(refused));
        }
        mount(&[("lowerdir", Some(&joined))]).map(Self).map_err(failed)
    }

    /// A name for its root, while it is there.
    pub fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }
}

/// `path` as an option of a mount.
fn text(path: &Path) -> Result<&str> {
    path.to_str().filter(|text| mount::fits(text) && !text.contains(['\\', ',', ':'])).ok_or_else(
        || {
            Error::new(format!("{} cannot be a layer of an overlay", path.display()))
                .hint("its name is too long, or has ':', ',' or '\\' in it; make a copy: --copy")
        },
    )
}
