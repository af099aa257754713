//! The settings of the containers' bridge, from `/etc/default/lxc` and `/etc/default/lxc-net`.
//!
//! They are shell variables. Only plain assignments count, which may name variables assigned above; what
//! else a file does for its shell is passed over, since running it is not the business of a reader of
//! settings.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::shell::{self, Variables};
use crate::config::{Origin, nearest_of};
use crate::error::{Context, Error, Result};
use crate::hash::fnv1a64;
use crate::table;

/// The files that count, in their order.
pub const FILES: [&str; 2] = ["/etc/default/lxc", "/etc/default/lxc-net"];

/// The number of this installation of the system (machine-id(5)).
const MACHINE_ID: &str = "/etc/machine-id";

/// The variables that mean something, here or to lxc-containers, which reads the same files.
const VARIABLES: [&str; 18] = [
    "USE_LXC_BRIDGE",
    "LXC_BRIDGE",
    "LXC_BRIDGE_MAC",
    "LXC_ADDR",
    "LXC_NETMASK",
    "LXC_NETWORK",
    "LXC_DHCP_RANGE",
    "LXC_DHCP_MAX",
    "LXC_DHCP_PING",
    "LXC_DHCP_CONFILE",
    "LXC_DOMAIN",
    "LXC_USE_NFT",
    "LXC_IPV6_ENABLE",
    "LXC_IPV6_ADDR",
    "LXC_IPV6_MASK",
    "LXC_IPV6_NETWORK",
    "LXC_IPV6_NAT",
    "LXC_AUTO",
];

/// An address of the bridge and the network it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network<A> {
    /// The bridge's address.
    pub address: A,
    /// Bits of the network in it.
    pub prefix: u8,
    /// The whole of it as `ADDRESS/PREFIX`; what leaves it is translated.
    pub range: String,
}

/// What the bridge is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `USE_LXC_BRIDGE`: whether there is to be one.
    pub enabled: bool,
    /// `LXC_BRIDGE`.
    pub bridge: String,
    /// `LXC_BRIDGE_MAC`; a fixed one, since a bridge otherwise takes that of a member.
    pub mac: [u8; 6],
    /// `LXC_ADDR`, `LXC_NETMASK`, `LXC_NETWORK`.
    pub ipv4: Network<Ipv4Addr>,
    /// `LXC_DHCP_RANGE`, `FIRST,LAST`.
    pub dhcp_range: String,
    /// `LXC_DHCP_MAX`: most leases.
    pub dhcp_max: u32,
    /// `LXC_DHCP_PING`: whether an address is asked for before it is leased. Off by default: each question takes
    /// dnsmasq three seconds, in which it answers no other client.
    pub dhcp_ping: bool,
    /// `LXC_DHCP_CONFILE`: a file with more of dnsmasq's settings.
    pub dhcp_file: Option<PathBuf>,
    /// `LXC_DOMAIN`: the domain of the containers' names; empty for none.
    pub domain: Option<String>,
    /// `LXC_IPV6_ADDR`, `LXC_IPV6_MASK`, `LXC_IPV6_NETWORK`, unless `LXC_IPV6_ENABLE` says no.
    pub ipv6: Option<Network<Ipv6Addr>>,
    /// The line of `LXC_IPV6_ADDR`.
    pub ipv6_origin: Option<Origin>,
    /// `LXC_IPV6_NAT`.
    pub ipv6_nat: bool,
    /// What is wrong in the files and stops nothing.
    pub warnings: Vec<Error>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            bridge: "lxcbr0".to_owned(),
            mac: [0x00, 0x16, 0x3e, 0, 0, 0],
            ipv4: Network {
                address: Ipv4Addr::new(10, 0, 3, 1),
                prefix: 24,
                range: "10.0.3.0/24".to_owned(),
            },
            dhcp_range: "10.0.3.2,10.0.3.254".to_owned(),
            dhcp_max: 253,
            dhcp_ping: false,
            dhcp_file: None,
            domain: Some("lxc".to_owned()),
            ipv6: None,
            ipv6_origin: None,
            ipv6_nat: false,
            warnings: Vec::new(),
        }
    }
}

impl Settings {
    /// The settings of `files`, one after the other; one that does not exist says nothing.
    pub fn load(files: &[PathBuf]) -> Result<Self> {
        let mut settings = Self::default();
        let mut ipv6 = Ipv6Variables { enabled: true, ..Ipv6Variables::default() };
        let mut variables = Variables::new();
        for file in files {
            let text = match table::read(file) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                result => result.context(|| format!("cannot read {}", file.display()))?,
            };
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            for (number, line) in (1..).zip(text.lines()) {
                let origin = Origin::new(file.display().to_string(), number, line);
                let at = |error: Error| error.at(Some(&origin));
                for (name, value) in shell::assignments(line, &mut variables) {
                    if !["LXC_", "USE_LXC_"].iter().any(|prefix| name.starts_with(prefix)) {
                        continue;
                    }
                    if !VARIABLES.contains(&name) {
                        settings.warnings.push(at(unknown(name)));
                        continue;
                    }
                    let value = value.map_err(at)?;
                    let told = settings.warnings.len();
                    settings.set(name, &value, &mut ipv6).map_err(at)?;
                    for warning in settings.warnings.split_off(told) {
                        settings.warnings.push(at(warning));
                    }
                    match name {
                        "LXC_IPV6_ADDR" => settings.ipv6_origin = Some(origin.clone()),
                        "LXC_IPV6_ENABLE" => ipv6.enable_origin = Some(origin.clone()),
                        _ => {}
                    }
                }
            }
        }
        match ipv6 {
            Ipv6Variables {
                enabled: true,
                address: Some(address),
                prefix,
                range: Some(range),
                ..
            } => {
                settings.ipv6 = Some(Network { address, prefix: prefix.unwrap_or(64), range });
            }
            Ipv6Variables { enabled: true, address: Some(address), .. } => {
                let warning =
                    Error::new(format!("{address} is not used: LXC_IPV6_NETWORK is not set"));
                let origin = settings.ipv6_origin.as_ref();
                settings.warnings.push(warning.at(origin).hint("write it as fd00:3::/64"));
            }
            Ipv6Variables { enable_origin: Some(origin), enabled: true, .. } => {
                match std::fs::read_to_string(MACHINE_ID) {
                    Ok(id) => settings.ipv6 = Some(own_network(id.trim())),
                    Err(error) => {
                        let warning =
                            Error::new(format!("no IPv6: cannot read {MACHINE_ID}: {error}"));
                        settings.warnings.push(warning.at(Some(&origin)).hint("set LXC_IPV6_ADDR"));
                    }
                }
                settings.ipv6_nat = ipv6.nat.unwrap_or(true);
                settings.ipv6_origin = Some(origin);
            }
            _ => {}
        }
        Ok(settings)
    }

    /// The file where dnsmasq keeps its leases, that of LXC's lxc-net.
    pub fn leases(&self) -> PathBuf {
        PathBuf::from(format!("/var/lib/misc/dnsmasq.{}.leases", self.bridge))
    }

    fn set(&mut self, name: &str, value: &str, ipv6: &mut Ipv6Variables) -> Result<()> {
        let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
        match name {
            "USE_LXC_BRIDGE" => self.enabled = self.boolean(name, value),
            "LXC_BRIDGE" => value.clone_into(&mut self.bridge),
            "LXC_BRIDGE_MAC" => self.mac = mac(value)?,
            "LXC_ADDR" => self.ipv4.address = parse(name, value)?,
            "LXC_NETMASK" => self.ipv4.prefix = prefix_of_mask(value)?,
            "LXC_NETWORK" => self.ipv4.range = network(name, value)?,
            "LXC_DHCP_RANGE" => self.dhcp_range = range(value)?,
            "LXC_DHCP_MAX" => self.dhcp_max = parse(name, value)?,
            "LXC_DHCP_PING" => self.dhcp_ping = self.boolean(name, value),
            "LXC_DHCP_CONFILE" => self.dhcp_file = text().map(PathBuf::from),
            "LXC_DOMAIN" => self.domain = text(),
            "LXC_USE_NFT" => {
                let is_nft = self.boolean(name, value);
                self.warnings.extend((!is_nft).then(without_iptables));
            }
            "LXC_IPV6_ENABLE" => ipv6.enabled = self.boolean(name, value),
            "LXC_IPV6_ADDR" => {
                ipv6.address = text().map(|value| parse(name, &value)).transpose()?;
            }
            "LXC_IPV6_MASK" => ipv6.prefix = text().map(|value| parse(name, &value)).transpose()?,
            "LXC_IPV6_NETWORK" => {
                ipv6.range = text().map(|value| network(name, &value)).transpose()?;
            }
            "LXC_IPV6_NAT" => {
                self.ipv6_nat = self.boolean(name, value);
                ipv6.nat = Some(self.ipv6_nat);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether `value` is `true`: every other word is not, as for LXC's lxc-net.
    fn boolean(&mut self, name: &str, value: &str) -> bool {
        if !matches!(value, "true" | "false" | "") {
            let warning = Error::new(format!("{name} is '{value}', which counts as false"));
            self.warnings.push(warning.hint("write true or false"));
        }
        value == "true"
    }
}

/// What the variables `LXC_IPV6_*` say that make up a network.
#[derive(Default)]
struct Ipv6Variables {
    enabled: bool,
    /// The line that says so.
    enable_origin: Option<Origin>,
    address: Option<Ipv6Addr>,
    prefix: Option<u8>,
    range: Option<String>,
    nat: Option<bool>,
}

/// A network of this machine's own (RFC 4193), the same at every start.
fn own_network(machine_id: &str) -> Network<Ipv6Addr> {
    // Its number itself is nobody's business (machine-id(5)).
    let hash = u128::from(fnv1a64(format!("lxc-net {machine_id}").as_bytes()));
    let base = 0xfd_u128 << 120 | (hash & ((1 << 56) - 1)) << 64;
    let range = format!("{}/64", Ipv6Addr::from_bits(base));
    Network { address: Ipv6Addr::from_bits(base | 1), prefix: 64, range }
}

fn without_iptables() -> Error {
    Error::new("LXC_USE_NFT is not true, and the rules are made by nft(8) all the same")
        .hint("they do without iptables(8): remove the line")
}

fn unknown(name: &str) -> Error {
    let error = Error::new(format!("{name} is not a setting of lxc-net, and is not used"));
    match nearest_of(name, &VARIABLES) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error,
    }
}

fn wrong(name: &str, value: &str) -> Error {
    Error::new(format!("{name} cannot be '{value}'"))
}

fn parse<T: FromStr>(name: &str, value: &str) -> Result<T> {
    value.parse().map_err(|_| wrong(name, value))
}

fn mac(value: &str) -> Result<[u8; 6]> {
    let bytes: Option<Vec<u8>> =
        value.split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| wrong("LXC_BRIDGE_MAC", value).hint("write it as 00:16:3e:00:00:00"))
}

fn prefix_of_mask(value: &str) -> Result<u8> {
    let mask: Ipv4Addr = parse("LXC_NETMASK", value)?;
    let bits = mask.to_bits();
    let ones = bits.leading_ones();
    if bits.checked_shl(ones).unwrap_or(0) != 0 {
        return Err(wrong("LXC_NETMASK", value).hint("write it as 255.255.255.0"));
    }
    Ok(u8::try_from(ones).unwrap_or(32))
}

fn network(name: &str, value: &str) -> Result<String> {
    let parts = value.split_once('/');
    let valid = parts.is_some_and(|(address, prefix)| {
        let most = match address.parse() {
            Ok(IpAddr::V4(_)) => 32,
            Ok(IpAddr::V6(_)) => 128,
            Err(_) => return false,
        };
        prefix.parse::<u8>().is_ok_and(|prefix| prefix <= most)
    });
    valid
        .then(|| value.to_owned())
        .ok_or_else(|| wrong(name, value).hint("write it as 10.0.3.0/24"))
}

fn range(value: &str) -> Result<String> {
    let mut words = value.split(',');
    let mut is_address = || words.next().is_some_and(|word| word.parse::<Ipv4Addr>().is_ok());
    // A netmask and the time of a lease may follow (dnsmasq(8)).
    let valid = is_address() && is_address() && !value.contains(char::is_whitespace);
    valid
        .then(|| value.to_owned())
        .ok_or_else(|| wrong("LXC_DHCP_RANGE", value).hint("write it as 10.0.3.2,10.0.3.254"))
}

/// The standard files.
pub fn standard_files() -> Vec<PathBuf> {
    FILES.iter().map(|file| Path::new(file).to_path_buf()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked() {
        assert_eq!(prefix_of_mask("255.255.252.0").unwrap(), 22);
        assert_eq!(prefix_of_mask("255.255.255.255").unwrap(), 32);
        assert!(prefix_of_mask("255.0.255.0").is_err());
        assert!(network("LXC_NETWORK", "10.0.3.0/33").is_err());
        assert!(range("10.0.3.2").is_err());
        assert!(range("10.0.3.2,10.0.3.9,12h").is_ok());
        assert!(mac("00:16:3e:00:00").is_err());
    }

    fn load(text: &str) -> Settings {
        let path = std::env::temp_dir().join(format!(
            "lxc-rs-net-{}-{:p}",
            std::process::id(),
            text.as_ptr()
        ));
        std::fs::write(&path, text).unwrap();
        let settings = Settings::load(std::slice::from_ref(&path)).unwrap();
        std::fs::remove_file(&path).unwrap();
        settings
    }

    #[test]
    fn ipv6_can_be_turned_off_and_takes_its_network() {
        let lines = "LXC_IPV6_ADDR=fd00:3::1\nLXC_IPV6_NETWORK=fd00:3::/64\n";
        assert_eq!(load(lines).ipv6.unwrap().prefix, 64);
        assert!(load(&format!("{lines}LXC_IPV6_ENABLE=\"false\"\n")).ipv6.is_none());
        let settings = load("LXC_IPV6_ADDR=fd00:3::1\n");
        assert!(settings.ipv6.is_none() && settings.warnings.len() == 1);
    }

    #[test]
    fn ipv6_alone_is_a_network_of_the_machines_own() {
        let network = own_network("0123456789abcdef0123456789abcdef");
        assert_eq!(network, own_network("0123456789abcdef0123456789abcdef"));
        assert_ne!(network, own_network("1123456789abcdef0123456789abcdef"));
        assert!(network.address.is_unique_local() && network.range.ends_with("::/64"));
        assert_eq!(network.address.segments()[4..], [0, 0, 0, 1]);
    }

    #[test]
    fn rules_of_iptables_are_not_made() {
        assert_eq!(load("LXC_USE_NFT=true\n").warnings.len(), 0);
        assert_eq!(load("LXC_USE_NFT=\"false\"\n").warnings.len(), 1);
    }

    #[test]
    fn unknown_variables_are_told() {
        let settings =
            load("LXC_AUTO=true\nLXC_IPV6_ENABEL=false\nLXC_OF_OTHERS=$(x)\nMY_LXC_=1\n");
        let hints: Vec<_> = settings.warnings.iter().map(|error| error.hint.as_deref()).collect();
        assert_eq!(hints, [Some("did you mean LXC_IPV6_ENABLE?"), None]);
    }

    #[test]
    fn what_is_not_true_is_false_and_odd_words_are_told() {
        for (word, enabled, warnings) in [
            ("true", true, 0),
            ("\"false\"", false, 0),
            ("", false, 0),
            ("no", false, 1),
            ("1", false, 1),
        ] {
            let settings = load(&format!("USE_LXC_BRIDGE={word}\n"));
            assert_eq!((settings.enabled, settings.warnings.len()), (enabled, warnings), "{word}");
            assert!(settings.warnings.iter().all(|warning| warning.origin.is_some()));
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        let path = std::env::temp_dir().join(format!("lxc-rs-net-line-{}", std::process::id()));
        std::fs::write(&path, b"\xef\xbb\xbfLXC_BRIDGE=x # \xfc\nLXC_ADDR=$(id)\n").unwrap();
        let error = Settings::load(std::slice::from_ref(&path)).unwrap_err();
        assert_eq!(error.origin.unwrap().line, 2);
        std::fs::write(&path, b"\xef\xbb\xbfLXC_BRIDGE=x # \xfc\n").unwrap();
        assert_eq!(Settings::load(std::slice::from_ref(&path)).unwrap().bridge, "x");
        std::fs::remove_file(&path).unwrap();
    }
}
