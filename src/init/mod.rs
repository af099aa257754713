//! The container's side of a start: the process that clone made, up to the exec of init.
//!
//! It runs with a copy of the monitor's memory and its own rules: one thread, no return to the
//! monitor's code, one typed message back for what went wrong. [`plan`] is what it works from,
//! [`messages`] how it keeps step with the monitor, [`setup`] the ordered steps, [`exec`] the end of
//! them, [`command`] the search for a program, [`reaper`] the small init of lxc-execute.

pub mod command;
pub mod exec;
mod messages;
pub mod plan;
pub mod reaper;
mod setup;
mod sysctl;

pub use messages::{FromInit, ToInit};
pub use plan::{Mode, Plan};
pub use setup::{Inherited, run};
