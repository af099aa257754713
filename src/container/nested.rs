//! Looking into a container for what is in it, as lxc-ls does for containers in containers.
//!
//! Paths, links and included files mean there what they mean to the container, and its owner controls
//! them. So a separate process looks, with nothing of the host's open: inside the container if it runs,
//! else below its root filesystem.

use nix::unistd::{chroot, fchdir};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::attach;
use crate::channel::Channel;
use crate::config::{Config, Document};
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::init::command;
use crate::storage::{attach, rootfs_mount};
use crate::sys::process;

/// What the process says: all it found, one after another, or why it could not look.
#[derive(Deserialize, Serialize)]
enum Said<T> {
    Found(T),
    Failed(Error),
}

/// The configuration of a container that may be in another, where its file may be anything, also a pipe
/// that nobody writes to; `None` if it cannot be read.
pub fn configuration(identity: &Identity) -> Option<Config> {
    let file = identity.config_file();
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    is_file.then(|| Document::load(&file).ok()).flatten().map(|document| document.config)
}

/// What `look` finds inside the running container, with the restrictions of an attached command. The
/// caller has one thread, and runs from a protected image
/// ([`rexec`](crate::security::rexec)).
pub fn in_running<T: Serialize + DeserializeOwned>(
    identity: &Identity,
    look: impl FnOnce() -> Result<Vec<T>>,
) -> Result<Vec<T>> {
    let (ours, theirs) = Channel::pair()?;
    let pid = attach::fork_inside(identity, &theirs, |entered| {
        say(&theirs, || entered.and_then(|()| look()));
    })?;
    drop(theirs);
    hear(&ours, pid)
}

/// What `look` finds below the root filesystem of the container, which does not run. The caller has one
/// thread, and the right to change the root.
pub fn in_storage<T: Serialize + DeserializeOwned>(
    identity: &Identity,
    look: impl FnOnce() -> Result<Vec<T>>,
) -> Result<Vec<T>> {
    let Some(config) = configuration(identity) else { return Ok(Vec::new()) };
    let _attached = attach(&config)?;
    let root = rootfs_mount(&config)?.open()?;
    let (ours, theirs) = Channel::pair()?;
    let Some(pid) = process::fork().context(|| "cannot make a process")? else {
        let enter = || {
            fchdir(&root)
                .and_then(|()| chroot("."))
                .context(|| "cannot enter the root filesystem")?;
            process::close_all_but(&[std::os::fd::AsFd::as_fd(&theirs)])
                .context(|| "cannot close the host's descriptors")
        };
        say(&theirs, || enter().and_then(|()| look()));
        process::exit_now(0)
    };
    drop(theirs);
    hear(&ours, pid)
}

/// Sends what `look` finds, as the last thing that the process does; a caller that is gone need not be
/// told.
fn say<T: Serialize>(channel: &Channel, look: impl FnOnce() -> Result<Vec<T>>) {
    // The log's descriptor is not open any more.
    log::set_max_level(log::LevelFilter::Off);
    match look() {
        Ok(all) => all.into_iter().for_each(|one| drop(channel.send(&Said::Found(one), &[]))),
        Err(error) => drop(channel.send(&Said::<T>::Failed(error), &[])),
    }
}

fn hear<T: DeserializeOwned>(channel: &Channel, pid: nix::unistd::Pid) -> Result<Vec<T>> {
    let mut all = Vec::new();
    let mut failed = None;
    while let Some((said, _)) = channel.receive()? {
        match said {
            Said::Found(one) => all.push(one),
            Said::Failed(error) => failed = Some(error),
        }
    }
    command::wait(pid)?;
    failed.map_or(Ok(all), Err)
}
