//! (room of template)
