//! What a container's cgroups are called: `lxc.cgroup.dir*`, and what the system configuration says.

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use crate::config::{Config, Origin, SystemConfig};
use crate::error::Result;
use crate::identity::ContainerName;

/// Highest suffix that is tried where a name is taken (`lxc.payload.NAME-999`).
const MAX_SUFFIX: u32 = 999;

/// The leaf for processes that enter a v2 cgroup when it already has others below it.
pub const LEAF: &str = ".lxc";

/// What the system configuration says of all containers' cgroups (lxc.system.conf(5)).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRules {
    /// `lxc.cgroup.pattern`: a directory for each container, `%n` for its name.
    pub pattern: Option<String>,
    /// `lxc.cgroup.use`: the controllers to use, separated by commas.
    pub used: Option<String>,
}

impl HostRules {
    /// Those of `system`.
    pub fn of(system: &SystemConfig) -> Self {
        Self { pattern: system.get("lxc.cgroup.pattern"), used: system.get("lxc.cgroup.use") }
    }
}

/// What a container's cgroup is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Naming {
    /// The path below the base.
    pub path: PathBuf,
    /// Whether `-1`, `-2`, … may be appended where it is taken.
    pub may_vary: bool,
    /// The directory below it that init is in.
    pub inner: Option<PathBuf>,
}

impl Naming {
    /// The name of the payload's cgroup.
    pub fn of_payload(name: &ContainerName, config: &Config, rules: &HostRules) -> Self {
        let cgroup = &config.cgroup;
        if let Some(container) = &cgroup.container {
            return Self { path: container.clone(), may_vary: false, inner: cgroup.inner.clone() };
        }
        let path = below(name, config, rules, "payload");
        Self { path, may_vary: true, inner: None }
    }

    /// The name of the monitor's cgroup.
    pub fn of_monitor(name: &ContainerName, config: &Config, rules: &HostRules) -> Self {
        if let Some(monitor) = &config.cgroup.monitor {
            return Self { path: monitor.clone(), may_vary: false, inner: None };
        }
        Self { path: below(name, config, rules, "monitor"), may_vary: true, inner: None }
    }

    /// What `create` makes under the first name that is not taken (EEXIST); `origin` is the line
    /// that allows one name only.
    pub fn first_free<T>(
        &self,
        origin: Option<&Origin>,
        mut create: impl FnMut(&Path) -> Result<T>,
    ) -> Result<T> {
        let mut suffix = 0;
        loop {
            match create(&self.with_suffix(suffix)) {
                Err(error) if error.is(Errno::EEXIST) => {
                    if !self.may_vary || suffix == MAX_SUFFIX {
                        return Err(error.at(origin));
                    }
                    suffix += 1;
                }
                result => return result,
            }
        }
    }

    /// Its path, with `-SUFFIX` appended where that is not 0.
    fn with_suffix(&self, suffix: u32) -> PathBuf {
        if suffix == 0 {
            return self.path.clone();
        }
        let mut path = self.path.clone().into_os_string();
        path.push(format!("-{suffix}"));
        path.into()
    }
}

fn below(name: &ContainerName, config: &Config, rules: &HostRules, part: &str) -> PathBuf {
    let leaf = format!("lxc.{part}.{name}");
    match (&config.cgroup.dir, &rules.pattern) {
        (Some(dir), _) => dir.join(leaf),
        (None, Some(pattern)) => Path::new(&pattern.replace("%n", name.as_str())).join(part),
        (None, None) => leaf.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_by_configuration_then_pattern_then_default() {
        let name = ContainerName::new("c1").unwrap();
        let path = |config: &Config, pattern: Option<&str>| {
            let rules = HostRules { pattern: pattern.map(str::to_owned), used: None };
            let payload = Naming::of_payload(&name, config, &rules).path;
            let monitor = Naming::of_monitor(&name, config, &rules).path;
            format!("{} {}", payload.display(), monitor.display())
        };
        let mut config = Config::default();
        assert_eq!(path(&config, None), "lxc.payload.c1 lxc.monitor.c1");
        assert_eq!(path(&config, Some("lxc/%n")), "lxc/c1/payload lxc/c1/monitor");
        config.cgroup.dir = Some("mine".into());
        assert_eq!(path(&config, Some("lxc/%n")), "mine/lxc.payload.c1 mine/lxc.monitor.c1");
        config.cgroup.container = Some("exact/here".into());
        config.cgroup.monitor = Some("other".into());
        assert_eq!(path(&config, None), "exact/here other");
        assert!(!Naming::of_payload(&name, &config, &HostRules::default()).may_vary);
    }

    #[test]
    fn suffixes_start_at_one() {
        let naming = Naming { path: "a/b".into(), may_vary: true, inner: None };
        assert_eq!(naming.with_suffix(0), Path::new("a/b"));
        assert_eq!(naming.with_suffix(2), Path::new("a/b-2"));
    }
}
