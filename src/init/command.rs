//! Executing a command by its name, as execvpe(3): with the search path of the environment it gets,
//! not of this process.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::error::{Error, Result};
use crate::programs;
use crate::sys::exec::{c_strings, own_environment};

/// Why a command was not executed.
#[derive(Debug)]
pub struct NotExecuted {
    /// The reason; `ENOENT` only if nothing of that name was found.
    pub errno: Errno,
    /// The search path, if the name made one necessary.
    pub searched: Option<OsString>,
}

/// Executes `command`, its name first, with `environment`; returns only if that fails.
///
/// `default_path`: where a name without a slash is looked up if the environment has no `PATH`.
pub fn execute(command: &[OsString], environment: &[OsString], default_path: &str) -> NotExecuted {
    let name = command.first().map(OsString::as_os_str).unwrap_or_default();
    let path = search_path(environment, default_path);
    let searched = (!name.as_bytes().contains(&b'/')).then(|| path.to_owned());
    // What holds a NUL cannot be passed on.
    let (Ok(arguments), Ok(variables)) = (c_strings(command), c_strings(environment)) else {
        return NotExecuted { errno: Errno::EINVAL, searched };
    };
    let mut errno = Errno::ENOENT;
    for candidate in candidates(name, path) {
        let Ok(candidate) = CString::new(candidate.into_vec()) else { continue };
        let Err(failure) = nix::unistd::execve(&candidate, &arguments, &variables);
        // Look on, but remember that something was there.
        if !matches!(failure, Errno::ENOENT | Errno::ENOTDIR) {
            errno = failure;
        }
    }
    NotExecuted { errno, searched }
}

/// Where a command without a slash is looked up if the environment has no `PATH` (execvp(3)).
pub const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Executes `command` with this process's environment; returns only if that fails.
pub fn execute_with_own_environment(command: &[OsString]) -> Error {
    execute_or_explain(command, &own_environment())
}

/// Executes `command`, a program of another package (see [`programs`]); returns only if that fails.
pub fn execute_program(command: &[OsString]) -> Error {
    execute_or_explain(command, &programs::environment())
}

fn execute_or_explain(command: &[OsString], environment: &[OsString]) -> Error {
    let NotExecuted { errno, searched } = execute(command, environment, DEFAULT_PATH);
    let name = command.first().map(|name| name.to_string_lossy()).unwrap_or_default();
    let error = Error::new(format!("Failed to exec \"{name}\"")).errno(errno);
    match searched {
        Some(path) if errno == Errno::ENOENT => error.hint(format!("looked in {}", path.display())),
        _ => error,
    }
}

fn search_path<'a>(environment: &'a [OsString], default: &'a str) -> &'a OsStr {
    let path = environment.iter().find_map(|variable| variable.as_bytes().strip_prefix(b"PATH="));
    path.map_or(OsStr::new(default), OsStr::from_bytes)
}

fn candidates(name: &OsStr, path: &OsStr) -> Vec<OsString> {
    if name.as_bytes().contains(&b'/') {
        return vec![name.to_owned()];
    }
    std::env::split_paths(Path::new(path)).map(|dir| dir.join(name).into_os_string()).collect()
}

/// Waits for the child `pid`; its exit code, or 128 and the signal that killed it.
pub fn wait(pid: Pid) -> Result<i32> {
    loop {
        match waitpid(pid, None) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(code),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(128 + signal as i32),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::new("cannot wait for the command").errno(errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_looked_up_in_their_own_path_only() {
        let environment = ["A=1".into(), "PATH=/opt/bin:/x".into()];
        let found = |name: &str, environment: &[OsString]| {
            candidates(OsStr::new(name), search_path(environment, "/bin:/usr/bin"))
        };
        assert_eq!(found("init", &environment), ["/opt/bin/init", "/x/init"]);
        assert_eq!(found("init", &[]), ["/bin/init", "/usr/bin/init"]);
        assert_eq!(found("/sbin/init", &environment), ["/sbin/init"]);
    }

    #[test]
    fn failures_say_why_and_where_was_looked() {
        let environment = ["PATH=/nonexistent:/etc".into()];
        let failed = execute(&["no-such".into()], &environment, "");
        assert_eq!(
            (failed.errno, failed.searched),
            (Errno::ENOENT, Some("/nonexistent:/etc".into()))
        );
        let failed = execute(&["passwd".into()], &environment, "");
        assert_eq!(failed.errno, Errno::EACCES);
        let failed = execute(&["/etc".into()], &[], "");
        assert_eq!((failed.errno, failed.searched), (Errno::EACCES, None));
        assert_eq!(execute(&["a\0b".into()], &[], "").errno, Errno::EINVAL);
    }
}
