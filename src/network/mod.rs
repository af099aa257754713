//! (room of network)
