//! Programs of other packages that make and change storage.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use nix::errno::Errno;

use crate::error::{Context, Error, Result};
use crate::programs;
use crate::sys::programs::search_path;

/// So many lines of what a program says are shown.
const LINES: usize = 3;

/// Runs the program `name` of the package `package`; what it prints. If it fails, what it says is the error.
pub(super) fn run(
    name: &str,
    package: &str,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Result<String> {
    run_with(&[], name, package, arguments)
}

/// As [`run`], with these variables in its environment.
pub(super) fn run_with(
    variables: &[(&str, &str)],
    name: &str,
    package: &str,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Result<String> {
    let program = programs::find(name, package)?;
    let output = programs::output(
        Command::new(&program)
            .args(arguments)
            .current_dir("/")
            .env_clear()
            .env("PATH", search_path())
            .env("LC_ALL", "C")
            .envs(variables.iter().copied())
            .stdin(Stdio::null()),
    )
    .context(|| format!("cannot run {}", program.display()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failure(name, &output.stderr, &output.stdout, &output.status.to_string()))
}

/// What the program `name` said of its failure, on one line.
fn failure(name: &str, stderr: &[u8], stdout: &[u8], status: &str) -> Error {
    let said = [stderr, stdout].map(|text| String::from_utf8_lossy(text).into_owned());
    let said = said.iter().find(|text| !text.trim().is_empty());
    let lines = said.map(|text| {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        // What follows is how the program is used.
        lines.take(LINES).collect::<Vec<_>>().join("; ")
    });
    let said = lines.unwrap_or_else(|| status.to_owned());
    let prefix = format!("{name}: ");
    let error = Error::new(format!("{prefix}{}", said.strip_prefix(&prefix).unwrap_or(&said)));
    let is_full = said.contains("No space left on device");
    if is_full { error.errno(Errno::ENOSPC).hint("the disk is full") } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says_is_the_error() {
        let run = |script: &str| run("sh", "dash", ["-c", script]);
        assert_eq!(run("echo $LC_ALL; echo $HOME").unwrap(), "C\n\n");
        let said = |script| run(script).unwrap_err().what;
        assert_eq!(said("echo 'sh: a  '; echo; echo b >&2; exit 1"), "sh: b");
        assert_eq!(said("seq 9; exit 1"), "sh: 1; 2; 3");
        assert_eq!(said("echo sh: a >&2; exit 1"), "sh: a");
        assert_eq!(said("exit 3"), "sh: exit status: 3");
        let full = run("echo 'x: No space left on device' >&2; exit 1").unwrap_err();
        assert!(full.is(Errno::ENOSPC));
    }
}
