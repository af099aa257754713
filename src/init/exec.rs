//! The last step: from a set-up process to init.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::unistd::{Gid, Uid};

use super::command::{self, DEFAULT_PATH, NotExecuted};
use super::plan::{Mode, Plan};
use crate::error::{Context, Error, Result};

use crate::security::lsm::Label;
use crate::sys::{self, process};

/// The variable in which start hooks find the ttys. As under LXC it is not in the environment of init,
/// where systemd would start other logins by it.
pub const TTYS: &str = "container_ttys";

/// The environment of init: only what the configuration says, nothing from the host.
pub fn environment(plan: &Plan) -> Vec<OsString> {
    let config = &plan.config;
    let mut variables: Vec<OsString> = config
        .environment
        .iter()
        .chain(&config.environment_runtime)
        .map(|variable| OsString::from(&variable.value))
        .collect();
    variables.push("container=lxc".into());
    sys::exec::last_of_each(variables)
}

/// What start hooks find in [`TTYS`]: the ttys below `/dev`, whose numbers as pseudo terminals are `ttys`;
/// `None` if there are none.
pub fn tty_names(plan: &Plan, ttys: &[u32]) -> Option<String> {
    if ttys.is_empty() || plan.mode != Mode::Boot {
        return None;
    }
    let dir = plan.config.tty_dir.as_deref().filter(|dir| !dir.is_empty());
    let names: Vec<String> = (1..)
        .zip(ttys)
        .map(|(number, pts)| match dir {
            Some(dir) => format!("{dir}/tty{number}"),
            None => format!("pts/{pts}"),
        })
        .collect();
    Some(names.join(" "))
}

/// Connects standard input, output and error: lxc-start's to the console, lxc-execute's only where
/// they are terminals; without a console a daemon's go to `/dev/null`.
pub fn connect_stdio(plan: &Plan, console: Option<BorrowedFd<'_>>) -> Result<()> {
    let null = if plan.daemon && (console.is_none() || plan.mode == Mode::Execute) {
        let file = std::fs::File::options().read(true).write(true).open("/dev/null");
        Some(file.context(|| "cannot open /dev/null in the container")?)
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
                .context(|| format!("cannot connect standard descriptor {number}"))?;
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
        .context(|| format!("cannot become group {gid}"))
        .map_err(|error| error.at(config.origin("lxc.init.gid")))?;
    nix::unistd::setresuid(uid, uid, uid)
        .context(|| format!("cannot become user {uid}"))
        .map_err(|error| error.at(config.origin("lxc.init.uid")))
}

/// Executes the plan's command; returns only if that fails.
pub fn execute(plan: &Plan, environment: &[OsString]) -> Error {
    let shown = plan.argv[0].to_string_lossy();
    let NotExecuted { errno, searched } = command::execute(&plan.argv, environment, DEFAULT_PATH);
    // SELinux decides at the exec.
    let by_label = errno == Errno::EACCES && matches!(plan.label, Some(Label::SeLinux(_)));
    let key = if by_label { "lxc.selinux.context" } else { "lxc.init.cmd" };
    let error = Error::new(format!("cannot execute {shown} in the container"))
        .errno(errno)
        .at(plan.config.origin(key));
    match (errno, searched) {
        (Errno::ENOENT, None) => error.hint(format!(
            "{shown}, or the interpreter or loader it names, is not in the root filesystem {}",
            plan.rootfs
        )),
        (Errno::ENOENT, Some(path)) => error.hint(format!("looked in {}", path.display())),
        (Errno::EACCES, _) if by_label => {
            error.hint("the SELinux policy may not allow this context: see lxc-rs denials")
        }
        (Errno::EACCES, _) => {
            error.hint("it is not executable, or lies on a file system with noexec")
        }
        (Errno::ENOEXEC, _) => error.hint("it is for another architecture, or a script without #!"),
        _ => error,
    }
}
