//! (room of storage)
