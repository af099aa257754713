//! A process of ours in the namespaces of a running container, to change its mounts.

use std::os::fd::AsFd;

use nix::unistd::Pid;

use crate::config::Namespace;
use crate::error::{Context, Result};
use crate::namespace::mapped::become_root;
use crate::namespace::set;
use crate::sys::process;
use crate::worker::Worker;

/// Runs `act` in the mount namespace of the container whose init is `pid`, as root of its user namespace if it
/// has one of its own: nowhere else may something be mounted there.
pub(super) fn in_mounts_of(pid: Pid, act: impl FnOnce() -> Result<()>) -> Result<()> {
    let init = process::pidfd_open(pid).context(|| "cannot open the container's init")?;
    let namespaces = set::other_than_ours(pid)?;
    let own_user = namespaces.has(Namespace::User);
    let user = if own_user { Namespace::User.flag() } else { 0 };
    Worker::default().run(
        |_| Ok(()),
        || {
            process::setns(init.as_fd(), user | Namespace::Mnt.flag())
                .context(|| "cannot join the container's namespaces")?;
            if own_user {
                become_root()?;
            }
            act()
        },
    )
}
