//! The settings of the containers' bridge, from `/etc/default/lxc` and `/etc/default/lxc-net`.
//!
//! They are shell variables. Only plain assignments count; what else a file does for its shell is
//! passed over, since running it is not the business of a reader of settings.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::config::{Origin, nearest_of, split_words};
use crate::error::{Context, Error, Result};

/// The files that count, in their order.
pub const FILES: [&str; 2] = ["/etc/default/lxc", "/etc/default/lxc-net"];

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
    /// `LXC_DHCP_PING`: whether an address is asked for before it is leased.
    pub dhcp_ping: bool,
    /// `LXC_DHCP_CONFILE`: a file with more of dnsmasq's settings.
    pub dhcp_file: Option<PathBuf>,
    /// `LXC_DOMAIN`: the domain of the containers' names.
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
            dhcp_ping: true,
            dhcp_file: None,
            domain: None,
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
        for file in files {
            let text = match std::fs::read_to_string(file) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                result => result.context(|| format!("cannot read {}", file.display()))?,
            };
            for (number, line) in (1..).zip(text.lines()) {
                let origin = Origin::new(file.display().to_string(), number, line);
                let at = |error: Error| error.at(Some(&origin));
                let Some((name, value)) = assignment(line) else { continue };
                if !VARIABLES.contains(&name) {
                    settings.warnings.push(at(unknown(name)));
                    continue;
                }
                let value = plain(name, value).map_err(at)?;
                settings.set(name, &value, &mut ipv6).map_err(at)?;
                if name == "LXC_IPV6_ADDR" {
                    settings.ipv6_origin = Some(origin);
                }
            }
        }
        match ipv6 {
            Ipv6Variables { enabled: true, address: Some(address), prefix, range: Some(range) } => {
                settings.ipv6 = Some(Network { address, prefix: prefix.unwrap_or(64), range });
            }
            Ipv6Variables { enabled: true, address: Some(address), .. } => {
                let warning =
                    Error::new(format!("{address} is not used: LXC_IPV6_NETWORK is not set"));
                let origin = settings.ipv6_origin.as_ref();
                settings.warnings.push(warning.at(origin).hint("write it as fd00:3::/64"));
            }
            _ => {}
        }
        Ok(settings)
    }

    fn set(&mut self, name: &str, value: &str, ipv6: &mut Ipv6Variables) -> Result<()> {
        let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
        match name {
            "USE_LXC_BRIDGE" => self.enabled = boolean(name, value)?,
            "LXC_BRIDGE" => value.clone_into(&mut self.bridge),
            "LXC_BRIDGE_MAC" => self.mac = mac(value)?,
            "LXC_ADDR" => self.ipv4.address = parse(name, value)?,
            "LXC_NETMASK" => self.ipv4.prefix = prefix_of_mask(value)?,
            "LXC_NETWORK" => self.ipv4.range = network(name, value)?,
            "LXC_DHCP_RANGE" => self.dhcp_range = range(value)?,
            "LXC_DHCP_MAX" => self.dhcp_max = parse(name, value)?,
            "LXC_DHCP_PING" => self.dhcp_ping = boolean(name, value)?,
            "LXC_DHCP_CONFILE" => self.dhcp_file = text().map(PathBuf::from),
            "LXC_DOMAIN" => self.domain = text(),
            "LXC_IPV6_ENABLE" => ipv6.enabled = boolean(name, value)?,
            "LXC_IPV6_ADDR" => {
                ipv6.address = text().map(|value| parse(name, &value)).transpose()?;
            }
            "LXC_IPV6_MASK" => ipv6.prefix = text().map(|value| parse(name, &value)).transpose()?,
            "LXC_IPV6_NETWORK" => {
                ipv6.range = text().map(|value| network(name, &value)).transpose()?;
            }
            "LXC_IPV6_NAT" => self.ipv6_nat = boolean(name, value)?,
            _ => {}
        }
        Ok(())
    }
}

/// What the variables `LXC_IPV6_*` say that make up a network.
#[derive(Default)]
struct Ipv6Variables {
    enabled: bool,
    address: Option<Ipv6Addr>,
    prefix: Option<u8>,
    range: Option<String>,
}

fn unknown(name: &str) -> Error {
    let error = Error::new(format!("{name} is not a setting of lxc-net, and is not used"));
    match nearest_of(name, &VARIABLES) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error,
    }
}

/// `NAME=VALUE` of a line, as it is written; `None` if it is something else, or somebody else's.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let (name, value) = line.split_once('=')?;
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let is_ours = name.starts_with("LXC_") || name.starts_with("USE_LXC_");
    (is_ours && name.chars().all(is_name)).then_some((name, value))
}

/// The value of `name` without its quotes.
fn plain(name: &str, value: &str) -> Result<String> {
    if value.contains(['$', '`']) {
        return Err(Error::new(format!("{name} is not a plain value"))
            .hint("write the value itself: variables and commands of a shell are not run here"));
    }
    let words =
        split_words(value).ok_or_else(|| Error::new(format!("a quote of {name} is not closed")))?;
    match words.as_slice() {
        [] => Ok(String::new()),
        [value] => Ok(value.clone()),
        [value, comment, ..] if comment.starts_with('#') => Ok(value.clone()),
        _ => Err(Error::new(format!("{name} has more than one value")).hint("quote it")),
    }
}

fn wrong(name: &str, value: &str) -> Error {
    Error::new(format!("{name} cannot be '{value}'"))
}

fn parse<T: FromStr>(name: &str, value: &str) -> Result<T> {
    value.parse().map_err(|_| wrong(name, value))
}

fn boolean(name: &str, value: &str) -> Result<bool> {
    match value {
        "true" => Ok(true),
        "" | "false" => Ok(false),
        _ => Err(wrong(name, value).hint("write true or false")),
    }
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
    let valid = value.split_once(',').is_some_and(|(first, last)| {
        first.parse::<Ipv4Addr>().is_ok() && last.parse::<Ipv4Addr>().is_ok()
    });
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
    fn only_assignments_count() {
        let line = |text| {
            let (name, value) = assignment(text)?;
            Some((name.to_owned(), plain(name, value).unwrap()))
        };
        assert_eq!(line("USE_LXC_BRIDGE=\"true\""), Some(("USE_LXC_BRIDGE".into(), "true".into())));
        assert_eq!(
            line(" export LXC_DOMAIN='lxc' # note"),
            Some(("LXC_DOMAIN".into(), "lxc".into()))
        );
        assert_eq!(line("[ ! -f /etc/default/lxc-net ] || . /etc/default/lxc-net"), None);
        assert_eq!(line("# LXC_BRIDGE=x"), None);
        assert!(plain("LXC_ADDR", "$(hostname -I)").is_err());
        assert!(plain("LXC_ADDR", "1 2").is_err());
    }

    #[test]
    fn values_are_checked() {
        assert_eq!(prefix_of_mask("255.255.252.0").unwrap(), 22);
        assert_eq!(prefix_of_mask("255.255.255.255").unwrap(), 32);
        assert!(prefix_of_mask("255.0.255.0").is_err());
        assert!(network("LXC_NETWORK", "10.0.3.0/33").is_err());
        assert!(range("10.0.3.2").is_err());
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
    fn unknown_variables_are_told() {
        let settings =
            load("LXC_AUTO=true\nLXC_IPV6_ENABEL=false\nLXC_OF_OTHERS=$(x)\nMY_LXC_=1\n");
        let hints: Vec<_> = settings.warnings.iter().map(|error| error.hint.as_deref()).collect();
        assert_eq!(hints, [Some("did you mean LXC_IPV6_ENABLE?"), None]);
    }
}
