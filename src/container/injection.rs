//! Mounting something of the host in a running container, and unmounting what is there.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};
use serde::{Deserialize, Serialize};

use super::inside::in_mounts_of;
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::monitor::client::Client;
use crate::mount::options::Options;
use crate::mount::root::Missing;
use crate::mount::{Root, entries};

/// A mount that a running container gets (mount(2)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Injection {
    /// A path of the host, or what the file system takes for one.
    pub source: String,
    /// The path inside, which is made where it is missing.
    pub target: PathBuf,
    /// The type of a new file system; `None` for a bind mount.
    pub fstype: Option<String>,
    /// `MS_*`.
    pub flags: u64,
    /// The options of a new file system.
    pub data: Option<String>,
}

/// Carries out `mount`: the mount is made on the host, with the host's rights, and put in its place by a
/// process of the container.
pub fn mount(identity: &Identity, mount: &Injection) -> Result<()> {
    let init = Client::new(identity).init_from_equal()?;
    let mut options = Options::parse(mount.data.as_deref().unwrap_or_default())?;
    options.add_flags(mount.flags)?;
    if options.bind.is_none() && mount.fstype.is_none() {
        return Err(Error::new(format!("no file system is named to mount {}", mount.source)));
    }
    let entry = entries::Entry {
        source: mount.source.clone(),
        target: mount.target.clone(),
        elsewhere: false,
        fstype: mount.fstype.clone().unwrap_or_default(),
        options,
        origin: None,
    };
    let tree = entries::detached(&Root::open(Path::new("/"))?, &entry)?;
    let missing = Missing::like(tree.as_fd())?;
    in_mounts_of(init.pid, || {
        Root::open(Path::new("/"))?.attach(tree.as_fd(), &entry.target, missing)
    })
}

/// Unmounts what is on `target` inside; with these flags (umount2(2)).
pub fn unmount(identity: &Identity, target: &Path, flags: i32) -> Result<()> {
    let init = Client::new(identity).init_from_equal()?;
    let flags = MntFlags::from_bits(flags)
        .ok_or_else(|| Error::new(format!("{flags:#x} are not flags of umount2(2)")))?;
    in_mounts_of(init.pid, || {
        umount2(target, flags | MntFlags::UMOUNT_NOFOLLOW)
            .context(|| format!("cannot unmount {} in {}", target.display(), identity.name))
    })
}
