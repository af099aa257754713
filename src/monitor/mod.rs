//! (room of monitor)
