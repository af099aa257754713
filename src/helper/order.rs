//! What the helper can be told to do, and what it answers.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

use crate::config::Document;
use crate::container::device::Device;
use crate::container::injection::Injection;
use crate::container::{attach, checkpoint, create, start};
use crate::error::Error;
use crate::identity::{ContainerName, Identity};
use crate::monitor::title;
use crate::storage::Specification;

/// One thing to do. The answer's type is written beside each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) enum Order {
    /// [`Started`].
    Start(start::Request),
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
    /// `Option<Vec<u8>>`: the seccomp filter of a function in the container.
    Filter(attach::Request),
    /// `()`; of the process with this pid, whose pidfd comes along, and the other side of its terminal.
    Relay(i32),
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
    /// `()`: standard input and output on this terminal, with this escape key.
    Console(Identity, i32, Option<u8>),
    /// `()`.
    Mount(Identity, Injection),
    /// `()`; the path inside, and flags.
    Unmount(Identity, PathBuf, i32),
    /// `()`.
    Checkpoint(Identity, checkpoint::Request),
    /// `bool`: whether CRIU has this feature.
    CheckpointFeature(String),
    /// `Vec<Interface>`.
    Interfaces(Identity),
    /// `()`; the name or path inside.
    AddDevice(Identity, Device, Option<String>),
    /// `()`; the name it gets on the host, or the path inside.
    RemoveDevice(Identity, Device, Option<String>),
}

impl Order {
    /// Whether the process that does it enters no container, and has none as its child: a monitor in the
    /// background is a program of its own.
    pub(super) fn stays_out(&self) -> bool {
        matches!(self, Self::Start(request) if request.daemon)
    }

    /// Room for the title of the monitor that a copy of the process that does it becomes.
    pub(super) fn room(&self) -> Option<String> {
        match self {
            Self::Start(request) if request.daemon => Some(title::room_for(&request.identity)),
            _ => None,
        }
    }
}

/// A copy of a container.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// The container to copy.
    pub source: Identity,
    /// The container to make.
    pub target: Identity,
    /// The configuration to copy, instead of the source's file.
    #[serde(default)]
    pub document: Option<Document>,
    /// Whether the copy shares with the source what neither changes.
    pub snapshot: bool,
    /// Whether it does where the source's storage has snapshots of its own.
    #[serde(default)]
    pub snapshot_if_possible: bool,
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
            document: None,
            snapshot: false,
            snapshot_if_possible: false,
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
