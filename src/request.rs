//! What can be asked of a [`Container`](crate::Container), with all its options.
//!
//! Each begins as a plain one that a container makes for itself, of which some fields are changed:
//!
//! ```no_run
//! use lxc_rs::{Container, request};
//!
//! # fn main() -> lxc_rs::Result<()> {
//! let mut web = Container::new("web", None)?;
//! let start = request::Start { command: vec!["/bin/sh".into()], ..web.to_start() };
//! web.start(&start)?;
//! let attach = request::Attach {
//!     command: vec!["make".into(), "test".into()],
//!     uid: Some(1000),
//!     directory: Some("/src".into()),
//!     ..web.to_attach()
//! };
//! let code = web.attach(&attach)?;
//! let copy = Container::new("copy", None)?;
//! web.stop()?;
//! web.copy(&request::Copy { snapshot: true, ..web.to_copy(&copy) })?;
//! # let _ = code;
//! # Ok(())
//! # }
//! ```

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
