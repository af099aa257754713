//! lxc-rs: system containers, by the `lxc-*` commands and by this library.
//!
//! A program uses [`Container`]:
//!
//! ```
//! use lxc_rs::{Container, State};
//!
//! # fn main() -> lxc_rs::Result<()> {
//! let directory = std::env::temp_dir();
//! let mut web = Container::new("no-such-container", Some(&directory))?;
//! assert!(!web.is_defined()?);
//! assert_eq!(web.state()?, State::Stopped);
//! for mut container in Container::defined(&directory)? {
//!     let state = container.state()?;
//!     println!("{}: {state}", container.identity());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What it may be asked is in [`request`], what its configuration says in [`config`].
//!
//! The rest is the map of the house; `docs/ARCHITECTURE.md` says how data flows through it. Dependencies point
//! downwards in the list of modules: nothing below `container` knows a command line, and nothing but `cli` prints.
//! System calls, the error and names come from the crate `lxc_sys`; there is no `unsafe` code here.
#![forbid(unsafe_code)]

#[doc(hidden)]
pub mod cli;
mod handle;
pub mod request;

mod helper;

mod doctor;

mod container;
mod kernel;

mod init;
mod monitor;
mod monitord;
mod storage;
mod template;

mod cgroup;
mod hooks;
mod mount;
mod namespace;
mod network;
mod security;
mod terminal;

pub mod config;
mod criu;

mod channel;
mod envelope;
mod exit;
mod hash;
mod logging;
mod paths;
mod programs;
mod shares;
mod state;
mod table;
pub mod version;
mod worker;

use lxc_sys as sys;
pub use lxc_sys::{error, identity, origin, visible};

pub use container::attach::{Left, Prepared};
pub use container::list::Snapshot;
pub use error::{Error, Result};
pub use handle::Container;
pub use helper::Started;
pub use logging::{end as end_log, start as start_log};
pub use monitor::client::Tty;
pub use network::Interface;
pub use paths::set_helper;
pub use state::State;

/// For this package's own benches.
#[doc(hidden)]
pub mod internals {
    pub use crate::cgroup::{Cgroups, Hierarchy, HostRules, Layout, Version};
    pub use crate::namespace::Ids;
}
