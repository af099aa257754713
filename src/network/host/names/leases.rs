//! The leases of dnsmasq: its file of them, and how one is given back.
//!
//! A container that is stopped gives nothing back. Its lease would keep its name and its address for an hour, and those
//! of containers that live for minutes would use up all addresses.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::error::{Context, Result};
use crate::table;

/// How long dnsmasq may take to write its file.
const SETTLED_AFTER: Duration = Duration::from_millis(100);
/// How long a file that is empty or ends within a line may be one that it is writing.
const WRITTEN_WITHIN: Duration = Duration::from_secs(1);
/// The port of a DHCP server (RFC 2131, 4.1).
const SERVER_PORT: u16 = 67;
/// Before the options of a message (RFC 2131, 3).
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Options (RFC 2132, 9): the kind of message, the server it is for, the client's identifier, the end.
const KIND: u8 = 53;
const SERVER: u8 = 54;
const CLIENT: u8 = 61;
const END: u8 = 255;
/// `DHCPRELEASE`, a kind of message.
const RELEASE: u8 = 7;

/// An address that a client has by DHCP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lease {
    /// When it ends, seconds since 1970; 0: never.
    pub expires: u64,
    /// The client's hardware address.
    pub mac: String,
    /// The address.
    pub address: Ipv4Addr,
    /// The client's name, if it has one.
    pub name: Option<String>,
    /// How the client calls itself: bytes, in hexadecimal with colons.
    #[serde(skip)]
    client: Option<String>,
}

/// The leases in the file `path`: none if there is no such file.
pub fn read(path: &Path) -> Result<Vec<Lease>> {
    Ok(text(path)?.lines().filter_map(parse).collect())
}

fn text(path: &Path) -> Result<String> {
    match table::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        text => text.context(|| format!("cannot read {}", path.display())),
    }
}

/// A line of the file: end, hardware address, address, name or `*`, client's identifier or `*`. Others are of
/// DHCPv6.
fn parse(line: &str) -> Option<Lease> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [expires, mac, address, name, client] = words.as_slice() else { return None };
    let some = |word: &str| Some(word.to_owned()).filter(|word| word != "*");
    Some(Lease {
        expires: expires.parse().ok()?,
        mac: (*mac).to_owned(),
        address: address.parse().ok()?,
        name: some(name),
        client: some(client),
    })
}

/// Those of `macs` in the file `path`. dnsmasq writes it in place: a reader in between misses some.
fn find(path: &Path, macs: &[&str]) -> Result<Vec<Lease>> {
    let begin = Instant::now();
    loop {
        let text = text(path)?;
        let leases = text.lines().filter_map(parse);
        let leases: Vec<Lease> = leases.filter(|lease| macs.contains(&&*lease.mac)).collect();
        let is_found = |mac: &&str| leases.iter().any(|lease| lease.mac == **mac);
        let within = if text.ends_with('\n') { SETTLED_AFTER } else { WRITTEN_WITHIN };
        if macs.iter().all(is_found) || !is_younger(path, within) || begin.elapsed() > within {
            return Ok(leases);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether the file was written less than `age` ago.
fn is_younger(path: &Path, age: Duration) -> bool {
    let written = path.metadata().and_then(|found| found.modified());
    written.is_ok_and(|at| at.elapsed().is_ok_and(|elapsed| elapsed < age))
}

/// Gives the leases of `macs` in the file `path` back to `server`, for clients that no longer exist.
pub(super) fn release(path: &Path, server: Ipv4Addr, macs: &[&str]) -> Result<()> {
    let leases = find(path, macs)?;
    let mut messages = leases.iter().filter_map(|lease| message(lease, server));
    let Some(first) = messages.next() else { return Ok(()) };
    let failed = || format!("cannot give an address back to the DHCP server {server}");
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context(failed)?;
    for message in std::iter::once(first).chain(messages) {
        socket.send_to(&message, (server, SERVER_PORT)).context(failed)?;
    }
    Ok(())
}

/// What the client of `lease` would send; `None` if its addresses are none of Ethernet.
fn message(lease: &Lease, server: Ipv4Addr) -> Option<Vec<u8>> {
    let mac = bytes(&lease.mac).filter(|mac| mac.len() == 6)?;
    // A request, by Ethernet, no relays, any number.
    let mut message = vec![1, 1, 6, 0, 0, 0, 0, 1];
    message.resize(12, 0);
    message.extend(lease.address.octets());
    message.resize(28, 0);
    message.extend(mac);
    message.resize(236, 0);
    message.extend(COOKIE);
    message.extend([KIND, 1, RELEASE]);
    message.extend([SERVER, 4]);
    message.extend(server.octets());
    if let Some(client) = &lease.client {
        let client = bytes(client)?;
        message.extend([CLIENT, u8::try_from(client.len()).ok()?]);
        message.extend(client);
    }
    message.push(END);
    Some(message)
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    hex.split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: [&str; 4] = [
        "1795748950 10:66:6a:00:00:01 10.0.3.2 web 01:10:66:6a:00:00:01",
        "0 10:66:6a:00:00:02 10.0.3.3 * *",
        "duid 00:01:00:01:2e:aa:bb:cc:00:16:3e:00:00:00",
        "1795748950 123456 fd00:3::5 web 00:01:00:01",
    ];

    #[test]
    fn lines_of_leases_are_read() {
        let leases: Vec<Lease> = FILE.iter().filter_map(|line| parse(line)).collect();
        let names: Vec<_> = leases.iter().map(|lease| lease.name.as_deref()).collect();
        assert_eq!(names, [Some("web"), None]);
        assert_eq!(leases[1].address, Ipv4Addr::new(10, 0, 3, 3));
    }

    #[test]
    fn a_lease_is_given_back_by_its_client() {
        let lease = parse(FILE[0]).unwrap();
        let message = message(&lease, Ipv4Addr::new(10, 0, 3, 1)).unwrap();
        assert_eq!(message[12..16], [10, 0, 3, 2]);
        assert_eq!(message[28..34], [0x10, 0x66, 0x6a, 0, 0, 1]);
        let options = [53, 1, 7, 54, 4, 10, 0, 3, 1, 61, 7, 1, 0x10, 0x66, 0x6a, 0, 0, 1, 255];
        assert_eq!(message[240..], options);
    }
}
