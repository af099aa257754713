//! What a container may not do: capabilities, seccomp, labels of security modules, resource
//! limits.

pub mod apparmor;
pub mod attributes;
pub mod caps;
pub mod denials;
mod kept;
pub mod lsm;
pub mod rexec;
pub mod sealed;
pub mod seccomp;
pub mod selinux;
