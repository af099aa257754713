//! Control groups: where a container's cgroups are, what they limit, how they end.
//!
//! [`layout`] finds the host's hierarchies (v1 with any co-mounting, hybrid, pure v2). [`create`] makes
//! one [`directory`] for the container in each, which [`tree`] holds; [`limits`] writes the configured
//! values into them, if need be translated to the other cgroup version ([`translate`]); [`devices`] has
//! the device rules of v2; [`freezer`] stops all processes; [`statistics`] reads the use; [`remove`]
//! kills what is left inside and takes the directories away, and [`Left`] finds the cgroups whose monitor
//! was killed before it could do so.

mod create;
pub mod devices;
mod directory;
pub mod enter;
pub mod file;
pub mod freezer;
pub mod layout;
mod left;
pub mod limits;
pub mod monitor;
mod naming;
pub mod remove;
pub mod scope;
pub mod statistics;
pub mod translate;
pub mod tree;
pub mod verify;
mod walk;

pub use directory::CgroupDir;
pub use layout::{Hierarchy, Layout, LayoutKind, Version};
pub use left::{Left, Search};
pub use naming::{HostRules, LEAF};
pub use tree::Cgroups;
