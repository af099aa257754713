//! (room of init)
