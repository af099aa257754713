//! Namespaces: which a container gets of its own, which it joins, its id maps, and
//! which ids a user may map.

pub mod granted;
pub mod idmap;
pub mod mapped;
pub mod ranges;
pub mod set;
mod shape;
pub mod subid;

pub use idmap::{Ids, own_id};
pub use set::NamespaceSet;
pub use shape::lines as map_lines;
pub use subid::take_in_own;
