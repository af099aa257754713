//! The host's side of the containers' network, what lxc-net does: a bridge with DHCP and DNS, and a
//! way out of it. All of it or nothing: a start that fails takes back what it made, a stop takes away
//! what the start made.

mod bridge;
mod clients;
mod dnsmasq;
mod holder;
pub mod names;
mod others;
mod rules;
mod settings;
mod shell;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use clients::Clients;
pub use settings::{Settings, standard_files};

use crate::config::{sweep_temporary, write_whole};
use crate::error::{Context, Error, Kind, Result};
use crate::sys::lock::FileLock;
use crate::sys::remove;
use dnsmasq::Dnsmasq;
use names::Names;

/// The network of the host's containers.
#[derive(Debug)]
pub struct HostNetwork {
    settings: Settings,
    run_dir: PathBuf,
    dnsmasq: Dnsmasq,
    names: Names,
}

/// What a start changes beside making things. Written down before it does so that a stop can take it
/// back, also that of a start which was killed.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Changed {
    forwarding_ipv4: bool,
    forwarding_ipv6: bool,
}

/// What is there now.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Whether it was started.
    pub started: bool,
    /// The bridge's name.
    pub bridge: String,
    /// The links on it; `None` if there is no bridge.
    pub members: Option<Vec<String>>,
    /// The bridge's address, with the bits of its network.
    pub address: String,
    /// The pid of dnsmasq; `None` if it does not run.
    pub dnsmasq: Option<i32>,
    /// Whether the packet filter has the rules.
    pub rules: bool,
    /// Whether the kernel forwards IPv4.
    pub forwarding: bool,
}

/// What a stop left because it is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The links on the bridge.
    pub members: Vec<String>,
}

impl HostNetwork {
    /// The network of `settings`, whose mark and pid file are in `run_dir`.
    pub fn new(settings: Settings, run_dir: PathBuf) -> Self {
        let dnsmasq = Dnsmasq::new(&run_dir);
        let names = Names::below(&run_dir);
        Self { settings, run_dir, dnsmasq, names }
    }

    fn mark(&self) -> PathBuf {
        self.run_dir.join("network_up")
    }

    fn changes(&self) -> PathBuf {
        self.run_dir.join("network_changes")
    }

    /// Starts it, or what is gone of it; what it is started without is told. Fails with
    /// [`Kind::AlreadyRunning`] if all of it is there, with [`Kind::NotDefined`] if the settings ask for
    /// none.
    pub fn start(&self) -> Result<Vec<Error>> {
        if !self.settings.enabled {
            return Err(Error::new("USE_LXC_BRIDGE is not true").kind(Kind::NotDefined));
        }
        std::fs::create_dir_all(&self.run_dir)
            .context(|| format!("cannot make {}", self.run_dir.display()))?;
        let _lock = lock(&self.run_dir)?;
        sweep_temporary(&self.run_dir)?;
        let status = self.status()?;
        if status.is_complete() {
            return Err(Error::new("lxc-net is already running").kind(Kind::AlreadyRunning));
        }
        // Part of it is gone: until all is there again it is not up.
        if status.started {
            self.unmark()?;
        }
        let ours = status.started || status.members.is_none();
        self.make().map_err(|error| {
            // A bridge that another program made stays.
            match self.undo(ours) {
                Ok(_) => error,
                Err(problem) => error.note(format!("cleaning up: {problem}")),
            }
        })
    }

    /// The settings as far as this host can do them, and what is wrong with the others.
    fn possible(&self) -> (Settings, Vec<Error>) {
        let mut settings = self.settings.clone();
        let mut warnings = settings.warnings.clone();
        if settings.ipv6.is_some()
            && let Some(why) = bridge::without_ipv6()
        {
            settings.ipv6 = None;
            let warning = Error::new(format!("no IPv6 on the bridge: {why}"));
            let warning = warning.at(settings.ipv6_origin.as_ref());
            warnings.push(warning.hint("LXC_IPV6_ENABLE=false turns the settings of IPv6 off"));
        }
        (settings, warnings)
    }

    fn make(&self) -> Result<Vec<Error>> {
        let (settings, mut warnings) = self.possible();
        bridge::create(&settings)?;
        let mut changed = self.changed();
        changed.forwarding_ipv4 |= !bridge::IPV4.is_on();
        changed.forwarding_ipv6 |= settings.ipv6.is_some() && !bridge::IPV6.is_on();
        let text = serde_json::to_string(&changed)
            .map_err(|error| Error::new(format!("cannot encode what is changed: {error}")))?;
        write_whole(&self.changes(), &text)?;
        bridge::IPV4.turn(true)?;
        if settings.ipv6.is_some() {
            bridge::IPV6.turn(true)?;
        }
        rules::load(&settings)?;
        // Whatever they are, ours are loaded.
        warnings.extend(others::warnings(&settings.bridge).unwrap_or_else(|error| vec![error]));
        // One that a crash left over holds the addresses.
        self.dnsmasq.stop()?;
        self.names.serve(&settings)?;
        self.dnsmasq.start(&settings, &self.names)?;
        std::fs::write(self.mark(), "")
            .context(|| format!("cannot write {}", self.mark().display()))?;
        Ok(warnings)
    }

    /// What a start changed that has not been taken back. LXC's own lxc-net does not tell.
    fn changed(&self) -> Changed {
        std::fs::read_to_string(self.changes())
            .ok()
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default()
    }

    /// Stops it. Fails with [`Kind::NotRunning`] if it was not started. A bridge that containers are
    /// on is kept for them.
    pub fn stop(&self) -> Result<Option<Kept>> {
        let not_running = || Error::new("lxc-net isn't running").kind(Kind::NotRunning);
        if !self.mark().exists() {
            return Err(not_running());
        }
        let _lock = lock(&self.run_dir)?;
        if !self.mark().exists() {
            return Err(not_running());
        }
        // Of a start that was killed a moment before the last one.
        sweep_temporary(&self.run_dir)?;
        let kept = self.undo(true)?;
        self.unmark()?;
        Ok(kept)
    }

    fn unmark(&self) -> Result<()> {
        std::fs::remove_file(self.mark())
            .context(|| format!("cannot remove {}", self.mark().display()))
    }

    /// Takes everything back, as far as possible; the first problem is the error.
    fn undo(&self, bridge: bool) -> Result<Option<Kept>> {
        let changed = self.changed();
        let mut problem = self.dnsmasq.stop().err();
        problem = problem.or(self.names.end_service().err());
        problem = problem.or(rules::remove().err());
        if changed.forwarding_ipv4 {
            problem = problem.or(bridge::IPV4.turn(false).err());
        }
        if changed.forwarding_ipv6 {
            problem = problem.or(bridge::IPV6.turn(false).err());
        }
        let members = bridge::members(&self.settings.bridge)?.unwrap_or_default();
        if members.is_empty() && bridge {
            problem = problem.or(bridge::delete(&self.settings.bridge).err());
            // Nobody is left who has one.
            problem = problem.or(remove::file(&self.settings.leases()).err());
        }
        problem = problem.or(remove::file(&self.changes()).err());
        let kept = (!members.is_empty()).then_some(Kept { members });
        problem.map_or(Ok(kept), Err)
    }

    /// What is there.
    pub fn status(&self) -> Result<Status> {
        let ipv4 = &self.settings.ipv4;
        Ok(Status {
            started: self.mark().exists(),
            bridge: self.settings.bridge.clone(),
            members: bridge::members(&self.settings.bridge)?,
            address: format!("{}/{}", ipv4.address, ipv4.prefix),
            dnsmasq: self.dnsmasq.pid().map(nix::unistd::Pid::as_raw),
            rules: rules::are_loaded(),
            forwarding: bridge::IPV4.is_on(),
        })
    }
}

impl Status {
    /// Whether everything is there that a start makes.
    pub fn is_complete(&self) -> bool {
        self.started
            && self.members.is_some()
            && self.dnsmasq.is_some()
            && self.rules
            && self.forwarding
    }
}

/// Only one changes the network at a time.
fn lock(dir: &Path) -> Result<FileLock> {
    let path = dir.join("network.lock");
    FileLock::own(&path).context(|| format!("cannot lock {}", path.display()))
}
