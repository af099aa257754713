//! Words and variables as execve(2) takes them.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;

/// `words` with their ends. Fails if one has a NUL: that cannot be passed on.
pub fn c_strings(words: &[OsString]) -> io::Result<Vec<CString>> {
    words.iter().map(|word| Ok(CString::new(word.as_bytes())?)).collect()
}

/// The variable `name` as an environment has it.
pub fn variable(name: impl Into<OsString>, value: &OsStr) -> OsString {
    let mut variable = name.into();
    variable.push("=");
    variable.push(value);
    variable
}

/// This process's environment.
pub fn own_environment() -> Vec<OsString> {
    std::env::vars_os().map(|(name, value)| variable(name, &value)).collect()
}
