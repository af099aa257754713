//! What a container may not do: capabilities, seccomp, labels of security modules, resource
//! limits.

pub mod caps;
pub mod limits;
pub mod lsm;
pub mod own_image;
pub mod sealed;
pub mod seccomp;
