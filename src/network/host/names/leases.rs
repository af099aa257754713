//! dnsmasq's file of leases, of DHCP and of DHCPv6.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::error::{Context, Result};
use crate::table;

/// How long dnsmasq may take to write its file.
const SETTLED_AFTER: Duration = Duration::from_millis(100);
/// How long a file that is empty or ends within a line may be one that it is writing.
const WRITTEN_WITHIN: Duration = Duration::from_secs(1);
/// How a client's identifier begins that ends with its hardware address of Ethernet: the kinds DUID-LLT and DUID-LL
/// (RFC 8415, 11), the first with four bytes of time between.
const BY_MAC: [(&str, usize); 2] = [("00:01:00:01:", 4), ("00:03:00:01:", 0)];
/// Characters of a hardware address.
const MAC_LEN: usize = 17;

/// An address that a client has by DHCP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lease {
    /// When it ends, seconds since 1970; 0: never.
    pub expires: u64,
    /// The client's hardware address. By DHCPv6 the one that it calls itself by, if it does.
    pub mac: Option<String>,
    /// The address.
    pub address: IpAddr,
    /// The client's name, if it has one.
    pub name: Option<String>,
    /// How the client calls itself: bytes, in hexadecimal with colons.
    #[serde(skip)]
    pub(super) client: Option<String>,
    /// The client's number for it, by DHCPv6.
    #[serde(skip)]
    pub(super) number: Option<u32>,
}

impl Lease {
    /// Whether it is of a client with one of `macs`, or by DHCPv6 of the one called `label`.
    pub(super) fn is_of(&self, label: Option<&str>, macs: &[&str]) -> bool {
        let is_called = self.address.is_ipv6() && label.is_some() && self.name.as_deref() == label;
        is_called || self.mac.as_deref().is_some_and(|mac| macs.contains(&mac))
    }
}

/// The leases in the file `path`: none if there is no such file.
pub fn read(path: &Path) -> Result<Vec<Lease>> {
    Ok(leases(&text(path)?).collect())
}

fn text(path: &Path) -> Result<String> {
    match table::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        text => text.context(|| format!("cannot read {}", path.display())),
    }
}

fn leases(text: &str) -> impl Iterator<Item = Lease> {
    text.lines().filter_map(parse)
}

/// A line of the file: end, hardware address or number, address, name or `*`, client's identifier or `*`.
fn parse(line: &str) -> Option<Lease> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [expires, client_or_number, address, name, client] = words.as_slice() else { return None };
    let some = |word: &str| Some(word.to_owned()).filter(|word| word != "*");
    let address: IpAddr = address.parse().ok()?;
    let (mac, number) = match address {
        IpAddr::V4(_) => (Some((*client_or_number).to_owned()), None),
        // Temporary addresses have a T before the number. They end by themselves.
        IpAddr::V6(_) => (mac_of(client), client_or_number.parse().ok()),
    };
    Some(Lease {
        expires: expires.parse().ok()?,
        mac,
        address,
        name: some(name),
        client: some(client),
        number,
    })
}

/// The hardware address in a client's identifier of DHCPv6.
fn mac_of(client: &str) -> Option<String> {
    BY_MAC.iter().find_map(|(begin, between)| {
        let mac = client.strip_prefix(begin)?.get(between * 3..)?;
        (mac.len() == MAC_LEN).then(|| mac.to_owned())
    })
}

/// The server's own identifier of DHCPv6 in `text`: bytes, in hexadecimal with colons.
fn server(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("duid "))
}

/// Those in the file `path` that are of the client called `label` or have one of `macs`, and the server's identifier of
/// DHCPv6. dnsmasq writes the file in place: a reader in between misses some.
pub(super) fn find(
    path: &Path,
    label: Option<&str>,
    macs: &[&str],
) -> Result<(Vec<Lease>, Option<String>)> {
    let begin = Instant::now();
    loop {
        let text = text(path)?;
        let leases: Vec<Lease> = leases(&text).filter(|lease| lease.is_of(label, macs)).collect();
        let is_found = |mac: &&str| leases.iter().any(|lease| lease.mac.as_deref() == Some(*mac));
        let within = if text.ends_with('\n') { SETTLED_AFTER } else { WRITTEN_WITHIN };
        if macs.iter().all(is_found) || !is_younger(path, within) || begin.elapsed() > within {
            return Ok((leases, server(&text).map(str::to_owned)));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether the file was written less than `age` ago.
fn is_younger(path: &Path, age: Duration) -> bool {
    let written = path.metadata().and_then(|found| found.modified());
    written.is_ok_and(|at| at.elapsed().is_ok_and(|elapsed| elapsed < age))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "1795748950 10:66:6a:00:00:01 10.0.3.2 web 01:10:66:6a:00:00:01\n\
        0 10:66:6a:00:00:02 10.0.3.3 * *\n\
        duid 00:01:00:01:2e:aa:bb:cc:00:16:3e:00:00:00\n\
        1795748950 123456 fd00:3::5 web 00:01:00:01:2e:aa:bb:cd:10:66:6a:00:00:01\n\
        1795748950 T7 fd00:3::6 * 00:02:00:00:ab:11\n";

    #[test]
    fn lines_of_leases_are_read() {
        let leases: Vec<Lease> = leases(FILE).collect();
        let names: Vec<_> = leases.iter().map(|lease| lease.name.as_deref()).collect();
        assert_eq!(names, [Some("web"), None, Some("web"), None]);
        assert_eq!(leases[1].address, IpAddr::from([10, 0, 3, 3]));
        assert_eq!(leases[2].mac, leases[0].mac);
        assert_eq!((leases[2].number, &leases[3].mac), (Some(123_456), &None));
        assert_eq!(server(FILE), Some("00:01:00:01:2e:aa:bb:cc:00:16:3e:00:00:00"));
    }

    #[test]
    fn a_client_of_dhcpv6_is_known_by_its_name_or_its_address() {
        let leases: Vec<Lease> = leases(FILE).collect();
        let of = |label: &str, macs: &[&str]| {
            leases.iter().filter(|lease| lease.is_of(Some(label), macs)).count()
        };
        assert_eq!(of("web", &[]), 1);
        assert_eq!(of("db", &["10:66:6a:00:00:01"]), 2);
        assert_eq!(of("db", &["10:66:6a:00:00:09"]), 0);
    }
}
