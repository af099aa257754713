//! The kinds of resources but for [init](super::Init), in the order of a start.

use std::cell::{OnceCell, Ref, RefCell};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Ending, Kind, Resource};
use crate::cgroup::Cgroups;
use crate::cgroup::monitor::MonitorCgroup;
use crate::config::Config;
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::namespace::Ids;
use crate::network::{self, Given, Link};
use crate::security::apparmor::{self, Generated};
use crate::storage;
use crate::sys::remove;

/// How long the kernel may take for the links of a network namespace whose last process was killed.
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// The file with the monitor's pid. Its path is the start's only: one that a killed monitor left is
/// written anew or removed by its user.
#[derive(Debug)]
pub struct PidFile(PathBuf);

pub(super) static PID_FILE: Kind = Kind { name: "pid file", reclaim: |_| Ok(()) };

impl PidFile {
    /// Writes the pid of this process to `path`.
    pub fn write(path: &Path) -> Result<Self> {
        let failed = || format!("cannot write the pid file {}", path.display());
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(path).context(failed)?;
        write!(file, "{}", std::process::id()).context(failed).inspect_err(|_| {
            // An empty one would be worse than none.
            let _ = std::fs::remove_file(path);
        })?;
        Ok(Self(path.to_path_buf()))
    }
}

impl Resource for PidFile {
    fn kind(&self) -> &'static Kind {
        &PID_FILE
    }

    fn release(&self, _: &mut Ending<'_>) -> Result<()> {
        remove::file(&self.0)
    }
}

/// Where the root filesystem comes from: what its back-end attaches to the host. What is mounted in the
/// container's mount namespace only is gone with its last process.
#[derive(Debug)]
pub struct Storage(());

pub(super) static STORAGE: Kind = Kind {
    name: "storage",
    reclaim: |orphan| {
        if orphan.cgroups.is_dead() { storage::deactivate(orphan.config) } else { Ok(()) }
    },
};

impl Storage {
    /// Attaches it.
    pub fn activate(config: &Config) -> Result<Self> {
        storage::activate(config).map(Self)
    }
}

impl Resource for Storage {
    fn kind(&self) -> &'static Kind {
        &STORAGE
    }

    fn release(&self, ending: &mut Ending<'_>) -> Result<()> {
        storage::deactivate(ending.config)
    }
}

/// The AppArmor profile that is made for the container, with its policy namespace.
#[derive(Debug)]
pub struct Profile(Generated);

pub(super) static PROFILE: Kind = Kind {
    name: "security profile",
    // The processes of a profile that is unloaded are no longer confined.
    reclaim: |orphan| {
        if orphan.cgroups.has_payload() { Ok(()) } else { apparmor::reclaim(orphan.identity) }
    },
};

impl Profile {
    /// Loads it.
    pub fn load(profile: &Generated) -> Result<Self> {
        profile.load().map(|()| Self(profile.clone()))
    }
}

impl Resource for Profile {
    fn kind(&self) -> &'static Kind {
        &PROFILE
    }

    fn release(&self, _: &mut Ending<'_>) -> Result<()> {
        self.0.unload()
    }
}

pub(super) static CGROUPS: Kind = Kind {
    name: "cgroups",
    reclaim: |orphan| orphan.cgroups.remove_payload(Ids::of(orphan.config)),
};

impl Resource for Cgroups {
    fn kind(&self) -> &'static Kind {
        &CGROUPS
    }

    fn release(&self, ending: &mut Ending<'_>) -> Result<()> {
        let killed = if ending.emptied { Ok(()) } else { self.kill_all() };
        let removed = self.remove(Ids::of(ending.config));
        killed.and(removed)
    }
}

/// The ends of links on the host.
#[derive(Debug)]
pub struct Links {
    made: RefCell<Vec<Link>>,
    identity: Identity,
    /// Whether one must be gone before the container can be started again, as its name is fixed or the
    /// user's are counted. The others go with their namespace.
    are_awaited: bool,
    /// The container's network namespace, where they cannot be given back without it.
    namespace: OnceCell<OwnedFd>,
}

pub(super) static LINKS: Kind = Kind {
    name: "links",
    // They go with the network namespace of the killed init.
    reclaim: |orphan| {
        if !orphan.cgroups.is_dead() {
            return Ok(());
        }
        let deadline = Instant::now() + GONE_WITHIN;
        let mut names = network::fixed_host_names(orphan.config);
        match names.find(|name| !network::wait_until_gone(name, deadline)) {
            None => network::reclaim(orphan.identity, orphan.config),
            Some(name) => {
                Err(Error::new(format!("the link {name} of the killed container is left"))
                    .hint("a process is in its network namespace; see: lsns -t net"))
            }
        }
    },
};

impl Links {
    /// None yet, of those that `config` asks for.
    pub fn new(identity: &Identity, config: &Config) -> Self {
        Self {
            made: RefCell::default(),
            identity: identity.clone(),
            are_awaited: network::is_awaited(config),
            namespace: OnceCell::new(),
        }
    }

    /// Keeps the network namespace that they are made for.
    pub fn hold_namespace(&self, namespace: OwnedFd) {
        // There is one in a life.
        let _ = self.namespace.set(namespace);
    }

    /// Takes over one.
    pub fn add(&self, link: Link) {
        self.made.borrow_mut().push(link);
    }

    /// Those there are.
    pub fn list(&self) -> Ref<'_, Vec<Link>> {
        self.made.borrow()
    }
}

impl Resource for Links {
    fn kind(&self) -> &'static Kind {
        &LINKS
    }

    fn can_wait(&self) -> bool {
        !self.are_awaited
    }

    fn release(&self, ending: &mut Ending<'_>) -> Result<()> {
        let links = self.list();
        let given = Given {
            identity: &self.identity,
            config: ending.config,
            links: &links,
            namespace: self.namespace.get().map(AsFd::as_fd),
        };
        let in_background = ending.awaited && given.namespace.is_none();
        if in_background {
            network::release_in_background(&given)
        } else {
            network::release(&given)
        }
    }
}

pub(super) static MONITOR_CGROUP: Kind = Kind {
    name: "cgroup of the monitor",
    reclaim: |orphan| {
        orphan.cgroups.remove_monitor();
        Ok(())
    },
};

impl Resource for MonitorCgroup {
    fn kind(&self) -> &'static Kind {
        &MONITOR_CGROUP
    }

    fn release(&self, _: &mut Ending<'_>) -> Result<()> {
        self.leave()
    }
}
