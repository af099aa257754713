//! What the programs of lxc-rs share: system calls that nix lacks, as safe functions; the one error; names.
//!
//! Together with the C interface this is the only place for `unsafe`. Wrappers take descriptors first
//! and names second, return owned descriptors with close-on-exec set, and repeat a call that a signal
//! interrupted.
#![allow(unsafe_code)]

pub mod beneath;
pub mod block;
pub mod bpf;
pub mod btrfs;
pub mod deadline;
pub mod entry;
pub mod error;
pub mod exec;
pub mod forked;
pub mod growth;
#[path = "../bare/handed.rs"]
pub mod handed;
pub mod identity;
pub mod layers;
pub mod link;
pub mod lock;
pub mod mount;
pub mod namespace;
pub mod origin;
pub mod process;
pub mod programs;
pub mod pty;
pub mod quota;
pub mod remove;
pub mod rename;
pub mod scm;
pub mod seccomp;
pub mod signals;
pub mod spawn;
pub mod syslog;
pub mod visible;
pub mod xattr;

/// Pid 1 of lxc-execute: a static program (`bare/pid1.rs` beside this crate's sources).
pub const PID1: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pid1"));

/// The launcher of the tools that enter containers: likewise (`bare/launcher.rs`).
pub const LAUNCHER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/launcher"));
