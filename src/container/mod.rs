//! What a user holds: one file per thing that can be done with a container.

pub mod start;
