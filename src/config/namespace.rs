//! Kinds of namespaces.

use serde::{Deserialize, Serialize};

/// A kind of namespace, in LXC's order (that of joining them).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Namespace {
    /// `user`.
    User,
    /// `mnt`.
    Mnt,
    /// `pid`.
    Pid,
    /// `uts`.
    Uts,
    /// `ipc`.
    Ipc,
    /// `net`.
    Net,
    /// `cgroup`.
    Cgroup,
    /// `time`.
    Time,
}

impl Namespace {
    /// All kinds, in LXC's order.
    pub const ALL: [Self; 8] = [
        Self::User,
        Self::Mnt,
        Self::Pid,
        Self::Uts,
        Self::Ipc,
        Self::Net,
        Self::Cgroup,
        Self::Time,
    ];

    /// Its name in configuration files and in `/proc/PID/ns`.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Mnt => "mnt",
            Self::Pid => "pid",
            Self::Uts => "uts",
            Self::Ipc => "ipc",
            Self::Net => "net",
            Self::Cgroup => "cgroup",
            Self::Time => "time",
        }
    }

    /// Its `CLONE_NEW*` bit (linux/sched.h).
    pub fn flag(self) -> u64 {
        match self {
            Self::User => 0x1000_0000,
            Self::Mnt => 0x0002_0000,
            Self::Pid => 0x2000_0000,
            Self::Uts => 0x0400_0000,
            Self::Ipc => 0x0800_0000,
            Self::Net => 0x4000_0000,
            Self::Cgroup => 0x0200_0000,
            Self::Time => 0x0000_0080,
        }
    }
}
