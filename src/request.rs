//! What can be asked of a [`Container`](crate::Container), with all its options.

pub use crate::config::Arch;
pub use crate::container::attach::{Elevated, Environment, Personality, Request as Attach};
pub use crate::container::checkpoint::Request as Checkpoint;
pub use crate::container::create::Request as Create;
pub use crate::container::device::Device;
pub use crate::container::injection::Injection;
pub use crate::container::start::Request as Start;
pub use crate::criu::Images;
pub use crate::helper::Copy;
pub use crate::init::Mode;
pub use crate::namespace::NamespaceSet;
pub use crate::storage::Specification as Storage;
