//! (room of terminal)
