//! Back-ends that C LXC has or had, and that are not here yet. One that comes leaves this list.

/// Their names in `lxc.rootfs.path`.
pub(super) const NAMES: [&str; 3] = ["nbd", "rbd", "zfs"];

/// Those of LXC before 3.0.
pub(super) const OLD_NAMES: [&str; 1] = ["aufs"];
