//! What lxc-net serves names for, and what dnsmasq is told of a container there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use nix::sys::stat::stat;
use serde::{Deserialize, Serialize};

use super::super::settings::Settings;
use super::leases::{self, Lease};
use super::release::{self, Server};
use super::reserved::Reserved;
use super::{Port, Record};
use crate::config::{Config, Net, show_mac};
use crate::error::{Context, Result};
use crate::network::{Link, kind};

/// The time of a lease in lines that say nothing else, dnsmasq's usual one. A tag would say that a client is known,
/// too, but dnsmasq 2.90 dies when it reads a file anew that had one.
const USUAL: &str = "1h";

/// What lxc-net serves names for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Served {
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

impl Served {
    /// The network of `settings`, here.
    pub(super) fn by(settings: &Settings) -> Result<Self> {
        Ok(Self {
            namespace: own_namespace()?,
            bridge: settings.bridge.clone(),
            domain: settings.domain.clone(),
            ipv4: (settings.ipv4.address, settings.ipv4.prefix),
            ipv6: settings.ipv6.as_ref().map(|ipv6| (ipv6.address, ipv6.prefix)),
            leases: settings.leases(),
            dhcp_file: settings.dhcp_file.clone(),
        })
    }

    /// Whether the bridge is in the network namespace of this process.
    pub(super) fn is_here(&self) -> Result<bool> {
        Ok(self.namespace == own_namespace()?)
    }

    /// The leases there are.
    pub(super) fn leases(&self) -> Result<Vec<Lease>> {
        leases::read(&self.leases)
    }

    /// Gives back the leases that a container had which has ended: those of its `ports`, and those by DHCPv6 under the
    /// name `label`, if it had one for sure.
    pub(super) fn release_leases(&self, label: Option<&str>, ports: &[Port]) -> Result<()> {
        // One whose configuration has its address has no need to ask for another.
        let is_fixed = |port: &&Port| port.addresses.iter().any(IpAddr::is_ipv4);
        let asking = ports.iter().filter(|port| port.reserved || !is_fixed(port));
        let macs: Vec<&str> = asking.map(|port| port.mac.as_str()).collect();
        let server = Server { ipv4: self.ipv4.0, ipv6: self.ipv6.map(|(address, _)| address) };
        release::all(&self.leases, server, label, &macs)
    }

    /// A container's name in full.
    pub(super) fn full_name(&self, label: &str) -> String {
        match &self.domain {
            Some(domain) => format!("{label}.{domain}"),
            None => label.to_owned(),
        }
    }

    /// The links of a container that are on the bridge.
    pub(super) fn ports(&self, config: &Config, links: &[Link]) -> Vec<Port> {
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
    pub(super) fn apply_reserved(&self, label: &str, ports: &mut [Port]) -> Result<()> {
        let reserved = Reserved::read(self.dhcp_file.as_deref())?;
        let mut names = vec![label.to_owned(), self.full_name(label)];
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
    pub(super) fn host_lines(&self, label: &str, record: &Record) -> String {
        let names = match &self.domain {
            Some(_) => format!("{} {label}", self.full_name(label)),
            None => label.to_owned(),
        };
        let addresses = record.ports.iter().flat_map(|port| &port.addresses);
        addresses.fold(String::new(), |lines, address| lines + &format!("{address} {names}\n"))
    }

    /// The lines as of `--dhcp-host` (dnsmasq(8)): the first link has the name; a fixed address is kept from
    /// others. What a client of these calls itself does not count, nor what another does that calls itself by the
    /// same name.
    pub(super) fn dhcp_lines(&self, label: &str, record: &Record) -> String {
        // With its domain it cannot be taken for a keyword or the time of a lease.
        let name = match &self.domain {
            Some(_) => Some(self.full_name(label)),
            None => Some(label.to_owned()).filter(|label| !is_keyword(label)),
        };
        // dnsmasq looks at the last line of a name first, and would take the administrator's for less.
        let is_reserved = record.ports.iter().any(|port| port.reserved);
        let of_others = name.as_ref().filter(|_| !is_reserved);
        let of_others = of_others.map(|name| format!("{name},{USUAL}\n"));
        let mut lines = String::new();
        let mut names = name.into_iter();
        for Port { mac, addresses, reserved, .. } in &record.ports {
            let of_family = |is_wanted: fn(&&IpAddr) -> bool| addresses.iter().find(is_wanted);
            let ipv4 = of_family(|one| one.is_ipv4()).map(IpAddr::to_string);
            let ipv6 = of_family(|one| one.is_ipv6()).map(|address| format!("[{address}]"));
            if !reserved {
                let words = ipv4.into_iter().chain(ipv6).chain(names.next());
                let words: Vec<String> = words.collect();
                let words = if words.is_empty() { USUAL.to_owned() } else { words.join(",") };
                lines += &format!("{mac},{words}\n");
            }
        }
        lines + &of_others.unwrap_or_default()
    }
}

/// Whether dnsmasq takes a name in `--dhcp-host` for something else.
fn is_keyword(label: &str) -> bool {
    let digits = label.strip_suffix(['w', 'd', 'h', 'm', 's']).unwrap_or(label);
    ["ignore", "infinite"].contains(&label) || digits.bytes().all(|one| one.is_ascii_digit())
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
    use crate::identity::{ContainerName, Identity};

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
        let fixed = "m1,10.0.3.5,[fd00:3::5]\nm2,1h\n";
        assert_eq!(with.dhcp_lines("101", &record), format!("m0,101.lxc\n{fixed}101.lxc,1h\n"));
        // It would be a lease of 101 s.
        assert_eq!(served(None).dhcp_lines("101", &record), format!("m0,1h\n{fixed}"));
        assert_eq!(served(None).dhcp_lines("web", &record), format!("m0,web\n{fixed}web,1h\n"));
    }
}
