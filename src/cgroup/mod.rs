//! (room of cgroup)
