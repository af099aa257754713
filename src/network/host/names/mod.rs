//! The names of running containers on the bridge: `web.lxc`, and `web` among themselves.
//!
//! lxc-net writes down what it serves ([`Served`]). A container with a link on that bridge has a [`Record`] under its
//! name there; making that file is taking the name, so two containers cannot have one. From the record come
//! a file with its fixed addresses and one that binds its hardware addresses to its name for DHCP, which dnsmasq reads as
//! soon as they are there. A name that a client tells by itself is not used: it could be anybody's.
//!
//! The names are the system's: those of ordinary users' containers are not known.

mod files;
pub(super) mod leases;
mod reserved;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use nix::sys::stat::stat;
use serde::{Deserialize, Serialize};

use super::dnsmasq::Dnsmasq;
use super::settings::Settings;
use crate::config::{Config, Net, show_mac};
use crate::error::{Context, Error, Result};
use crate::identity::{ContainerName, Identity};
use crate::network::forward::Holder;
use crate::network::{Link, kind};
use crate::paths;
use files::Files;
pub use leases::Lease;
use reserved::Reserved;

/// Longest part of a name in DNS, bytes (RFC 1035, 2.3.4).
const LABEL_MAX: usize = 63;

/// What lxc-net serves names for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// The network namespace that it is in: device and inode.
    namespace: (u64, u64),
    /// The bridge.
    bridge: String,
    /// The domain of the names.
    domain: Option<String>,
    /// The bridge's address, and the bits of the network in it.
    ipv4: (Ipv4Addr, u8),
    /// Likewise.
    ipv6: Option<(Ipv6Addr, u8)>,
    /// The file where dnsmasq keeps its leases.
    leases: PathBuf,
    /// The administrator's file of settings for dnsmasq.
    dhcp_file: Option<PathBuf>,
}

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
        let first = record.ports.first().map(|port| &port.mac);
        let own = leases.iter().filter(|lease| Some(&lease.mac) == first);
        let mut addresses: Vec<IpAddr> =
            record.ports.iter().flat_map(|port| port.addresses.clone()).collect();
        // A fixed one goes before what the client asked for besides.
        if !addresses.iter().any(IpAddr::is_ipv4) {
            addresses.extend(own.map(|lease| IpAddr::from(lease.address)));
        }
        Self {
            name: served
                .domain
                .as_ref()
                .map_or_else(|| label.to_owned(), |it| format!("{label}.{it}")),
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

    /// Those of this user's containers.
    pub fn of_host() -> Self {
        Self::below(&paths::run_dir().join("lxc"))
    }

    /// Makes the directories that dnsmasq reads, and says what it will serve.
    pub(super) fn serve(&self, settings: &Settings) -> Result<()> {
        let served = Served {
            namespace: own_namespace()?,
            bridge: settings.bridge.clone(),
            domain: settings.domain.clone(),
            ipv4: (settings.ipv4.address, settings.ipv4.prefix),
            ipv6: settings.ipv6.as_ref().map(|ipv6| (ipv6.address, ipv6.prefix)),
            leases: settings.leases(),
            dhcp_file: settings.dhcp_file.clone(),
        };
        self.files.make()?;
        self.files.write_served(&served)
    }

    /// Says that no names are served any more. Those of containers that run stay for the next start.
    pub(super) fn end_service(&self) -> Result<()> {
        self.files.remove_served()?;
        self.files.remove_if_empty()
    }

    /// The options with which dnsmasq serves the names.
    pub(super) fn arguments(&self) -> [String; 3] {
        [
            format!("--hostsdir={}", self.files.hosts().display()),
            format!("--dhcp-hostsdir={}", self.files.dhcp().display()),
            "--dhcp-ignore-names".to_owned(),
        ]
    }

    /// Whether dnsmasq was told of them.
    fn are_served(&self) -> Result<bool> {
        Ok(self.files.served()?.is_some())
    }

    /// All of them with their containers, in their order; `None` if they are not served.
    pub(super) fn all(&self) -> Result<Option<Vec<Entry>>> {
        let Some(served) = self.files.served()? else { return Ok(None) };
        let leases = leases::read(&served.leases)?;
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
        if ports.is_empty() || served.namespace != own_namespace()? {
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
        let record = self.files.record(label)?;
        self.files.remove(label)?;
        if let Some(served) = self.files.served()? {
            let ports = record.iter().flat_map(|record| &record.ports);
            // One whose configuration has its address has no need to ask for another.
            let is_fixed = |port: &&Port| port.addresses.iter().any(IpAddr::is_ipv4);
            let asking = ports.filter(|port| port.reserved || !is_fixed(port));
            let macs: Vec<&str> = asking.map(|port| port.mac.as_str()).collect();
            leases::release(&served.leases, served.ipv4.0, &macs)?;
            // It keeps what it read for DHCP until then.
            self.dnsmasq.reload()?;
        }
        Ok(())
    }
}

impl Served {
    /// The links of a container that are on the bridge.
    fn ports(&self, config: &Config, links: &[Link]) -> Vec<Port> {
        let port = |link: &Link| {
            let net = config.net.get(&link.index)?;
            let is_port = kind::of(net).takes_port() && net.link.as_ref() == Some(&self.bridge);
            let mac = link.mac.filter(|_| is_port)?;
            Some(Port {
                link: link.host_name.clone()?,
                mac: show_mac(&mac),
                addresses: self.addresses(net),
                reserved: false,
            })
        };
        links.iter().filter_map(port).collect()
    }

    /// The configured addresses that are in the bridge's network, and not its own.
    fn addresses(&self, net: &Net) -> Vec<IpAddr> {
        let ipv4 = net.ipv4.iter().map(|one| IpAddr::from(one.address));
        let ipv6 = net.ipv6.iter().map(|one| IpAddr::from(one.address));
        ipv4.chain(ipv6).filter(|address| self.has(*address)).collect()
    }

    /// Adds what the administrator keeps for the container called `label`, whose first port has the name.
    fn apply_reserved(&self, label: &str, ports: &mut [Port]) -> Result<()> {
        let reserved = Reserved::read(self.dhcp_file.as_deref())?;
        let mut names = vec![label.to_owned()];
        names.extend(self.domain.as_ref().map(|domain| format!("{label}.{domain}")));
        for port in ports {
            names.push(port.mac.clone());
            if let Some(found) = reserved.addresses(&std::mem::take(&mut names)) {
                port.reserved = true;
                for address in found {
                    if self.has(address) && !port.addresses.contains(&address) {
                        port.addresses.push(address);
                    }
                }
            }
        }
        Ok(())
    }

    fn has(&self, address: IpAddr) -> bool {
        match (address, self.ipv6) {
            (IpAddr::V4(address), _) => {
                let (own, prefix) = self.ipv4;
                let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
                own != address && own.to_bits() | host == address.to_bits() | host
            }
            (IpAddr::V6(address), Some((own, prefix))) => {
                let host = u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
                own != address && own.to_bits() | host == address.to_bits() | host
            }
            (IpAddr::V6(_), None) => false,
        }
    }

    /// The lines of hosts(5) for the fixed addresses.
    fn host_lines(&self, label: &str, record: &Record) -> String {
        let names = match &self.domain {
            Some(domain) => format!("{label}.{domain} {label}"),
            None => label.to_owned(),
        };
        let addresses = record.ports.iter().flat_map(|port| &port.addresses);
        addresses.fold(String::new(), |lines, address| lines + &format!("{address} {names}\n"))
    }

    /// The lines as of `--dhcp-host` (dnsmasq(8)): the first link has the name; a fixed address is kept from
    /// others.
    fn dhcp_lines(&self, label: &str, record: &Record) -> String {
        // With its domain it cannot be taken for a keyword or the time of a lease.
        let name = match &self.domain {
            Some(domain) => Some(format!("{label}.{domain}")),
            None => Some(label.to_owned()).filter(|label| !is_keyword(label)),
        };
        let mut names = name.into_iter();
        let mut lines = String::new();
        for Port { mac, addresses, reserved, .. } in &record.ports {
            let address = addresses.iter().find(|address| address.is_ipv4()).map(IpAddr::to_string);
            let words: Vec<String> = address.into_iter().chain(names.next()).collect();
            if !words.is_empty() && !reserved {
                lines += &format!("{mac},{}\n", words.join(","));
            }
        }
        lines
    }
}

/// The name of a container in DNS, if it is that of a host (RFC 1123, 2.1), and not everybody's own.
pub fn label(name: &ContainerName) -> Option<String> {
    let name = name.as_str().to_ascii_lowercase();
    let is_plain = |one: u8| one.is_ascii_alphanumeric() || one == b'-';
    let is_label = name.len() <= LABEL_MAX
        && name.bytes().all(is_plain)
        && !name.starts_with('-')
        && !name.ends_with('-');
    (is_label && name != "localhost").then_some(name)
}

/// Whether dnsmasq takes a name in `--dhcp-host` for something else.
fn is_keyword(label: &str) -> bool {
    let digits = label.strip_suffix(['w', 'd', 'h', 'm', 's']).unwrap_or(label);
    ["ignore", "infinite"].contains(&label) || digits.bytes().all(|one| one.is_ascii_digit())
}

fn taken(label: &str, other: &Identity) -> Error {
    Error::new(format!(
        "the container has no name in DNS: {label} is that of {}",
        other.dir().display()
    ))
    .hint("rename one of the two, and start it again")
}

/// The network namespace of this process: device and inode.
fn own_namespace() -> Result<(u64, u64)> {
    let path = "/proc/self/ns/net";
    let found = stat(path).context(|| format!("cannot look at {path}"))?;
    Ok((found.st_dev, found.st_ino))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(domain: Option<&str>) -> Served {
        Served {
            namespace: (0, 0),
            bridge: "br".to_owned(),
            domain: domain.map(str::to_owned),
            ipv4: (Ipv4Addr::new(10, 0, 3, 1), 24),
            ipv6: Some(("fd00:3::1".parse().unwrap(), 64)),
            leases: PathBuf::new(),
            dhcp_file: None,
        }
    }

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

    #[test]
    fn only_addresses_of_the_network_are_served() {
        for (address, wanted) in [
            ("10.0.3.5", true),
            ("10.0.3.1", false),
            ("10.0.4.5", false),
            ("fd00:3::5", true),
            ("fd00:3::1", false),
            ("fd00:4::5", false),
        ] {
            assert_eq!(served(None).has(address.parse().unwrap()), wanted, "{address}");
        }
        let all = Served { ipv4: (Ipv4Addr::new(10, 0, 3, 1), 0), ipv6: None, ..served(None) };
        assert!(all.has("192.0.2.1".parse().unwrap()) && !all.has("fd00:3::5".parse().unwrap()));
    }

    #[test]
    fn lines_for_dnsmasq_say_what_they_mean() {
        let port = |mac: &str, addresses: &[&str]| Port {
            link: "veth0".to_owned(),
            mac: mac.to_owned(),
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            reserved: false,
        };
        let identity = Identity::new("/c", ContainerName::new("101").unwrap());
        let ports = vec![port("m0", &[]), port("m1", &["fd00:3::5", "10.0.3.5"]), port("m2", &[])];
        let record = Record { identity, ports };
        let with = served(Some("lxc"));
        assert_eq!(
            with.host_lines("101", &record),
            "fd00:3::5 101.lxc 101\n10.0.3.5 101.lxc 101\n"
        );
        assert_eq!(with.dhcp_lines("101", &record), "m0,101.lxc\nm1,10.0.3.5\n");
        // It would be a lease of 101 s.
        assert_eq!(served(None).dhcp_lines("101", &record), "m1,10.0.3.5\n");
        assert_eq!(served(None).dhcp_lines("web", &record), "m0,web\nm1,10.0.3.5\n");
    }
}
