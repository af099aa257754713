//! The user's terminal while it shows a container's.

pub mod escape;
pub mod raw;
pub mod relay;

pub use escape::Escape;
pub use raw::Raw;
