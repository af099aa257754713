//! Namespaces: which a container gets of its own, which it joins, and its id maps.

pub mod idmap;
pub mod set;

pub use idmap::Ids;
pub use set::NamespaceSet;
