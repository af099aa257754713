//! The last step: from a set-up process to init.

use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::{Gid, Uid};

use super::plan::{Mode, Plan};
use crate::error::{Context, Error, Result};
use crate::sys::process;

/// Where a command without a slash is looked up if the environment has no `PATH` (execvp(3)).
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// The environment of init: nothing of the host's, only what the configuration says, and where its
/// ttys are, whose numbers as pseudo terminals are `ttys`.
pub fn environment(plan: &Plan, ttys: &[u32]) -> Vec<OsString> {
    let config = &plan.config;
    let mut variables: Vec<OsString> = config
        .environment
        .iter()
        .chain(&config.environment_runtime)
        .map(|variable| OsString::from(&variable.value))
        .collect();
    variables.push("container=lxc".into());
    if !ttys.is_empty() && plan.mode == Mode::Boot {
        let dir = config.tty_dir.as_deref().filter(|dir| !dir.is_empty());
        let names: Vec<String> = (1..)
            .zip(ttys)
            .map(|(number, pts)| match dir {
                Some(dir) => format!("{dir}/tty{number}"),
                None => format!("pts/{pts}"),
            })
            .collect();
        variables.push(format!("container_ttys={}", names.join(" ")).into());
    }
    variables
}

/// Connects standard input, output and error: lxc-start's to the console, lxc-execute's only where
/// they are terminals; without a console a daemon's go to `/dev/null`.
pub fn connect_stdio(plan: &Plan, console: Option<BorrowedFd<'_>>) -> Result<()> {
    let null = if plan.daemon && (console.is_none() || plan.mode == Mode::Execute) {
        let file = std::fs::File::options().read(true).write(true).open("/dev/null");
        Some(file.what(|| "cannot open /dev/null in the container")?)
    } else {
        None
    };
    for number in 0..3 {
        let is_terminal = || nix::unistd::isatty(process::standard(number)).unwrap_or(false);
        let replacement = match (console, &null) {
            (_, Some(null)) => Some(null.as_fd()),
            (Some(console), None) if plan.mode == Mode::Boot || is_terminal() => Some(console),
            _ => None,
        };
        if let Some(fd) = replacement {
            process::dup_onto(fd, number)
                .what(|| format!("cannot connect standard descriptor {number}"))?;
        }
    }
    Ok(())
}

/// Takes the ids of init: supplementary groups, group, user, inside the user namespace.
pub fn become_init_user(plan: &Plan) -> Result<()> {
    let config = &plan.config;
    let groups: Vec<Gid> = config.init_groups.iter().copied().map(Gid::from_raw).collect();
    match nix::unistd::setgroups(&groups) {
        Ok(()) => {}
        // An id map that an ordinary user wrote forbids it (user_namespaces(7)).
        Err(Errno::EPERM) if groups.is_empty() => {}
        Err(errno) => {
            return Err(Error::new("cannot set the supplementary groups of init")
                .errno(errno)
                .at(config.origin("lxc.init.groups")));
        }
    }
    let (uid, gid) = (Uid::from_raw(config.init_uid), Gid::from_raw(config.init_gid));
    nix::unistd::setresgid(gid, gid, gid)
        .what(|| format!("cannot become group {gid}"))
        .map_err(|error| error.at(config.origin("lxc.init.gid")))?;
    nix::unistd::setresuid(uid, uid, uid)
        .what(|| format!("cannot become user {uid}"))
        .map_err(|error| error.at(config.origin("lxc.init.uid")))
}

/// Executes the plan's command; returns only if that fails.
pub fn execute(plan: &Plan, environment: &[OsString]) -> Error {
    let command = &plan.argv[0];
    let shown = command.to_string_lossy();
    let (Ok(arguments), Ok(variables)) = (c_strings(&plan.argv), c_strings(environment)) else {
        return Error::new(format!("cannot execute {shown}: a NUL byte in its arguments"));
    };
    let mut failure = Errno::ENOENT;
    for path in candidates(command, environment) {
        let Ok(path) = CString::new(path.into_vec()) else {
            continue;
        };
        let Err(errno) = nix::unistd::execve(&path, &arguments, &variables);
        // As execvp(3): look on, but remember that something was there.
        match errno {
            Errno::ENOENT | Errno::ENOTDIR => {}
            _ => failure = errno,
        }
    }
    let error = Error::new(format!("cannot execute {shown} in the container"))
        .errno(failure)
        .at(plan.config.origin("lxc.init.cmd"));
    match failure {
        Errno::ENOENT if command.as_bytes().contains(&b'/') => error.hint(format!(
            "{shown}, or the interpreter or loader it names, is not in the root filesystem {}",
            plan.rootfs
        )),
        Errno::ENOENT => error.hint(format!("looked in {}", search_path(environment).display())),
        Errno::EACCES => error.hint("it is not executable, or lies on a file system with noexec"),
        Errno::ENOEXEC => error.hint("it is for another architecture, or a script without #!"),
        _ => error,
    }
}

fn search_path(environment: &[OsString]) -> &Path {
    let path = environment.iter().find_map(|variable| variable.as_bytes().strip_prefix(b"PATH="));
    Path::new(path.map_or(OsStr::new(DEFAULT_PATH), OsStr::from_bytes))
}

fn candidates(command: &OsStr, environment: &[OsString]) -> Vec<OsString> {
    if command.as_bytes().contains(&b'/') {
        return vec![command.to_owned()];
    }
    std::env::split_paths(search_path(environment))
        .map(|dir| dir.join(command).into_os_string())
        .collect()
}

fn c_strings(words: &[OsString]) -> std::result::Result<Vec<CString>, std::ffi::NulError> {
    words.iter().map(|word| CString::new(word.as_bytes())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_looked_up_in_the_containers_path_only() {
        let environment = ["A=1".into(), "PATH=/opt/bin:/x".into()];
        assert_eq!(candidates(OsStr::new("init"), &environment), ["/opt/bin/init", "/x/init"]);
        assert_eq!(candidates(OsStr::new("init"), &[]), ["/bin/init", "/usr/bin/init"]);
        assert_eq!(candidates(OsStr::new("/sbin/init"), &environment), ["/sbin/init"]);
    }
}
