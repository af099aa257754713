//! lxc-rs: system containers by the `lxc-*` commands.
//!
//! The map of the house; `docs/ARCHITECTURE.md` says how data flows through it. Dependencies point
//! downwards in this list: nothing below [`container`] knows a command line, and nothing but [`cli`]
//! prints. System calls, the error and names come from the crate `lxc_sys`; there is no `unsafe` code here.
#![forbid(unsafe_code)]

pub mod cli;
pub mod container;
pub mod kernel;

pub mod init;
pub mod monitor;
pub mod monitord;
pub mod storage;
pub mod template;

pub mod cgroup;
pub mod hooks;
pub mod mount;
pub mod namespace;
pub mod network;
pub mod security;
pub mod terminal;

pub mod config;
pub mod criu;

pub mod channel;
pub mod logging;
pub mod paths;
pub mod programs;
pub mod state;
pub mod version;
pub mod worker;

pub use lxc_sys as sys;
pub use lxc_sys::{error, identity, origin};

pub use error::{Error, Result};
