//! The names of running containers on the bridge: `web.lxc`, and `web` among themselves.
//!
//! lxc-net writes down what it serves ([`Served`]). A container with a link on that bridge has a [`Record`] under its
//! name there; making that file is taking the name, so two containers cannot have one. From the record come
//! a file with its fixed addresses and one that binds its hardware addresses to its name for DHCP, which dnsmasq reads as
//! soon as they are there. What such a container calls itself is not used.
//!
//! Other clients, containers of ordinary users and of LXC's own tools among them, have the name that they tell by DHCP, as with LXC's lxc-net: but
//! not one of a container that has a record, nor that of the host.

mod files;
pub(super) mod leases;
mod release;
mod reserved;
mod served;

use std::net::IpAddr;
use std::path::Path;

use nix::unistd::gethostname;
use serde::{Deserialize, Serialize};

use super::dnsmasq::Dnsmasq;
use super::settings::Settings;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::identity::{ContainerName, Identity};
use crate::network::Link;
use crate::network::forward::Holder;
use files::Files;
pub use leases::Lease;
use served::Served;

/// Where the system's network keeps its state.
const SYSTEM: &str = "/run";

/// The tag of clients that call themselves what they may not (dnsmasq(8)).
const NAMELESS: &str = "lxc-rs-nameless";

/// What no client may call itself: browsers ask a host of the first name how to reach the world.
const REFUSED: [&str; 2] = ["wpad", "localhost"];

/// Longest part of a name in DNS, bytes (RFC 1035, 2.3.4).
const LABEL_MAX: usize = 63;

/// A running container on the bridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The container.
    pub identity: Identity,
    /// Its links on the bridge.
    pub ports: Vec<Port>,
}

/// A link of a container's on the bridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its name on the host.
    pub link: String,
    /// Its hardware address.
    pub mac: String,
    /// The addresses in the bridge's network that are fixed for it.
    pub addresses: Vec<IpAddr>,
    /// Whether the administrator told dnsmasq about it.
    pub reserved: bool,
}

/// A name with whose it is, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The name, with its domain if there is one.
    pub name: String,
    /// The container.
    pub container: Identity,
    /// Its links on the bridge, as the host calls them.
    pub links: Vec<String>,
    /// What the name stands for, but for IPv6 addresses that the container made for itself.
    pub addresses: Vec<IpAddr>,
}

impl Entry {
    fn of(served: &Served, label: &str, record: Record, leases: &[Lease]) -> Self {
        let first: Vec<&str> =
            record.ports.first().map(|port| port.mac.as_str()).into_iter().collect();
        let fixed: Vec<IpAddr> =
            record.ports.iter().flat_map(|port| port.addresses.clone()).collect();
        let own = leases.iter().filter(|lease| lease.is_of(Some(label), &first));
        // A fixed one goes before what the client asked for besides.
        let is_its = |address: &IpAddr| fixed.iter().all(|one| one.is_ipv4() != address.is_ipv4());
        let by_lease = own.map(|lease| lease.address).filter(is_its);
        let addresses = fixed.iter().copied().chain(by_lease).collect();
        Self {
            name: served.full_name(label),
            container: record.identity,
            links: record.ports.into_iter().map(|port| port.link).collect(),
            addresses,
        }
    }
}

/// The names below a directory for what exists while the system runs.
#[derive(Debug)]
pub struct Names {
    files: Files,
    dnsmasq: Dnsmasq,
}

impl Names {
    /// Those that lxc-net serves which keeps its state in `run_dir`.
    pub fn below(run_dir: &Path) -> Self {
        Self { files: Files::below(run_dir), dnsmasq: Dnsmasq::new(run_dir) }
    }

    /// Those of the system's network.
    pub fn of_host() -> Self {
        Self::below(&Path::new(SYSTEM).join("lxc"))
    }

    /// Makes the directories that dnsmasq reads, and says what it will serve.
    pub(super) fn serve(&self, settings: &Settings) -> Result<()> {
        self.files.make()?;
        self.files.write_served(&Served::by(settings)?)
    }

    /// Says that no names are served any more. Those of containers that run stay for the next start.
    pub(super) fn end_service(&self) -> Result<()> {
        self.files.remove_served()?;
        self.files.remove_if_empty()
    }

    /// The options with which dnsmasq serves the names.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            format!("--hostsdir={}", self.files.hosts().display()),
            format!("--dhcp-hostsdir={}", self.files.dhcp().display()),
            // Those that it has a line of.
            "--dhcp-ignore-names=tag:known".to_owned(),
            format!("--dhcp-ignore-names=tag:{NAMELESS}"),
        ];
        let own = gethostname().ok().and_then(|name| name.into_string().ok());
        let own = own.as_deref().and_then(|name| name.split('.').next());
        let refused = own.filter(|name| is_label(name)).into_iter().chain(REFUSED);
        arguments.extend(refused.map(|name| format!("--dhcp-name-match=set:{NAMELESS},{name}")));
        arguments
    }

    /// Whether dnsmasq was told of them.
    fn are_served(&self) -> Result<bool> {
        Ok(self.files.served()?.is_some())
    }

    /// All of them with their containers, in their order; `None` if they are not served.
    pub(super) fn all(&self) -> Result<Option<Vec<Entry>>> {
        let Some(served) = self.files.served()? else { return Ok(None) };
        let leases = served.leases()?;
        let entry = |(label, record): (String, Record)| Entry::of(&served, &label, record, &leases);
        Ok(Some(self.files.all()?.into_iter().map(entry).collect()))
    }

    /// Gives the container of `holder` its name where it has a link of `links` on the bridge. Returns a warning if
    /// it cannot have it. It costs nothing where lxc-net does not run.
    pub fn add(
        &self,
        holder: Holder<'_>,
        config: &Config,
        links: &[Link],
    ) -> Result<Option<Error>> {
        let Some(served) = self.files.served()? else { return Ok(None) };
        let identity = holder.identity;
        let mut ports = served.ports(config, links);
        if ports.is_empty() || !served.is_here()? {
            return Ok(None);
        }
        let Some(label) = label(&identity.name) else {
            log::info!("{identity} has no name in DNS: that takes letters, digits and hyphens");
            return Ok(None);
        };
        served.apply_reserved(&label, &mut ports)?;
        let record = Record { identity: identity.clone(), ports };
        while !self.files.take(&label, &record)? {
            match self.files.record(&label)?.map(|other| other.identity) {
                Some(other) if other != *identity && (holder.runs)(&other) => {
                    return Ok(Some(taken(&label, &other)));
                }
                _ => self.forget(&label)?,
            }
        }
        self.files.write_hosts(&label, &served.host_lines(&label, &record))?;
        self.files.write_dhcp(&label, &served.dhcp_lines(&label, &record))?;
        Ok(None)
    }

    /// Gives back what the container of an ordinary user with `links` has by DHCP, and with that the name that it told.
    pub fn give_back(&self, config: &Config, links: &[Link]) -> Result<()> {
        let Some(served) = self.files.served()? else { return Ok(()) };
        let ports = served.ports(config, links);
        if ports.is_empty() || !served.is_here()? {
            return Ok(());
        }
        match served.release_leases(None, &ports) {
            // It is root's to say who reads the file of leases. They end by themselves, too.
            Err(error) if error.lacks_rights() => Ok(()),
            result => result,
        }
    }

    /// Takes its name from the container, as far as it has one, and its addresses by DHCP.
    pub fn remove(&self, identity: &Identity) -> Result<()> {
        let Some(label) = label(&identity.name) else { return Ok(()) };
        let has_it = |record: Record| record.identity == *identity;
        if !self.files.record(&label)?.is_some_and(has_it) {
            return Ok(());
        }
        self.forget(&label)?;
        // The last that lxc-net left when it stopped.
        if self.are_served()? { Ok(()) } else { self.files.remove_if_empty() }
    }

    fn forget(&self, label: &str) -> Result<()> {
        let served = self.files.served()?;
        let record = self.files.record(label)?;
        // As long as there is a record this can be done again.
        let released = match (&served, &record) {
            (Some(served), Some(record)) => served.release_leases(Some(label), &record.ports),
            _ => Ok(()),
        };
        self.files.remove(label)?;
        // It keeps what it read for DHCP until then.
        released.and(if served.is_some() { self.dnsmasq.reload() } else { Ok(()) })
    }
}

/// The name of a container in DNS, if it is that of a host (RFC 1123, 2.1), and not everybody's own.
pub fn label(name: &ContainerName) -> Option<String> {
    let name = name.as_str().to_ascii_lowercase();
    (is_label(&name) && name != "localhost").then_some(name)
}

fn is_label(name: &str) -> bool {
    let is_plain = |one: u8| one.is_ascii_alphanumeric() || one == b'-';
    (1..=LABEL_MAX).contains(&name.len())
        && name.bytes().all(is_plain)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn taken(label: &str, other: &Identity) -> Error {
    Error::new(format!(
        "the container has no name in DNS: {label} is that of {}",
        other.dir().display()
    ))
    .hint("rename one of the two, and start it again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_hosts_are_served() {
        let longest = "a".repeat(LABEL_MAX);
        for (name, wanted) in [
            ("Web-1", Some("web-1")),
            ("101", Some("101")),
            (longest.as_str(), Some(longest.as_str())),
            (&"a".repeat(LABEL_MAX + 1), None),
            ("www.example.org", None),
            ("my_web", None),
            ("-a", None),
            ("a-", None),
            ("a b", None),
            ("é", None),
            ("a,b", None),
            ("localhost", None),
        ] {
            let name = ContainerName::new(name).unwrap();
            assert_eq!(label(&name).as_deref(), wanted, "{name}");
        }
    }
}
