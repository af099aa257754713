//! The configuration of a container: the language, the registry of keys, and the data they fill.
//!
//! A file becomes a [`Config`]: plain typed data with the line each value came from. Every key is one
//! row of the registry ([`key`], `keys`); parsing (`language`), printing ([`get`]), clearing and
//! help all read that row. A [`Document`] keeps the file's text beside the data, so that a change
//! leaves the user's comments alone. [`SystemConfig`] is `lxc.conf`.
//!
//! ```
//! use lxc_rs::config::{Document, get};
//!
//! # fn main() -> lxc_rs::Result<()> {
//! let mut document = Document::parse("# the shop\nlxc.uts.name = web\n", "config")?;
//! document.set("lxc.cgroup2.pids.max", "100", "example")?;
//! assert_eq!(document.config.uts_name.as_deref(), Some("web"));
//! assert_eq!(get(&document.config, "lxc.cgroup2.pids.max")?.trim_end(), "100");
//! assert!(document.text().starts_with(b"# the shop\n"));
//!
//! let error = Document::parse("lxc.uts.nam = web\n", "config").unwrap_err();
//! assert!(error.to_string().contains("did you mean lxc.uts.name?"));
//! # Ok(())
//! # }
//! ```

mod document;
mod forward;
mod hook;
mod host_end;
pub mod key;
mod keys;
mod language;
pub(crate) mod legacy;
mod lint;
#[cfg(test)]
mod mistakes;
mod model;
mod namespace;
#[cfg(test)]
mod properties;
mod system;
mod update;
mod value;
mod whole;
mod words;

pub use crate::origin::{Located, Origin};
pub use document::{Document, get};
pub use forward::{Forward, Protocol};
pub use hook::HookStage;
pub use host_end::{Filter, HostEnd, Rate};
pub(crate) use key::Refusal;
pub(crate) use key::nearest_of;
pub use language::{Finding, Severity};
pub use model::*;
pub use namespace::Namespace;
pub use system::SystemConfig;
pub use update::update;
pub(crate) use value::{bytes, capability, idmap as parse_idmap, mac, show_bytes, show_mac};
pub(crate) use whole::{is_running, sweep_temporary, temporary_name, write_whole, writer_of};
pub(crate) use words::split_words;
