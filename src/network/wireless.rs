//! Wireless links. They cannot leave a network namespace one by one: their radio moves, with all links on it
//! (`NL80211_CMD_SET_WIPHY_NETNS`, linux/nl80211.h), over generic netlink (linux/genetlink.h).

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use rtnetlink::packet_core::{
    DefaultNla, Emitable, NLM_F_ACK, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader,
    NetlinkMessage, NetlinkPayload, NetlinkSerializable, Nla, NlaBuffer, NlasIterator, Parseable,
};
use rtnetlink::sys::{Socket, protocols::NETLINK_GENERIC};
use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};

/// The family of messages that tells the numbers of the others (`GENL_ID_CTRL`, linux/genetlink.h).
const CONTROL: u16 = 16;
/// `CTRL_CMD_GETFAMILY`, with the attributes for a family's number and its name.
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
/// The family of wireless links.
const NL80211: &[u8] = b"nl80211\0";
/// Commands of that family: `NL80211_CMD_GET_INTERFACE` and `NL80211_CMD_SET_WIPHY_NETNS`.
const GET_INTERFACE: u8 = 5;
const SET_NAMESPACE: u8 = 49;
/// Attributes: `NL80211_ATTR_WIPHY`, `NL80211_ATTR_IFINDEX`, `NL80211_ATTR_NETNS_FD`.
const RADIO: u16 = 1;
const LINK: u16 = 3;
const NAMESPACE_FD: u16 = 219;
/// Bytes of the header of a message (`struct genlmsghdr`).
const HEADER: usize = 4;

/// The radio of a wireless link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Radio(u32);

impl Radio {
    /// That of link number `index` in the network namespace that this thread is in; `None` if it is not wireless.
    pub fn of(index: u32) -> Result<Option<Self>> {
        let Some(connection) = Connection::open()? else { return Ok(None) };
        let asked = [attribute(LINK, index.to_ne_bytes().to_vec())];
        match connection.ask(GET_INTERFACE, asked.to_vec(), || "cannot ask for a wireless link") {
            Err(error) if error.is(Errno::ENODEV) || error.is(Errno::EOPNOTSUPP) => Ok(None),
            answer => Ok(number(&answer?, RADIO).map(Self)),
        }
    }

    /// Moves it from the network namespace that this thread is in to `namespace`. Its links keep their names, as far
    /// as these are free there.
    pub fn move_to(self, namespace: BorrowedFd<'_>) -> Result<()> {
        let failed = || "cannot move the radio of a wireless link between host and container";
        let Some(connection) = Connection::open()? else {
            return Err(Error::new(failed()).errno(Errno::ENODEV));
        };
        let attributes = vec![
            attribute(RADIO, self.0.to_ne_bytes().to_vec()),
            attribute(NAMESPACE_FD, namespace.as_raw_fd().to_ne_bytes().to_vec()),
        ];
        connection.ask(SET_NAMESPACE, attributes, failed).map(drop).map_err(|error| {
            match error.errno.map(Errno::from_raw) {
                Some(Errno::EOPNOTSUPP) => error.hint("its driver does not let it leave the host"),
                _ => error,
            }
        })
    }
}

fn attribute(kind: u16, value: Vec<u8>) -> DefaultNla {
    DefaultNla::new(kind, value)
}

/// The value of the attribute `kind` among `all`.
fn number(all: &[DefaultNla], kind: u16) -> Option<u32> {
    let bytes = value(all, kind)?;
    bytes.try_into().ok().map(u32::from_ne_bytes)
}

fn value(all: &[DefaultNla], kind: u16) -> Option<Vec<u8>> {
    let found = all.iter().find(|one| one.kind() == kind)?;
    let mut bytes = vec![0; found.value_len()];
    found.emit_value(&mut bytes);
    Some(bytes)
}

/// A message of generic netlink.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Message {
    family: u16,
    command: u8,
    attributes: Vec<DefaultNla>,
}

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        self.family
    }

    fn buffer_len(&self) -> usize {
        HEADER + self.attributes.as_slice().buffer_len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        // Both families are of version 1.
        buffer[..HEADER].copy_from_slice(&[self.command, 1, 0, 0]);
        self.attributes.as_slice().emit(&mut buffer[HEADER..]);
    }
}

impl NetlinkDeserializable for Message {
    type Error = Error;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self> {
        let wrong = || Error::new("cannot read an answer over generic netlink");
        let (head, rest) = payload.split_at_checked(HEADER).ok_or_else(wrong)?;
        let parse = |one: NlaBuffer<&[u8]>| DefaultNla::parse(&one).map_err(|_| wrong());
        let attributes =
            NlasIterator::new(rest).map(|one| one.map_err(|_| wrong()).and_then(parse));
        let attributes = attributes.collect::<Result<_>>()?;
        Ok(Self { family: header.message_type, command: head[0], attributes })
    }
}

/// A connection to the kernel's wireless links.
struct Connection {
    socket: Socket,
    family: u16,
}

impl Connection {
    /// `None` where the kernel has none.
    fn open() -> Result<Option<Self>> {
        let failed = || "cannot ask for wireless links";
        let open = || -> std::io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_GENERIC)?;
            socket.bind_auto()?;
            Ok(socket)
        };
        let mut connection = Self { socket: open().context(failed)?, family: CONTROL };
        let name = vec![attribute(FAMILY_NAME, NL80211.to_vec())];
        let answer = match connection.ask(GET_FAMILY, name, failed) {
            Err(error) if error.is(Errno::ENOENT) => return Ok(None),
            answer => answer?,
        };
        let family = value(&answer, FAMILY_ID).and_then(|bytes| bytes.try_into().ok());
        connection.family = u16::from_ne_bytes(family.ok_or_else(|| Error::new(failed()))?);
        Ok(Some(connection))
    }

    /// Sends `command` and returns the attributes of the answer, none if it was only done.
    fn ask(
        &self,
        command: u8,
        attributes: Vec<DefaultNla>,
        what: impl Fn() -> &'static str,
    ) -> Result<Vec<DefaultNla>> {
        let mut message = NetlinkMessage::new(
            NetlinkHeader::default(),
            NetlinkPayload::InnerMessage(Message { family: self.family, command, attributes }),
        );
        message.header.flags = NLM_F_REQUEST | NLM_F_ACK;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0).context(&what)?;
        let mut found = Vec::new();
        loop {
            let (bytes, _) = self.socket.recv_from_full().context(&what)?;
            let answer = NetlinkMessage::<Message>::deserialize(&bytes)
                .map_err(|error| Error::new(format!("{}: {error}", what())))?;
            match answer.payload {
                NetlinkPayload::Error(error) if error.raw_code() == 0 => return Ok(found),
                NetlinkPayload::Error(error) => {
                    return Err(Error::new(what()).errno(Errno::from_raw(-error.raw_code())));
                }
                NetlinkPayload::InnerMessage(message) => found = message.attributes,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_written_and_read() {
        let attributes = vec![attribute(RADIO, 7u32.to_ne_bytes().to_vec())];
        let message = Message { family: 28, command: SET_NAMESPACE, attributes };
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        assert_eq!(bytes[..4], [49, 1, 0, 0]);
        let mut header = NetlinkHeader::default();
        header.message_type = 28;
        let read = Message::deserialize(&header, &bytes).unwrap();
        assert_eq!(number(&read.attributes, RADIO), Some(7));
        assert_eq!(read, message);
        assert!(Message::deserialize(&header, &bytes[..3]).is_err());
        assert!(Message::deserialize(&header, &bytes[..6]).is_err());
    }

    /// Whatever the kernel has, a loopback is not wireless.
    #[test]
    fn a_loopback_is_not_wireless() {
        assert_eq!(Radio::of(1).unwrap(), None);
    }
}
