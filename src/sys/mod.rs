//! System calls that nix lacks, as safe functions. Together with `capi` the only place for `unsafe`.
//!
//! Wrappers take descriptors first and names second, return owned descriptors with close-on-exec set,
//! and repeat a call that a signal interrupted.
#![allow(unsafe_code)]

pub mod beneath;
pub mod bpf;
pub mod btrfs;
pub mod deadline;
pub mod exec;
pub mod link;
pub mod lock;
pub mod mount;
pub mod namespace;
pub mod process;
pub mod pty;
pub mod scm;
pub mod seccomp;
pub mod spawn;
pub mod syslog;
