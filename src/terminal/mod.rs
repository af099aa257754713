//! The user's terminal while it shows a container's.

pub mod escape;
mod held;
mod nonblocking;
pub mod raw;
pub mod relay;

pub use escape::Escape;
pub use held::Held;
pub use raw::Raw;
