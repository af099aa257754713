//! (room of security)
