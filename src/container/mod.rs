//! (room of container)
