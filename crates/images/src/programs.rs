//! Programs of other packages: gpgv, helpers for credentials.
//!
//! Root's are looked up in the system's directories only: the caller's `PATH` comes from a user's session
//! or from a cron job, and may name a directory that others write.

use std::ffi::OsString;
use std::process::Command;

use nix::unistd::{AccessFlags, access, geteuid};

use crate::{Error, Result};

/// The directories in which root's programs are looked up.
const SYSTEM_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin";

/// A command of the program `name`, which looks up others in the same directories.
pub fn command(name: &str) -> Result<Command> {
    let own = || std::env::var_os("PATH").unwrap_or_default();
    let path: OsString = if geteuid().is_root() { SYSTEM_PATH.into() } else { own() };
    let found = std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file() && access(file, AccessFlags::X_OK).is_ok());
    let found =
        found.ok_or_else(|| Error::new(format!("cannot find {name} in {}", path.display())))?;
    let mut command = Command::new(found);
    command.env("PATH", path);
    Ok(command)
}
