//! What the launcher hands to lxc-rs in the environment; lxc-rs does the same where it executes itself again.

/// Tells the new image where its file lies: a mount without a place has no path.
pub const PATH_VARIABLE: &str = "LXC_RS_PROGRAM";

/// Gives room for another title than the arguments, which the new image takes out of its environment.
pub const ROOM_VARIABLE: &str = "LXC_RS_ROOM";

/// How many bytes of room: enough for every directory and name of a container (NAME_MAX after a path of some
/// length).
pub const ROOM: usize = 1024;
