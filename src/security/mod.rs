//! What a container may not do: capabilities, seccomp, resource limits.

pub mod caps;
pub mod limits;
pub mod seccomp;
