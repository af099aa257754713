//! What the helper can be told to do, and what it answers.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

use crate::container::device::Device;
use crate::container::{attach, create, start};
use crate::error::Error;
use crate::identity::{ContainerName, Identity};
use crate::storage::Specification;

/// One thing to do. The answer's type is written beside each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) enum Order {
    /// [`Started`].
    Start(start::Request),
    /// `()`.
    Kill(Identity),
    /// `bool`: whether it is stopped.
    ShutDown(Identity, Option<Duration>),
    /// `bool`: whether it has rebooted.
    Reboot(Identity, Option<Duration>),
    /// `()`; within this time.
    Freeze(Identity, Duration),
    /// `()`.
    Unfreeze(Identity),
    /// [`AttachEnd`].
    Attach(attach::Request),
    /// [`attach::Left`].
    LeaveAttached(attach::Request),
    /// `()`.
    Create(create::Request),
    /// Warnings.
    Copy(Copy),
    /// Warnings.
    Rename(Identity, ContainerName),
    /// `()`; whether it may be killed first.
    Destroy(Identity, bool),
    /// The snapshot's name, and warnings; with the file of a comment.
    Snapshot(Identity, Option<PathBuf>),
    /// Warnings; the snapshot, and the name of the new container.
    Restore(Identity, String, Option<ContainerName>),
    /// `()`; the snapshot.
    RemoveSnapshot(Identity, String),
    /// `Vec<Interface>`.
    Interfaces(Identity),
    /// `()`; the name or path inside.
    AddDevice(Identity, Device, Option<String>),
    /// `()`; the name it gets on the host, or the path inside.
    RemoveDevice(Identity, Device, Option<String>),
}

/// A copy of a container.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// The container to copy.
    pub source: Identity,
    /// The container to make.
    pub target: Identity,
    /// Whether the copy shares with the source what neither changes.
    pub snapshot: bool,
    /// The storage back-end of the copy, instead of the source's.
    pub backend: Option<String>,
    /// What is asked of the copy's storage. What has no use for it goes without it.
    #[serde(default)]
    pub storage: Specification,
    /// Whether the copy keeps the source's `lxc.uts.name` and `/etc/hostname`.
    pub keep_name: bool,
    /// Whether the copy keeps the source's MAC addresses.
    pub keep_mac: bool,
    /// Whether the source may run.
    pub allow_running: bool,
    /// What clone hooks get after their own arguments.
    pub hook_arguments: Vec<String>,
}

impl Copy {
    /// A whole copy, with a name and addresses of its own.
    pub(crate) fn of(source: Identity, target: Identity) -> Self {
        Self {
            source,
            target,
            snapshot: false,
            backend: None,
            storage: Specification::default(),
            keep_name: false,
            keep_mac: false,
            allow_running: false,
            hook_arguments: Vec::new(),
        }
    }
}

/// How a start ended.
#[derive(Debug, Serialize, Deserialize)]
pub enum Started {
    /// It runs in the background; the parts of the configuration that have no effect here.
    Background(Vec<String>),
    /// It ran in the foreground; the exit code of its init, as a shell gives it.
    Ended(i32),
}

/// How an attached command ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum AttachEnd {
    /// With this exit code.
    Code(i32),
    /// It could not be executed.
    Failed(Error),
}
