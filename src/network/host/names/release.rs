//! Giving leases back, for clients that are gone.
//!
//! A container that is stopped gives nothing back. Its lease would keep its name and its address for an hour, and those
//! of containers that live for minutes would use up all addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::path::Path;

use super::leases::{self, Lease};
use crate::error::{Context, Result};

/// The port of a DHCP server (RFC 2131, 4.1).
const PORT: u16 = 67;
/// Before the options of a message (RFC 2131, 3).
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Options (RFC 2132, 9): the kind of message, the server it is for, the client's identifier, the end.
const KIND: u8 = 53;
const SERVER: u8 = 54;
const CLIENT: u8 = 61;
const END: u8 = 255;
/// `DHCPRELEASE`, a kind of message.
const RELEASE: u8 = 7;

/// The port of a server of DHCPv6 (RFC 8415, 7.2).
const PORT_OF_6: u16 = 547;
/// `RELEASE`, a kind of message (RFC 8415, 7.3).
const RELEASE_OF_6: u8 = 8;
/// Options (RFC 8415, 21): the client's identifier, the server's, addresses of a number, an address.
const CLIENT_OF_6: u16 = 1;
const SERVER_OF_6: u16 = 2;
const NUMBER_OF_6: u16 = 3;
const ADDRESS_OF_6: u16 = 5;

/// The addresses at which dnsmasq serves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Server {
    pub ipv4: Ipv4Addr,
    pub ipv6: Option<Ipv6Addr>,
}

/// Gives the leases in the file `path` of the container called `label`, or of `macs`, back to `server`.
pub(super) fn all(path: &Path, server: Server, label: Option<&str>, macs: &[&str]) -> Result<()> {
    let (leases, identifier) = leases::find(path, label, macs)?;
    for lease in &leases {
        let (message, to) = match (lease.address, server.ipv6) {
            (IpAddr::V4(address), _) => {
                (message(lease, address, server.ipv4), (server.ipv4.into(), PORT))
            }
            (IpAddr::V6(address), Some(ipv6)) => {
                (message_of_6(lease, address, identifier.as_deref()), (ipv6.into(), PORT_OF_6))
            }
            (IpAddr::V6(_), None) => continue,
        };
        if let Some(message) = message {
            send(&message, to)?;
        }
    }
    Ok(())
}

fn send(message: &[u8], to: (IpAddr, u16)) -> Result<()> {
    let failed = || format!("cannot give an address back to the DHCP server {}", to.0);
    let any: IpAddr = match to.0 {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).context(failed)?;
    socket.send_to(message, to).map(drop).context(failed)
}

/// What the client of `lease` would send; `None` if its addresses are none of Ethernet.
fn message(lease: &Lease, address: Ipv4Addr, server: Ipv4Addr) -> Option<Vec<u8>> {
    let mac = bytes(lease.mac.as_ref()?).filter(|mac| mac.len() == 6)?;
    // A request, by Ethernet, no relays, any number.
    let mut message = vec![1, 1, 6, 0, 0, 0, 0, 1];
    message.resize(12, 0);
    message.extend(address.octets());
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

/// What the client of `lease`, one of DHCPv6, would send to the server that calls itself `server`; `None` for a temporary
/// address.
fn message_of_6(lease: &Lease, address: Ipv6Addr, server: Option<&str>) -> Option<Vec<u8>> {
    let (client, server) = (bytes(lease.client.as_ref()?)?, bytes(server?)?);
    // No lifetimes are asked for.
    let address = [&address.octets()[..], &[0; 8]].concat();
    let mut numbered = lease.number?.to_be_bytes().to_vec();
    numbered.extend([0; 8]);
    numbered.extend(option_of_6(ADDRESS_OF_6, &address)?);
    // Any number.
    let mut message = vec![RELEASE_OF_6, 0, 0, 1];
    message.extend(option_of_6(CLIENT_OF_6, &client)?);
    message.extend(option_of_6(SERVER_OF_6, &server)?);
    message.extend(option_of_6(NUMBER_OF_6, &numbered)?);
    Some(message)
}

fn option_of_6(number: u16, value: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(value.len()).ok()?;
    Some([&number.to_be_bytes(), &length.to_be_bytes(), value].concat())
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    hex.split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(mac: Option<&str>, address: &str, client: &str) -> Lease {
        Lease {
            expires: 0,
            mac: mac.map(str::to_owned),
            address: address.parse().unwrap(),
            name: None,
            client: Some(client.to_owned()),
            number: Some(0x0102_0304),
        }
    }

    #[test]
    fn a_lease_is_given_back_by_its_client() {
        let address = Ipv4Addr::new(10, 0, 3, 2);
        let lease = lease(Some("10:66:6a:00:00:01"), "10.0.3.2", "01:10:66:6a:00:00:01");
        let message = message(&lease, address, Ipv4Addr::new(10, 0, 3, 1)).unwrap();
        assert_eq!(message[12..16], [10, 0, 3, 2]);
        assert_eq!(message[28..34], [0x10, 0x66, 0x6a, 0, 0, 1]);
        let options = [53, 1, 7, 54, 4, 10, 0, 3, 1, 61, 7, 1, 0x10, 0x66, 0x6a, 0, 0, 1, 255];
        assert_eq!(message[240..], options);
    }

    #[test]
    fn a_lease_of_dhcpv6_is_given_back_by_its_client() {
        let lease = lease(None, "fd00:3::5", "00:02:ab");
        let address: Ipv6Addr = "fd00:3::5".parse().unwrap();
        let message = message_of_6(&lease, address, Some("00:01:cd")).unwrap();
        let mut wanted = vec![8, 0, 0, 1, 0, 1, 0, 3, 0, 2, 0xab, 0, 2, 0, 3, 0, 1, 0xcd];
        wanted.extend([0, 3, 0, 40, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 24]);
        wanted.extend(address.octets());
        wanted.extend([0; 8]);
        assert_eq!(message, wanted);
        assert_eq!(message_of_6(&Lease { number: None, ..lease }, address, Some("00:01")), None);
    }
}
