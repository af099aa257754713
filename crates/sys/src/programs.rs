//! Where programs of other packages are looked up.
//!
//! Root's are looked up in the system's directories only: the caller's `PATH` comes from a user's
//! session (sudo, su) or from a cron job, and may name a directory that others write. An ordinary user's are
//! looked up there as well: Debian's `PATH` for them has no directory called sbin.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access, geteuid};

use crate::error::{Error, Result};

/// The system's directories.
const SYSTEM_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin";

/// Where programs are looked up, as `PATH` has it: in the system's directories, for an ordinary user first in
/// those of their own `PATH`.
pub fn search_path() -> OsString {
    match std::env::var_os("PATH") {
        Some(own) if !geteuid().is_root() => before_the_system(&own),
        _ => SYSTEM_PATH.into(),
    }
}

/// The directories of `own`, and those of the system that it does not have.
fn before_the_system(own: &OsStr) -> OsString {
    let mut path = own.to_owned();
    for dir in SYSTEM_PATH.split(':') {
        if !std::env::split_paths(own).any(|its| its == Path::new(dir)) {
            path.push(if path.is_empty() { "" } else { ":" });
            path.push(dir);
        }
    }
    path
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

/// Whether the program `path` runs as root whoever calls it.
pub fn is_set_user_id(path: &Path) -> bool {
    const SET_USER_ID: u32 = 0o4000;
    path.metadata()
        .is_ok_and(|file| file.uid() == 0 && file.permissions().mode() & SET_USER_ID != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_users_directories_come_first() {
        let path = before_the_system("/home/me/bin:/bin:/usr/bin".as_ref());
        let rest = "/usr/sbin:/sbin:/usr/local/sbin:/usr/local/bin";
        assert_eq!(path, OsString::from(format!("/home/me/bin:/bin:/usr/bin:{rest}")));
        assert_eq!(before_the_system("".as_ref()), SYSTEM_PATH);
    }
}
