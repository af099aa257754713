//! What a container's configuration says of its processes themselves: files in `/proc`, resource limits,
//! the session keyring, the personality. Init gets it, and so does every attached command.

use nix::errno::Errno;
use nix::sys::personality::{self, Persona};
use nix::sys::resource::Resource;
use nix::unistd::Pid;

use crate::config::{Arch, Config, Document};
use crate::error::{Context, Error, Result};
use crate::sys::process;

/// The keys, in the order of [`of_lines`].
pub const KEYS: [&str; 2] = ["lxc.proc", "lxc.prlimit"];

/// The limits of `lxc.prlimit.NAME` (getrlimit(2)).
const LIMITS: [(&str, Resource); 16] = [
    ("as", Resource::RLIMIT_AS),
    ("core", Resource::RLIMIT_CORE),
    ("cpu", Resource::RLIMIT_CPU),
    ("data", Resource::RLIMIT_DATA),
    ("fsize", Resource::RLIMIT_FSIZE),
    ("locks", Resource::RLIMIT_LOCKS),
    ("memlock", Resource::RLIMIT_MEMLOCK),
    ("msgqueue", Resource::RLIMIT_MSGQUEUE),
    ("nice", Resource::RLIMIT_NICE),
    ("nofile", Resource::RLIMIT_NOFILE),
    ("nproc", Resource::RLIMIT_NPROC),
    ("rss", Resource::RLIMIT_RSS),
    ("rtprio", Resource::RLIMIT_RTPRIO),
    ("rttime", Resource::RLIMIT_RTTIME),
    ("sigpending", Resource::RLIMIT_SIGPENDING),
    ("stack", Resource::RLIMIT_STACK),
];

/// That of a 32-bit system on a 64-bit kernel (linux/personality.h).
const PER_LINUX32: u32 = 0x0008;

/// `lxc.proc.*`: writes the files of process `pid`, `None` for this one.
pub fn set_files(config: &Config, pid: Option<Pid>) -> Result<()> {
    let name = pid.map_or_else(|| "self".to_owned(), |pid| pid.to_string());
    for setting in &config.proc {
        let (file, value) = &setting.value;
        let path = format!("/proc/{name}/{file}");
        std::fs::write(&path, value)
            .context(|| format!("cannot write {value:?} to {path}"))
            .map_err(|error| match error.errno.map(Errno::from_raw) {
                Some(Errno::ENOENT) => error.hint("see proc_pid(5) for the files of a process"),
                Some(Errno::EINVAL) => error.hint("the kernel does not take this value"),
                _ => error,
            })
            .map_err(|error| error.at(setting.origin.as_ref()))?;
    }
    Ok(())
}

/// `lxc.prlimit.*` of process `pid`: when everything is set up, which takes files and descriptors.
pub fn set_limits(config: &Config, pid: Pid) -> Result<()> {
    for setting in &config.prlimit {
        let (name, limit) = &setting.value;
        let at = |error: Error| error.at(setting.origin.as_ref());
        let number = limit_number(name).map_err(at)?;
        process::set_limit(pid, number, limit.soft, limit.hard)
            .context(|| format!("cannot set the limit {name} of the container"))
            .map_err(|error| {
                at(error).hint("a hard limit above the host's needs CAP_SYS_RESOURCE")
            })?;
    }
    Ok(())
}

/// The number of the limit `name`.
pub fn limit_number(name: &str) -> Result<u32> {
    LIMITS.iter().find(|(known, _)| *known == name).map(|(_, limit)| *limit as u32).ok_or_else(
        || {
            let names: Vec<&str> = LIMITS.iter().map(|(known, _)| *known).collect();
            Error::new(format!("unknown limit lxc.prlimit.{name}"))
                .hint(format!("there are: {}", names.join(" ")))
        },
    )
}

/// Leaves the caller's session keyring (keyrings(7)) for a new, empty one: who has one may read the keys
/// in it, whatever the user.
pub fn leave_keyring() -> Result<()> {
    match process::new_session_keyring() {
        Ok(()) => Ok(()),
        // A kernel without keyrings, or a sandbox that forbids them, has none to leak either.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => Ok(()),
        Err(error) => Err(error).context(|| "cannot make a session keyring").map_err(|error| {
            error.hint("see key-users in /proc and kernel.keys.maxkeys, or set lxc.keyring.session")
        }),
    }
}

/// The personality of `arch` (personality(2)).
pub fn persona(arch: Arch) -> u32 {
    match arch {
        Arch::Bits32 => PER_LINUX32,
        Arch::Bits64 => 0,
    }
}

/// Gives this process the personality `persona`.
pub fn set_personality(persona: u32) -> nix::Result<()> {
    personality::set(Persona::from_bits_retain(persona.cast_signed())).map(drop)
}

/// The values of [`KEYS`] as a monitor tells them: lines of a configuration.
pub fn of_lines<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Config> {
    // Nothing else, such as an include.
    let is_one = |line: &&str| {
        KEYS.iter().any(|key| line.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
    };
    let lines: Vec<&str> = values.into_iter().flat_map(str::lines).filter(is_one).collect();
    Ok(Document::parse(lines.join("\n"), "the running container")?.config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_monitor_are_these_keys_only() {
        let lines = ["lxc.proc.oom_score_adj = 7\n", "lxc.prlimit.core = 0\nlxc.include = /none\n"];
        let config = of_lines(lines).unwrap();
        assert_eq!(config.proc[0].value, ("oom_score_adj".to_owned(), "7".to_owned()));
        assert_eq!(config.prlimit[0].value.0, "core");
        assert!(of_lines(["", ""]).unwrap().proc.is_empty());
    }
}
