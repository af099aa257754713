//! What the host does with a link at its own end of it: `lxc.net.N.limit.*`, `isolated` and `filter`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::key::Refusal;

/// The settings of the host's end of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostEnd {
    /// `limit.ingress`: towards the container.
    pub limit_ingress: Option<Rate>,
    /// `limit.egress`: from the container.
    pub limit_egress: Option<Rate>,
    /// `isolated`: out of reach of the other isolated ports of the bridge.
    pub isolated: bool,
    /// `filter`: which sources the container may not forge.
    pub filter: Filter,
}

/// A rate, bits per second, above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate(u64);

/// The units of tc(8) in which a rate is counted, the largest first.
const UNITS: [(&str, u64); 5] = [
    ("Tbit", 1_000_000_000_000),
    ("Gbit", 1_000_000_000),
    ("Mbit", 1_000_000),
    ("kbit", 1_000),
    ("bit", 1),
];

impl Rate {
    /// The slowest and the fastest that the kernel can keep: a frame a second, and what it counts in.
    const BOUNDS: std::ops::RangeInclusive<u64> = 12_000..=10_000_000_000_000;

    /// Bytes per second.
    pub fn bytes(self) -> u64 {
        self.0 / 8
    }
}

impl FromStr for Rate {
    type Err = Refusal;

    fn from_str(value: &str) -> Result<Self, Refusal> {
        let end = value.find(|one: char| !one.is_ascii_digit()).unwrap_or(value.len());
        let (digits, unit) = value.split_at(end);
        let unit = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim_start()));
        let factor = match unit {
            Some((_, factor)) => Some(*factor),
            None => end.eq(&value.len()).then_some(1),
        };
        let bits = factor.zip(digits.parse::<u64>().ok());
        let bits = bits.and_then(|(factor, number)| number.checked_mul(factor));
        match bits {
            None => Err("write bits per second: 800kbit, 8Mbit, 1Gbit".into()),
            Some(bits) if !Self::BOUNDS.contains(&bits) => {
                Err("a rate is between 12kbit and 10Tbit".into())
            }
            Some(bits) => Ok(Self(bits)),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = UNITS.iter().find(|(_, factor)| self.0.is_multiple_of(*factor));
        let (name, factor) = exact.unwrap_or(&("bit", 1));
        write!(f, "{}{name}", self.0 / factor)
    }
}

/// The sources of a container's frames that are checked against its configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// The hardware address.
    pub mac: bool,
    /// IPv4 and ARP.
    pub ipv4: bool,
    /// IPv6 and neighbour discovery.
    pub ipv6: bool,
}

impl Filter {
    /// Its words, as they are written.
    pub const WORDS: [&str; 3] = ["mac", "ipv4", "ipv6"];

    /// Whether nothing is checked.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl FromStr for Filter {
    type Err = Refusal;

    fn from_str(value: &str) -> Result<Self, Refusal> {
        let mut filter = Self::default();
        for word in value.split_whitespace() {
            match word {
                "mac" => filter.mac = true,
                "ipv4" => filter.ipv4 = true,
                "ipv6" => filter.ipv6 = true,
                _ => return Err(Refusal::of(word, "write some of: mac, ipv4, ipv6")),
            }
        }
        Ok(filter)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [self.mac, self.ipv4, self.ipv6].into_iter().zip(Self::WORDS);
        let words: Vec<&str> = words.filter_map(|(has, word)| has.then_some(word)).collect();
        f.write_str(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_printed_as_tc_writes_them() {
        for (text, bytes, printed) in [
            ("8Mbit", 1_000_000, "8Mbit"),
            ("8mbit", 1_000_000, "8Mbit"),
            ("1500 kbit", 187_500, "1500kbit"),
            ("1000kbit", 125_000, "1Mbit"),
            ("1Gbit", 125_000_000, "1Gbit"),
            ("64001", 8_000, "64001bit"),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.bytes(), rate.to_string().as_str()), (bytes, printed), "{text}");
            assert_eq!(rate.to_string().parse(), Ok(rate));
        }
        for text in [
            "",
            "Mbit",
            "8MB",
            "8 Mbyte",
            "-8Mbit",
            "0",
            "1bit",
            "99999999999999999999Gbit",
            "8Mbit x",
        ] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn filters_are_any_of_three_words() {
        assert_eq!("ipv6  mac".parse::<Filter>().unwrap().to_string(), "mac ipv6");
        assert_eq!("mac ip".parse::<Filter>().unwrap_err().part.as_deref(), Some("ip"));
    }
}
