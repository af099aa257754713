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

/// Whether `variable`, as an environment has it, is `name`.
pub fn is_variable(variable: &OsStr, name: &str) -> bool {
    let rest = variable.as_bytes().strip_prefix(name.as_bytes());
    rest.is_some_and(|rest| rest.starts_with(b"="))
}

/// This process's environment.
pub fn own_environment() -> Vec<OsString> {
    std::env::vars_os().map(|(name, value)| variable(name, &value)).collect()
}

/// Of several settings of one variable the last, in the place of the first.
pub fn last_of_each(variables: Vec<OsString>) -> Vec<OsString> {
    let name =
        |one: &OsString| one.as_bytes().split(|byte| *byte == b'=').next().map(<[u8]>::to_vec);
    let mut kept: Vec<OsString> = Vec::with_capacity(variables.len());
    for variable in variables {
        match kept.iter_mut().find(|one| name(one) == name(&variable)) {
            Some(older) => *older = variable,
            None => kept.push(variable),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_setting_of_a_variable_wins_in_its_place() {
        let variables = ["A=1", "B=2", "A=3"].map(OsString::from).to_vec();
        assert_eq!(last_of_each(variables), ["A=3", "B=2"]);
    }
}
