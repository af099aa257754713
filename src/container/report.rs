//! What can be said of a container: state, pid, addresses, use, links, configuration.

use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};

use nix::unistd::Pid;
use serde::Serialize;

use crate::cgroup::Version;
use crate::cgroup::enter;
use crate::cgroup::statistics::{Directories, Part, Sources, Statistics};
use crate::config::Namespace;
use crate::error::Result;
use crate::identity::Identity;
use crate::monitor::client::Client;
use crate::namespace::set;
use crate::network::{self, Interface};
use crate::state::State;

/// A link as its container sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LinkUse {
    /// The host's name of it.
    pub name: String,
    /// Bytes the container sent.
    pub sent: u64,
    /// Bytes the container received.
    pub received: u64,
}

/// The state of a container, and its monitor to ask further.
#[derive(Clone, Debug)]
pub struct Report {
    client: Client,
    /// The state.
    pub state: State,
}

impl Report {
    /// Asks for the state of `identity`.
    pub fn of(identity: &Identity) -> Result<Self> {
        let client = Client::new(identity);
        let state = client.state()?;
        Ok(Self { client, state })
    }

    /// The pid of init; `None` if it does not run.
    pub fn pid(&self) -> Option<Pid> {
        if self.state == State::Stopped {
            return None;
        }
        // It may have stopped since.
        self.client.init_pid().ok().filter(|pid| pid.as_raw() > 0)
    }

    /// The interfaces in the container's network namespace.
    pub fn interfaces(&self) -> Vec<Interface> {
        let Some(pid) = self.pid() else { return Vec::new() };
        let opened = set::open(pid, Namespace::Net);
        // A container that just stopped has none any more.
        opened.and_then(|namespace| network::interfaces(namespace.as_fd())).unwrap_or_default()
    }

    /// What the kernel counts for it.
    pub fn statistics(&self, parts: &[Part]) -> Statistics {
        self.sources(parts).read()
    }

    /// Where that is read, held open for those who look again and again.
    pub fn sources(&self, parts: &[Part]) -> Sources {
        Sources::open(&self.client, parts)
    }

    /// Its links with their traffic.
    pub fn links(&self) -> Vec<LinkUse> {
        let item = |key: &str| self.client.config_item(key).ok().flatten();
        let types = item("lxc.net").unwrap_or_default();
        let names = types.lines().enumerate().filter_map(|(index, kind)| match kind {
            "veth" => item(&format!("lxc.net.{index}.veth.pair")),
            "none" | "empty" => None,
            _ => item(&format!("lxc.net.{index}.link")),
        });
        let names: Vec<String> = names.map(|name| name.trim().to_owned()).collect();
        let link_use = |(name, counters): (String, network::Counters)| {
            // What the host received is what the container sent.
            LinkUse { name, sent: counters.received, received: counters.sent }
        };
        network::counters(&names).unwrap_or_default().into_iter().map(link_use).collect()
    }
}

impl Directories for Client {
    fn of_controller(&self, controller: &str) -> Option<(OwnedFd, Version)> {
        self.limit_cgroup(controller).ok().flatten()
    }

    fn unified(&self) -> Option<OwnedFd> {
        if let Some(dir) = self.limit_cgroup2().ok()? {
            return Some(dir);
        }
        let dirs = self.cgroups().ok()?;
        enter::unified(&dirs)?.try_clone_to_owned().ok()
    }
}

/// All addresses, IPv4 before IPv6.
pub fn addresses(interfaces: &[Interface]) -> Vec<IpAddr> {
    let all = || interfaces.iter().flat_map(|interface| interface.addresses.iter().copied());
    all().filter(IpAddr::is_ipv4).chain(all().filter(IpAddr::is_ipv6)).collect()
}
