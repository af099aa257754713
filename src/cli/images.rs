//! `lxc-rs image`: what the program `lxc-images` does, which speaks to the network; this one does not.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use super::errln;
use crate::error::{Context, Result};
use crate::paths;

/// The command's name.
pub(super) const COMMAND: &str = "image";
/// One line of help.
pub(super) const ABOUT: &str = "Fetch, list, send and remove images";

/// Becomes that program, with `args`.
pub(super) fn run(args: &[OsString]) -> ExitCode {
    let program = paths::images();
    let failed: Result<()> = Err(Command::new(&program).arg("lxc-image").args(args).exec())
        .context(|| format!("cannot run {}", program.display()));
    if let Err(error) = failed {
        errln!("lxc-rs: {error}");
    }
    ExitCode::FAILURE
}
