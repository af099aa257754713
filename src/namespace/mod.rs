//! (room of namespace)
