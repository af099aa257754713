//! What a user holds: one file per thing that can be done with a container.

pub mod attach;
pub mod cgroup;
pub mod create;
pub mod destroy;
pub mod freeze;
pub mod list;
pub mod lock;
pub mod report;
pub mod start;
pub mod stop;
pub mod wait;
