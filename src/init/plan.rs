//! All that a start needs to know, decided before anything is touched.

use std::ffi::OsString;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::cgroup::HostRules;
use crate::config::{Config, Namespace};
use crate::criu::Images;
use crate::identity::Identity;
use crate::namespace::NamespaceSet;
use crate::security::apparmor::Generated;
use crate::security::lsm::Label;
use crate::storage::RootfsMount;

/// What pid 1 of the container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// The container's own init (lxc-start).
    Boot,
    /// Our small init, with the command as its child (lxc-execute).
    Execute,
}

/// A start, fully decided. Plain data: it is handed over to the monitor as JSON (`helper/envelope.rs` has
/// the rules for another release's; a field that is added gets a default there).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The container.
    pub identity: Identity,
    /// Its configuration, everything merged.
    pub config: Config,
    /// The file it was read from, as it was named.
    pub config_file: Option<PathBuf>,
    /// The command to execute; never empty.
    pub argv: Vec<OsString>,
    /// What pid 1 is.
    pub mode: Mode,
    /// Whether the monitor is in the background.
    pub daemon: bool,
    /// Where the root filesystem comes from.
    pub rootfs: RootfsMount,
    /// The namespaces the container gets of its own.
    pub namespaces: NamespaceSet,
    /// The capabilities it may ever have: bit N for capability number N (capabilities(7)).
    pub capabilities: u64,
    /// The label of the host's security module.
    pub label: Option<Label>,
    /// The AppArmor profile that is made for the container.
    #[serde(default)]
    pub profile: Option<Generated>,
    /// The compiled seccomp filter.
    pub seccomp: Option<Vec<u8>>,
    /// The one that keeps what is inside from leaving the limit of its size behind.
    #[serde(default)]
    pub guard: Option<Vec<u8>>,
    /// The checkpoint that its first life is made from.
    pub restore: Option<Images>,
    /// The file that gets the monitor's pid.
    pub pidfile: Option<PathBuf>,
    /// What the system configuration says of cgroups.
    pub cgroup: HostRules,
}

impl Plan {
    /// Whether the container may use capability number `capability`.
    pub fn may(&self, capability: u8) -> bool {
        self.capabilities & (1 << capability) != 0
    }

    /// Whether the container is in a user namespace, of its own or of another container's.
    pub fn in_user_namespace(&self) -> bool {
        self.namespaces.has(Namespace::User)
            || self.config.namespace_share.contains_key(&Namespace::User)
    }

    /// The tool that starts it, as logs name it.
    pub fn tool(&self) -> &'static str {
        match self.mode {
            Mode::Boot => "lxc-start",
            Mode::Execute => "lxc-execute",
        }
    }

    /// The variables every hook finds (lxc.container.conf(5), "container hooks").
    pub fn hook_environment(&self) -> Vec<(String, OsString)> {
        let config = &self.config;
        let mut variables: Vec<(&str, OsString)> = vec![
            ("LXC_NAME", self.identity.name.as_str().into()),
            ("LXC_CGNS_AWARE", "1".into()),
            ("LXC_HOOK_VERSION", config.hook_version.to_string().into()),
            ("LXC_ROOTFS_MOUNT", crate::mount::rootfs::mount_point(config).into()),
            ("LXC_LOG_LEVEL", config.log.level_word().into()),
        ];
        if let Some(file) = &self.config_file {
            variables.push(("LXC_CONFIG_FILE", file.into()));
        }
        if let Some(path) = &config.rootfs.path {
            variables.push(("LXC_ROOTFS_PATH", path.source.clone().into()));
        }
        if let Some(crate::config::ConsolePath::Path(path)) = &config.console.path {
            variables.push(("LXC_CONSOLE", path.into()));
        }
        if let Some(path) = &config.console.logfile {
            variables.push(("LXC_CONSOLE_LOGPATH", path.into()));
        }
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
