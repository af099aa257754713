//! Ports of the host that lead to a container: `[PROTOCOL:][ADDRESS:]PORT[-PORT]->PORT[-PORT]`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::key::Refusal;

/// A transport protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// `tcp`.
    Tcp,
    /// `udp`.
    Udp,
}

impl Protocol {
    /// All, by their words.
    pub const ALL: [(&'static str, Self); 2] = [("tcp", Self::Tcp), ("udp", Self::Udp)];
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL.iter().find(|(_, one)| one == self).map_or("", |(word, _)| word))
    }
}

/// `lxc.net.N.forward`: ports of the host, and the ports of the container that they lead to, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forward {
    /// The protocol.
    pub protocol: Protocol,
    /// The host's address; the unspecified one stands for all of its family, `None` for all.
    pub address: Option<IpAddr>,
    /// The host's first port.
    pub port: u16,
    /// The container's first port.
    pub to_port: u16,
    /// How many ports, from 1 on.
    pub count: u16,
}

impl Forward {
    /// Parses a value of the configuration.
    pub fn parse(value: &str) -> Result<Self, Refusal> {
        let refuse = || Refusal::from("write PORT->PORT, such as tcp:8080->80");
        let (host, container) = value.split_once("->").ok_or_else(refuse)?;
        Self::of(host, container)
    }

    /// Parses a word of a command line, where a `:` may stand for the arrow, which a shell takes for its
    /// own.
    pub fn parse_word(word: &str) -> Result<Self, Refusal> {
        let refuse = || Refusal::from("write PORT:PORT, such as 8080:80 or udp:127.0.0.1:53:53");
        let parts = word.split_once("->").or_else(|| word.rsplit_once(':'));
        let (host, container) = parts.ok_or_else(refuse)?;
        Self::of(host, container)
    }

    /// From what is before the arrow and what is after it.
    fn of(host: &str, container: &str) -> Result<Self, Refusal> {
        let word = Protocol::ALL.iter().find_map(|(word, protocol)| {
            let rest = host.strip_prefix(word)?.strip_prefix(':')?;
            Some((*protocol, rest))
        });
        let (protocol, rest) = word.unwrap_or((Protocol::Tcp, host));
        let (address, ports_of_host) = match rest.rsplit_once(':') {
            Some((text, ports)) => (Some(address(text)?), ports),
            None => (None, rest),
        };
        let (port, count) = ports(ports_of_host)?;
        let (to_port, to_count) = ports(container)?;
        if count != to_count {
            return Err(Refusal::of(container, format!("{count} ports lead to {to_count}")));
        }
        Ok(Self { protocol, address, port, to_port, count })
    }

    /// Whether it is for addresses of the family of `other`.
    pub fn is_for(&self, other: &IpAddr) -> bool {
        self.address.is_none_or(|own| own.is_ipv4() == other.is_ipv4())
    }

    /// The first port of the host that `other` has as well, at an address that it has as well.
    pub fn clash(&self, other: &Self) -> Option<u16> {
        let same_address = match (self.address, other.address) {
            (Some(one), Some(two)) => {
                let is_all = one.is_unspecified() || two.is_unspecified();
                one == two || is_all && one.is_ipv4() == two.is_ipv4()
            }
            _ => true,
        };
        let first = self.port.max(other.port);
        let is_in = |forward: &Self| first - forward.port < forward.count;
        let is_common = self.protocol == other.protocol && same_address;
        (is_common && is_in(self) && is_in(other)).then_some(first)
    }
}

/// A host's address, IPv6 in brackets.
fn address(text: &str) -> Result<IpAddr, Refusal> {
    let refuse =
        || Refusal::of(text, "write tcp or udp, an IPv4 address, or an IPv6 one in brackets");
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = match bare {
        Some(bare) => bare.parse().map(IpAddr::V6).map_err(|_| refuse())?,
        None => text.parse().map(IpAddr::V4).map_err(|_| refuse())?,
    };
    if address == IpAddr::V6(Ipv6Addr::LOCALHOST) {
        let hint = "the kernel takes no answers for ::1 from a link; 127.0.0.1 works";
        return Err(Refusal::of(text, hint));
    }
    Ok(address)
}

/// The first of some ports, and how many they are.
fn ports(text: &str) -> Result<(u16, u16), Refusal> {
    let refuse = || Refusal::of(text, "write a port from 1 to 65535, or two with a '-' between");
    let one = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|port| digits && *port > 0).ok_or_else(refuse)
    };
    let Some((first, last)) = text.split_once('-') else { return Ok((one(text)?, 1)) };
    let (first, last) = (one(first)?, one(last)?);
    let count = last.checked_sub(first).map(|more| more + 1);
    Ok((first, count.ok_or_else(refuse)?))
}

/// Some ports, `FIRST-LAST` or one.
fn show_ports(f: &mut fmt::Formatter<'_>, first: u16, count: u16) -> fmt::Result {
    match count {
        1 => write!(f, "{first}"),
        _ => write!(f, "{first}-{}", first + (count - 1)),
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.protocol)?;
        match self.address {
            Some(IpAddr::V4(address)) => write!(f, "{address}:")?,
            Some(IpAddr::V6(address)) => write!(f, "[{address}]:")?,
            None => {}
        }
        show_ports(f, self.port, self.count)?;
        f.write_str("->")?;
        show_ports(f, self.to_port, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_parsed_is_printed() {
        for (text, printed) in [
            ("8080->80", "tcp:8080->80"),
            ("udp:53->5353", "udp:53->5353"),
            ("tcp:127.0.0.1:1-3->2-4", "tcp:127.0.0.1:1-3->2-4"),
            ("[2001:db8::1]:80->80", "tcp:[2001:db8::1]:80->80"),
            ("udp:[::]:1-65535->1-65535", "udp:[::]:1-65535->1-65535"),
        ] {
            assert_eq!(Forward::parse(text).unwrap().to_string(), printed);
            let word = text.replace("->", ":");
            assert_eq!(Forward::parse_word(&word).unwrap().to_string(), printed);
        }
        for bad in [
            "",
            "80",
            "80->",
            "->80",
            "0->80",
            "80->0",
            "80->65536",
            "+80->80",
            "80-81->80",
            "81-80->81-80",
            "sctp:80->80",
            "::1:80->80",
            "[::1]:80->80",
            "[10.0.0.1]:80->80",
            "2001:db8::1:80->80",
            "1-2-3->1-2-3",
            "80 ->80",
            "80->80->80",
        ] {
            assert!(Forward::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_same_port_at_the_same_address_clashes() {
        let clash = |one: &str, two: &str| {
            let [one, two] = [one, two].map(|text| Forward::parse(text).unwrap());
            assert_eq!(one.clash(&two), two.clash(&one));
            one.clash(&two)
        };
        assert_eq!(clash("80->80", "81->80"), None);
        assert_eq!(clash("80->80", "udp:80->80"), None);
        assert_eq!(clash("80->80", "80->81"), Some(80));
        assert_eq!(clash("10-20->10-20", "15-30->15-30"), Some(15));
        assert_eq!(clash("10-20->10-20", "21->15"), None);
        assert_eq!(clash("80->80", "10.0.0.1:80->80"), Some(80));
        assert_eq!(clash("10.0.0.2:80->80", "10.0.0.1:80->80"), None);
        assert_eq!(clash("0.0.0.0:80->80", "10.0.0.1:80->80"), Some(80));
        assert_eq!(clash("0.0.0.0:80->80", "[::]:80->80"), None);
    }
}
