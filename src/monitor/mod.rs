//! The one process that stays with a running container.
//!
//! It starts as a fresh image of this program (or is the foreground tool itself), works from a
//! [`Plan`](crate::init::Plan), and ends with its container. [`supervise`] runs the container
//! from its first hook to its last ([`end`]), and again after a reboot; [`first`] makes the first
//! process, [`spawn`] keeps step with it, [`restore`] makes it from a checkpoint; [`resources`] is what
//! is held on the host meanwhile; [`server`] answers the command socket; [`publish`] tells lxc-monitord of states. One thread, one
//! poll loop.

pub mod client;
mod console;
mod console_log;
mod device_item;
mod end;
mod first;
pub mod handover;
pub mod protocol;
pub(crate) mod publish;
mod queue;
pub mod resources;
mod restore;
mod server;
mod signals;
mod spawn;
mod supervise;
pub(crate) mod title;

pub use resources::Exit;
pub use supervise::{Ended, run};
