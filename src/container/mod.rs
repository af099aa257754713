//! What a user holds: one file per thing that can be done with a container.

pub mod attach;
pub mod autostart;
pub mod cgroup;
pub mod check;
pub mod checkpoint;
pub mod copy;
pub mod create;
pub mod dependents;
pub mod destroy;
pub mod device;
mod environment;
pub mod freeze;
mod interruption;
pub mod list;
pub mod lock;
mod made;
pub mod nested;
pub mod operation;
mod owner;
pub mod report;
pub mod running;
pub mod samples;
pub mod snapshot;
pub mod start;
pub mod stop;
pub mod unshare;
pub mod wait;
