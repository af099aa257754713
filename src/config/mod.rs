//! The configuration of a container: the language, the registry of keys, and the data they fill.
//!
//! A file becomes a [`Config`]: plain typed data with the line each value came from. Every key is one
//! row of the registry; parsing, printing, clearing and help all read that row.

mod model;
mod origin;

pub use model::*;
pub use origin::{Located, Origin};
