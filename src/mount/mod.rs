//! Everything that is mounted for a container, done by its first process in its own mount namespace.
//!
//! The order (runtime behaviour of LXC, which hooks and entries rely on): [`rootfs`] is attached at
//! `lxc.rootfs.mount`; [`dev`] puts a tmpfs on `/dev`; [`automatic`] mounts proc, sys and cgroup;
//! [`entries`] follow in the order of the configuration, some of them [`idmapped`]; the [`shmounts`] for
//! later mounts; then device nodes, [`devpts`] with console
//! and ttys; [`pivot`] makes the rootfs the root. All paths below the rootfs go through [`Root`],
//! all mounts through descriptors, so nothing that lies in the rootfs can redirect them.

pub mod automatic;
mod content;
pub mod dev;
pub mod devpts;
pub mod entries;
pub mod idmapped;
mod long;
pub mod options;
mod overlay;
pub mod pivot;
pub mod private;
pub mod root;
pub mod rootfs;
mod roots;
pub mod shmounts;

pub use content::Content;
pub use root::Root;
pub use roots::Roots;
