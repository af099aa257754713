//! Programs of other packages: gpgv, helpers for credentials.

use std::process::Command;

use lxc_sys::programs::{find, search_path};
pub use lxc_sys::programs::{output, output_of};

use crate::Result;

/// A command of the program `name`, which looks up others in the same directories.
pub fn command(name: &str) -> Result<Command> {
    let mut command = Command::new(find(name)?);
    command.env("PATH", search_path());
    Ok(command)
}
