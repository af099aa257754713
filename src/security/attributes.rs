//! What a container's configuration says of its processes themselves: init gets it, and so does every
//! attached command. One list, so that neither is forgotten.

use nix::errno::Errno;
use nix::unistd::Pid;

use super::limits;
use crate::config::{Config, Document};
use crate::error::{Context, Error, Result};
use crate::sys::process;

/// The keys, in the order of [`of_lines`].
pub const KEYS: [&str; 2] = ["lxc.proc", "lxc.prlimit"];

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
        let number = limits::number(name).map_err(at)?;
        process::set_limit(pid, number, limit.soft, limit.hard)
            .context(|| format!("cannot set the limit {name} of the container"))
            .map_err(|error| {
                at(error).hint("a hard limit above the host's needs CAP_SYS_RESOURCE")
            })?;
    }
    Ok(())
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
