//! The container's side of a start: the process that clone made, up to the exec of init.
//!
//! It runs with a copy of the monitor's memory and its own rules: one thread, no return to the
//! monitor's code, one typed message back for what went wrong. [`plan`] is what it works from,
//! [`channel`] how it keeps step with the monitor, [`setup`] the ordered steps, [`exec`] the end of
//! them, [`command`] the search for a program, [`reaper`] the small init of lxc-execute.

pub mod channel;
pub mod command;
pub mod exec;
pub mod plan;
pub mod reaper;
mod setup;
mod sysctl;

pub use channel::{Channel, FromInit, ToInit};
pub use plan::{Mode, Plan};
pub use setup::{Inherited, run};
