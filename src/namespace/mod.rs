//! Namespaces: which a container gets of its own, which it joins, its id maps, and
//! which ids a user may map.

pub mod idmap;
pub mod mapped;
pub mod set;
pub mod subid;

pub use idmap::Ids;
pub use set::NamespaceSet;
pub use subid::take_in_own;
