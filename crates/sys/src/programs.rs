//! Where programs of other packages are looked up.
//!
//! Root's are looked up in the system's directories only: the caller's `PATH` comes from a user's
//! session (sudo, su) or from a cron job, and may name a directory that others write.

use std::ffi::OsString;
use std::path::PathBuf;

use nix::unistd::{AccessFlags, access, geteuid};

use crate::error::{Error, Result};

/// The directories in which root's programs are looked up.
const SYSTEM_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin";

/// Where programs are looked up, as `PATH` has it: for root in the system's directories, for an ordinary
/// user in their own `PATH`.
pub fn search_path() -> OsString {
    let own = || std::env::var_os("PATH").unwrap_or_default();
    if geteuid().is_root() { SYSTEM_PATH.into() } else { own() }
}

/// Finds the program `name`. Fails if no directory has a file of that name that may be executed.
pub fn find(name: &str) -> Result<PathBuf> {
    let path = search_path();
    let is_program = |path: &PathBuf| path.is_file() && access(path, AccessFlags::X_OK).is_ok();
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(is_program)
        .ok_or_else(|| Error::new(format!("cannot find {name} in {}", path.display())))
}
