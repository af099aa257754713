//! Programs of other packages that these tools run: nft, dnsmasq, newuidmap, criu.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::error::Result;
use crate::sys::exec;
use crate::sys::programs::{self, search_path};
pub use crate::sys::programs::{output, output_of};

/// Finds the program `name`, which is in the package `package`.
pub fn find(name: &str, package: &str) -> Result<PathBuf> {
    programs::find(name).map_err(|error| error.hint(format!("install the package {package}")))
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
