//! Programs of other packages that these tools run: nft, dnsmasq, newuidmap, criu.
//!
//! Root's are looked up in the system's directories only: the caller's `PATH` comes from a user's
//! session (sudo, su) or from a cron job, and may name a directory that others write.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use nix::unistd::{AccessFlags, access, geteuid};

use crate::error::{Error, Result};
use crate::sys::exec;

/// The directories in which root's programs are looked up.
const SYSTEM_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin";

/// Where programs are looked up: for root in the system's directories, for an ordinary user in their
/// `PATH`.
fn search_path() -> OsString {
    let own = || std::env::var_os("PATH").unwrap_or_default();
    if geteuid().is_root() { SYSTEM_PATH.into() } else { own() }
}

/// Finds the program `name`, which is in the package `package`.
pub fn find(name: &str, package: &str) -> Result<PathBuf> {
    let path = search_path();
    let is_program = |path: &PathBuf| path.is_file() && access(path, AccessFlags::X_OK).is_ok();
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(is_program).ok_or_else(|| {
        Error::new(format!("cannot find {name} in {}", path.display()))
            .hint(format!("install the package {package}"))
    })
}

/// This process's environment for such a program, which looks up others in the same directories.
pub fn environment() -> Vec<OsString> {
    let is_path = |variable: &OsString| variable.as_encoded_bytes().starts_with(b"PATH=");
    let mut variables = exec::own_environment();
    variables.retain(|variable| !is_path(variable));
    let mut path = OsStr::new("PATH=").to_owned();
    path.push(search_path());
    variables.push(path);
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        assert!(find("sh", "dash").unwrap().ends_with("sh"));
        let error = find("no-such-program", "some-package").unwrap_err();
        assert!(error.what.starts_with("cannot find no-such-program in /"), "{error}");
        assert_eq!(error.hint.as_deref(), Some("install the package some-package"));
    }
}
