//! (room of mount)
