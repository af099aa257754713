//! The connections that the kernel tracks. Where a port leads is asked for the first packet of one only: when
//! that changes, those that began before have to be forgotten, or they go on to a container that is gone, or to
//! the next one that has its address.
//!
//! The end of a forward ends its connections. The kernel then takes their packets for the host's own: a TCP
//! client is told at once. The beginning of a forward ends what a client of UDP keeps up with the host's port,
//! where nobody answered.

use std::net::IpAddr;

use netlink_packet_netfilter::conntrack::{
    ConntrackAttribute, ConntrackMessage, IPTuple, ProtoTuple, Protocol, Tuple,
};
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
};
use nix::errno::Errno;
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload, Nla,
};
use rtnetlink::sys::{Socket, protocols::NETLINK_NETFILTER};

use super::table::Active;
use crate::config;
use crate::error::{Context, Error, Result};

/// What tells connections apart that have the same addresses and ports, beside these (`CTA_ID` and `CTA_ZONE`,
/// linux/netfilter/nfnetlink_conntrack.h).
const MARKS: [u16; 2] = [12, 18];

/// A connection, as far as it matters here.
#[derive(Debug)]
struct Connection {
    protocol: config::Protocol,
    /// Where its client sends to.
    to: (IpAddr, u16),
    /// Who answers.
    answers: (IpAddr, u16),
    /// What the kernel knows it by.
    name: Vec<ConntrackAttribute>,
}

impl Connection {
    /// `None` for one of a protocol without ports.
    fn of(attributes: Vec<ConntrackAttribute>) -> Option<Self> {
        let (mut there, mut back) = (None, None);
        for attribute in &attributes {
            match attribute {
                ConntrackAttribute::CtaTupleOrig(tuples) => there = Ends::of(tuples),
                ConntrackAttribute::CtaTupleReply(tuples) => back = Ends::of(tuples),
                _ => {}
            }
        }
        let (there, back) = (there?, back?);
        let is_name = |one: &ConntrackAttribute| match one {
            ConntrackAttribute::CtaTupleOrig(_) => true,
            ConntrackAttribute::Other(other) => MARKS.contains(&other.kind()),
            _ => false,
        };
        Some(Self {
            protocol: there.protocol,
            to: there.destination,
            answers: back.source,
            name: attributes.into_iter().filter(is_name).collect(),
        })
    }

    /// Whether its client sends to the port of `active`.
    fn is_to(&self, active: &Active, is_of_host: impl Fn(&IpAddr) -> bool) -> bool {
        let (address, port) = self.to;
        let is_at = if active.address.is_unspecified() {
            active.address.is_ipv4() == address.is_ipv4() && is_of_host(&address)
        } else {
            active.address == address
        };
        is_at && (self.protocol, port) == (active.protocol, active.port)
    }

    /// Whether it was led by `active`.
    fn was_led_by(&self, active: &Active) -> bool {
        self.answers == (active.to_address, active.to_port) && self.is_to(active, |_| true)
    }
}

/// One direction of a connection.
struct Ends {
    protocol: config::Protocol,
    source: (IpAddr, u16),
    destination: (IpAddr, u16),
}

impl Ends {
    fn of(tuples: &[Tuple]) -> Option<Self> {
        let (mut addresses, mut ports, mut protocol) = ((None, None), (None, None), None);
        let all = |tuple: &Tuple| match tuple {
            Tuple::Ip(all) => (all.clone(), Vec::new()),
            Tuple::Proto(all) => (Vec::new(), all.clone()),
            _ => (Vec::new(), Vec::new()),
        };
        for (of_ip, of_protocol) in tuples.iter().map(all) {
            for one in of_ip {
                match one {
                    IPTuple::SourceAddress(address) => addresses.0 = Some(address),
                    IPTuple::DestinationAddress(address) => addresses.1 = Some(address),
                    _ => {}
                }
            }
            for one in of_protocol {
                match one {
                    ProtoTuple::Protocol(Protocol::Tcp) => protocol = Some(config::Protocol::Tcp),
                    ProtoTuple::Protocol(Protocol::Udp) => protocol = Some(config::Protocol::Udp),
                    ProtoTuple::SourcePort(port) => ports.0 = Some(port),
                    ProtoTuple::DestinationPort(port) => ports.1 = Some(port),
                    _ => {}
                }
            }
        }
        Some(Self {
            protocol: protocol?,
            source: (addresses.0?, ports.0?),
            destination: (addresses.1?, ports.1?),
        })
    }
}

/// Ends the connections that `gone` led, and those of UDP to the ports of `new` that lead elsewhere, where
/// `is_of_host` tells the host's addresses. Without the kernel's table of them nothing is done.
pub(super) fn end(
    gone: &[Active],
    new: &[Active],
    is_of_host: impl Fn(&IpAddr) -> bool,
) -> Result<()> {
    let is_over = |one: &Connection| {
        let is_past = |active: &Active| {
            one.protocol == config::Protocol::Udp
                && one.is_to(active, &is_of_host)
                && one.answers != (active.to_address, active.to_port)
        };
        gone.iter().any(|active| one.was_led_by(active)) || new.iter().any(is_past)
    };
    let Some(mut tracked) = Tracked::open()? else { return Ok(()) };
    for one in tracked.all()?.into_iter().filter(is_over) {
        tracked.forget(one)?;
    }
    Ok(())
}

/// The kernel's table of connections.
struct Tracked(Socket);

impl Tracked {
    /// `None` where the kernel shows none.
    fn open() -> Result<Option<Self>> {
        let open = || -> std::io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_NETFILTER)?;
            socket.bind_auto()?;
            Ok(socket)
        };
        match open() {
            Err(error) if error.raw_os_error() == Some(libc::EPROTONOSUPPORT) => Ok(None),
            result => result.map(|socket| Some(Self(socket))).context(|| "cannot list connections"),
        }
    }

    fn all(&mut self) -> Result<Vec<Connection>> {
        let failed = || "cannot list connections";
        let all = NetfilterProtoFamily::Unspec;
        self.send(all, ConntrackMessage::Get(Vec::new()), NLM_F_DUMP)?;
        let mut all = Vec::new();
        loop {
            for message in self.receive()? {
                match message.payload {
                    NetlinkPayload::Done(_) => return Ok(all),
                    // A kernel without them.
                    NetlinkPayload::Error(error) if error.raw_code() == -libc::EINVAL => {
                        log::info!("the kernel tells nobody which connections it tracks");
                        return Ok(Vec::new());
                    }
                    NetlinkPayload::Error(error) => {
                        return Err(Error::new(failed()).errno(Errno::from_raw(-error.raw_code())));
                    }
                    NetlinkPayload::InnerMessage(NetfilterMessage {
                        inner: NetfilterMessageInner::Conntrack(ConntrackMessage::New(attributes)),
                        ..
                    }) => all.extend(Connection::of(attributes)),
                    _ => {}
                }
            }
        }
    }

    /// Has one forgotten; one that is gone already is fine.
    fn forget(&mut self, connection: Connection) -> Result<()> {
        let family = match connection.to.0 {
            IpAddr::V4(_) => NetfilterProtoFamily::IPv4,
            IpAddr::V6(_) => NetfilterProtoFamily::IPv6,
        };
        self.send(family, ConntrackMessage::Delete(connection.name), NLM_F_ACK)?;
        loop {
            for message in self.receive()? {
                let NetlinkPayload::Error(error) = message.payload else { continue };
                return match -error.raw_code() {
                    0 | libc::ENOENT => Ok(()),
                    errno => Err(Error::new("cannot end a connection to a forwarded port")
                        .errno(Errno::from_raw(errno))),
                };
            }
        }
    }

    fn send(
        &self,
        family: NetfilterProtoFamily,
        message: ConntrackMessage,
        flags: u16,
    ) -> Result<()> {
        let header = NetfilterHeader::new(family, 0, 0);
        let mut message = NetlinkMessage::from(NetfilterMessage::new(header, message));
        message.header.flags = NLM_F_REQUEST | flags;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.0.send(&bytes, 0).map(drop).context(|| "cannot ask for connections")
    }

    /// The messages of one datagram.
    fn receive(&self) -> Result<Vec<NetlinkMessage<NetfilterMessage>>> {
        let failed = || "cannot read the answer about connections";
        let (bytes, _) = self.0.recv_from_full().context(failed)?;
        let mut messages = Vec::new();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<NetfilterMessage>::deserialize(rest)
                .map_err(|error| Error::new(format!("{}: {error}", failed())))?;
            // Each begins at a multiple of four.
            let length = usize::try_from(message.header.length).unwrap_or(0).next_multiple_of(4);
            rest = rest.get(length.max(4)..).unwrap_or_default();
            messages.push(message);
        }
        Ok(messages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Forward;
    use crate::identity::{ContainerName, Identity};

    fn connection(to: &str, to_port: u16, answers: &str, port: u16) -> Connection {
        Connection {
            protocol: config::Protocol::Udp,
            to: (to.parse().unwrap(), to_port),
            answers: (answers.parse().unwrap(), port),
            name: Vec::new(),
        }
    }

    fn active(text: &str, to: &str) -> Active {
        let identity = Identity::new("/c", ContainerName::new("a").unwrap());
        let forward = Forward::parse(text).unwrap();
        Active { to_address: to.parse().unwrap(), ..Active::relayed(&identity, &forward) }
    }

    #[test]
    fn connections_are_known_by_where_they_lead() {
        let one = active("udp:0.0.0.0:53->1053", "10.0.3.5");
        assert!(connection("192.0.2.1", 53, "10.0.3.5", 1053).was_led_by(&one));
        assert!(!connection("192.0.2.1", 53, "10.0.3.6", 1053).was_led_by(&one));
        assert!(!connection("192.0.2.1", 54, "10.0.3.5", 1053).was_led_by(&one));
        // Straight to the container.
        assert!(!connection("10.0.3.5", 1053, "10.0.3.5", 1053).was_led_by(&one));
        assert!(!connection("2001:db8::1", 53, "fd00::5", 1053).was_led_by(&one));
        let at_one = active("udp:192.0.2.1:53->1053", "10.0.3.5");
        assert!(connection("192.0.2.1", 53, "10.0.3.5", 1053).was_led_by(&at_one));
        assert!(!connection("192.0.2.2", 53, "10.0.3.5", 1053).was_led_by(&at_one));
    }

    #[test]
    fn only_connections_to_the_host_are_to_a_port_of_its() {
        let one = active("udp:0.0.0.0:53->1053", "10.0.3.5");
        let own: IpAddr = "192.0.2.1".parse().unwrap();
        let is_of_host = |address: &IpAddr| *address == own;
        assert!(connection("192.0.2.1", 53, "192.0.2.1", 53).is_to(&one, is_of_host));
        assert!(!connection("192.0.2.9", 53, "192.0.2.9", 53).is_to(&one, is_of_host));
    }
}
