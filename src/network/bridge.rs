//! The bridge of lxc-net.
