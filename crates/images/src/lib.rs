//! Where a container's system comes from.
//!
//! Programs of their own, so that what speaks to the network and reads archives of strangers is in no
//! monitor and in no `lxc-*` command. Data passes from top to bottom:
//!
//! - [`cli`]: the templates `lxc-download`, `lxc-local` and `lxc-oci`; the only room that prints;
//! - [`template`]: what `lxc-create` asks of a template, and the container's configuration;
//! - [`image`]: OCI and Docker images: where they are, their manifests, layers and configuration;
//! - [`system`]: images made for LXC, and the servers that have them;
//! - [`exported`]: containers in an archive;
//! - [`store`]: what was fetched or made, under names;
//! - [`layers`]: what was unpacked, and is shared by containers;
//! - [`registry`]: registries of images, and what is fetched from them by its digest;
//! - [`compression`], [`digest`]: what is read on the way is unpacked, hashed and compared;
//! - [`archive`]: what a tar archive says, entry by entry;
//! - [`unpack`]: the entries of one or several archives, made below a root that none of them leaves;
//! - [`pack`]: the entries of a tree of files, for an archive or for another tree;
//! - [`place`]: entries that are put into a tree that is in use.

pub mod archive;
pub mod cli;
pub mod compression;
pub mod digest;
pub mod exported;
pub mod image;
pub mod layers;
pub mod pack;
pub mod place;
mod programs;
pub mod registry;
pub mod store;
pub mod system;
pub mod template;
pub mod unpack;

/// The one error of all programs, and its context.
pub use lxc_sys::error::{Context, Error, Result};

#[cfg(test)]
mod testing;
