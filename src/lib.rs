//! lxc-rs: system containers by the `lxc-*` commands.
//!
//! The map of the house; `docs/ARCHITECTURE.md` says how data flows through it. Dependencies point
//! downwards in this list: nothing below [`container`] knows a command line, nothing but [`cli`]
//! prints, and nothing but [`sys`] and [`capi`] holds `unsafe` code.

pub mod capi;
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
pub mod error;
pub mod identity;
pub mod logging;
pub mod origin;
pub mod paths;
pub mod programs;
pub mod state;
pub mod sys;
pub mod version;
pub mod worker;

pub use error::{Error, Result};
