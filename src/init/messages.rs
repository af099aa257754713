//! What the monitor and the container's first process say to each other to keep step.
//!
//! The container's end of their [`Channel`](crate::channel::Channel) closes when init is executed: the
//! end of the stream is the success.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::mount::options::{MountIds, Recursive};
use crate::network::Link;

/// What the monitor says.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToInit {
    /// Id maps, cgroups and links are there: set up. The descriptor that comes along, if `rootfs`,
    /// is the root filesystem, already mounted with the container's ids.
    Go {
        /// The links in the container's network namespace.
        links: Vec<Link>,
        /// Whether the root filesystem comes along.
        rootfs: bool,
    },
    /// The tree that was sent has its ids, or not.
    IdsSet(Option<Error>),
    /// Limits of devices and host-side hooks are done: execute init.
    Exec,
}

/// What the container's first process says.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromInit {
    /// Give the detached tree that comes along these ids: only the host's root may.
    SetIds {
        /// Whose.
        ids: MountIds,
        /// Whether also what is mounted below it.
        recursive: Recursive,
    },
    /// Both sides of the next tty come along: of one for which there is no room in the last message.
    Tty,
    /// The listener of its seccomp filter comes along.
    Listener,
    /// Everything is set up but for the exec. Its terminals come along, all in one message, for which the
    /// monitor is woken once.
    Ready {
        /// Whether the root of its devpts is the first.
        devpts: bool,
        /// Whether both sides of the console are next. Those of ttys follow.
        console: bool,
    },
    /// It failed and is about to exit.
    Failed(Error),
}
