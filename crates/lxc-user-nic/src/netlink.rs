//! rtnetlink(7), as far as links need it. Each length is checked: what does not fit its 16 bits is
//! refused, so that no attribute can begin in the middle of another; and no length of the kernel's is
//! believed beyond what was received.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::failure::{Context, Failure, Result};
use crate::name::LinkName;
use crate::sys;

const HEADER: usize = 16;
/// `struct ifinfomsg`
const LINK_HEADER: usize = 16;
const NLA_TYPE_MASK: u16 = 0x3fff;
/// `VETH_INFO_PEER` in linux/veth.h
const VETH_INFO_PEER: u16 = 1;
/// `IFLA_TARGET_NETNSID` in linux/if_link.h
const TARGET_NETNSID: u16 = 46;
/// More than the kernel says of one link.
const ANSWER: usize = 1 << 16;

/// A message that is being written.
struct Message(Vec<u8>);

impl Message {
    /// A message about link number `index`, with those of its flags that are to be set.
    fn new(kind: u16, flags: i32, index: u32, up: bool) -> Self {
        let mut message = Self(vec![0; HEADER]);
        message.0[4..6].copy_from_slice(&kind.to_ne_bytes());
        let flags = u16::try_from(flags | libc::NLM_F_REQUEST).unwrap_or_default();
        message.0[6..8].copy_from_slice(&flags.to_ne_bytes());
        message.link_header(index, up);
        message
    }

    /// `struct ifinfomsg`
    fn link_header(&mut self, index: u32, up: bool) {
        let up = if up { libc::IFF_UP.unsigned_abs() } else { 0 };
        self.0.extend([0; 4]);
        for number in [index, up, up] {
            self.0.extend(number.to_ne_bytes());
        }
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) -> io::Result<()> {
        let start = self.begin(kind);
        self.0.extend(value);
        self.end(start)
    }

    /// A text with the byte that ends it.
    fn text(&mut self, kind: u16, text: &str) -> io::Result<()> {
        self.attribute(kind, &[text.as_bytes(), b"\0"].concat())
    }

    fn number(&mut self, kind: u16, number: u32) -> io::Result<()> {
        self.attribute(kind, &number.to_ne_bytes())
    }

    /// Begins an attribute; what is written up to [`end`](Self::end) is in it.
    fn begin(&mut self, kind: u16) -> usize {
        let start = self.0.len();
        self.0.extend([0; 2]);
        self.0.extend(kind.to_ne_bytes());
        start
    }

    fn end(&mut self, start: usize) -> io::Result<()> {
        let length = u16::try_from(self.0.len() - start)
            .map_err(|_| io::Error::from_raw_os_error(libc::EMSGSIZE))?;
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        Ok(())
    }

    /// The whole message, number `sequence`.
    fn finish(mut self, sequence: u32) -> io::Result<Vec<u8>> {
        let length = u32::try_from(self.0.len())
            .map_err(|_| io::Error::from_raw_os_error(libc::EMSGSIZE))?;
        self.0[0..4].copy_from_slice(&length.to_ne_bytes());
        self.0[8..12].copy_from_slice(&sequence.to_ne_bytes());
        Ok(self.0)
    }
}

/// The number at `offset`, if it is there.
fn number_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let bytes = bytes.get(offset..offset.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

fn short_at(bytes: &[u8], offset: usize) -> Option<u16> {
    let bytes = bytes.get(offset..offset.checked_add(2)?)?;
    Some(u16::from_ne_bytes(bytes.try_into().ok()?))
}

/// The attribute `wanted` among those in `bytes`.
fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(short_at(bytes, 0)?);
        let kind = short_at(bytes, 2)? & NLA_TYPE_MASK;
        let value = bytes.get(4..length)?;
        if kind == wanted {
            return Some(value);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
}

/// What the kernel says of a link.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub name: String,
    pub mtu: Option<u32>,
    /// The number of the bridge that it is in.
    pub bridge: Option<u32>,
    /// `veth`, `bridge`, …
    pub kind: String,
    /// The number of the other end of a pair, and of its namespace.
    pub peer: Option<(u32, u32)>,
}

impl Link {
    /// Reads what follows the header of a message.
    fn parse(body: &[u8]) -> Option<Self> {
        let attributes = body.get(LINK_HEADER..)?;
        let number = |kind| number_at(attribute(attributes, kind)?, 0);
        let kind = attribute(attributes, libc::IFLA_LINKINFO)
            .and_then(|info| attribute(info, libc::IFLA_INFO_KIND));
        let peer = number(libc::IFLA_LINK).zip(number(libc::IFLA_LINK_NETNSID));
        Some(Self {
            index: number_at(body, 4)?,
            name: text(attribute(attributes, libc::IFLA_IFNAME)?),
            mtu: number(libc::IFLA_MTU),
            bridge: number(libc::IFLA_MASTER),
            kind: kind.map(text).unwrap_or_default(),
            peer,
        })
    }
}

fn text(value: &[u8]) -> String {
    let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// A pair of links that is to be made.
pub struct Pair<'a> {
    /// The end in this namespace.
    pub here: &'a LinkName,
    pub address: [u8; 6],
    /// The other end; `eth%d` lets the kernel number it.
    pub there: &'a str,
    pub namespace: BorrowedFd<'a>,
    pub mtu: Option<u32>,
}

/// A connection to the kernel.
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

impl Netlink {
    pub fn open() -> Result<Self> {
        let socket = sys::netlink_socket().context(|| "cannot open a netlink socket".to_owned())?;
        Ok(Self { socket, sequence: 0 })
    }

    /// The link `name` of this network namespace, if there is one.
    pub fn find(&mut self, name: &str) -> Result<Option<Link>> {
        let mut message = Message::new(libc::RTM_GETLINK, 0, 0, false);
        let written = message.text(libc::IFLA_IFNAME, name);
        let answer = written.and_then(|()| self.ask(message));
        look_up(answer, name)
    }

    /// Link number `index` of the namespace that this one knows as number `namespace`.
    pub fn find_in(&mut self, namespace: u32, index: u32) -> Result<Option<Link>> {
        let mut message = Message::new(libc::RTM_GETLINK, 0, index, false);
        let written = message.number(TARGET_NETNSID, namespace);
        let answer = written.and_then(|()| self.ask(message));
        look_up(answer, "in the container")
    }

    /// Makes a pair of links: each end is in its namespace from the first moment.
    pub fn add_pair(&mut self, pair: &Pair<'_>) -> io::Result<()> {
        let flags = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        let mut message = Message::new(libc::RTM_NEWLINK, flags, 0, false);
        let namespace = std::os::fd::AsRawFd::as_raw_fd(&pair.namespace).unsigned_abs();
        message.text(libc::IFLA_IFNAME, pair.here.as_str())?;
        message.attribute(libc::IFLA_ADDRESS, &pair.address)?;
        pair.mtu.map_or(Ok(()), |mtu| message.number(libc::IFLA_MTU, mtu))?;
        let info = message.begin(libc::IFLA_LINKINFO);
        message.text(libc::IFLA_INFO_KIND, "veth")?;
        let data = message.begin(libc::IFLA_INFO_DATA);
        let peer = message.begin(VETH_INFO_PEER);
        message.link_header(0, false);
        message.text(libc::IFLA_IFNAME, pair.there)?;
        pair.mtu.map_or(Ok(()), |mtu| message.number(libc::IFLA_MTU, mtu))?;
        message.number(libc::IFLA_NET_NS_FD, namespace)?;
        for start in [peer, data, info] {
            message.end(start)?;
        }
        self.ask(message).map(drop)
    }

    /// Brings link number `index` up, in the bridge number `bridge`.
    pub fn bring_up(&mut self, index: u32, bridge: Option<u32>) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_NEWLINK, libc::NLM_F_ACK, index, true);
        bridge.map_or(Ok(()), |bridge| message.number(libc::IFLA_MASTER, bridge))?;
        self.ask(message).map(drop)
    }

    /// Deletes link number `index`, and its other end.
    pub fn delete(&mut self, index: u32) -> io::Result<()> {
        self.ask(Message::new(libc::RTM_DELLINK, libc::NLM_F_ACK, index, false)).map(drop)
    }

    /// Sends `message` and returns what follows the header of the answer; nothing of an acknowledgement.
    fn ask(&mut self, message: Message) -> io::Result<Vec<u8>> {
        self.sequence += 1;
        sys::send_to_kernel(self.socket.as_fd(), &message.finish(self.sequence)?)?;
        let mut buffer = vec![0; ANSWER];
        loop {
            let length = sys::receive_from_kernel(self.socket.as_fd(), &mut buffer)?;
            if let Some(answer) = answer(&buffer[..length], self.sequence) {
                return answer;
            }
        }
    }
}

/// The link that the kernel answers with; `None` if it says that there is none.
fn look_up(answer: io::Result<Vec<u8>>, name: &str) -> Result<Option<Link>> {
    match answer {
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
        answer => {
            let body = answer.context(|| format!("cannot look up the link {name}"))?;
            let link = Link::parse(&body);
            link.map(Some).ok_or_else(|| Failure::new("the kernel said nothing of a link"))
        }
    }
}

/// The answer to message number `sequence` in what was received.
fn answer(received: &[u8], sequence: u32) -> Option<io::Result<Vec<u8>>> {
    let length = usize::try_from(number_at(received, 0)?).ok()?;
    let (kind, number) = (short_at(received, 4)?, number_at(received, 8)?);
    let body = received.get(HEADER..length)?;
    if number != sequence {
        return None;
    }
    if i32::from(kind) != libc::NLMSG_ERROR {
        return Some(Ok(body.to_vec()));
    }
    match number_at(body, 0)?.cast_signed() {
        0 => Some(Ok(Vec::new())),
        code => Some(Err(io::Error::from_raw_os_error(code.saturating_neg()))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_attribute_is_no_longer_than_its_length_can_say() {
        let mut message = Message(Vec::new());
        assert!(message.attribute(1, &vec![0; 65_531]).is_ok());
        for length in [65_532, 65_536, 65_536 + 8, 1 << 20] {
            let mut message = Message(Vec::new());
            let error = message.attribute(1, &vec![0; length]).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE), "{length}");
        }
        let mut message = Message(Vec::new());
        let outer = message.begin(1);
        message.attribute(2, &vec![0; 60_000]).unwrap();
        message.attribute(3, &vec![0; 60_000]).unwrap();
        assert!(message.end(outer).is_err());
    }

    #[test]
    fn a_link_is_read_as_it_is_written() {
        let mut message = Message::new(libc::RTM_NEWLINK, 0, 7, true);
        message.text(libc::IFLA_IFNAME, "veth1000_abcd").unwrap();
        message.number(libc::IFLA_MTU, 1400).unwrap();
        message.number(libc::IFLA_MASTER, 3).unwrap();
        message.number(libc::IFLA_LINK, 2).unwrap();
        message.number(libc::IFLA_LINK_NETNSID, 0).unwrap();
        let info = message.begin(libc::IFLA_LINKINFO);
        message.text(libc::IFLA_INFO_KIND, "veth").unwrap();
        message.end(info).unwrap();
        let bytes = message.finish(9).unwrap();
        let link = Link::parse(&answer(&bytes, 9).unwrap().unwrap()).unwrap();
        let name = "veth1000_abcd".to_owned();
        let wanted = Link {
            index: 7,
            name,
            mtu: Some(1400),
            bridge: Some(3),
            kind: "veth".to_owned(),
            peer: Some((2, 0)),
        };
        assert_eq!(link, wanted);
        assert!(answer(&bytes, 8).is_none());
        assert!(answer(&bytes[..bytes.len() - 1], 9).is_none());
    }

    proptest! {
        #[test]
        fn any_answer_is_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = answer(&bytes, 1);
            let _ = Link::parse(&bytes);
        }

        #[test]
        fn attributes_are_found_whatever_is_before(
            before in prop::collection::vec((1u16..100, prop::collection::vec(any::<u8>(), 0..40)), 0..8),
            value in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut message = Message(Vec::new());
            for (kind, value) in before {
                message.attribute(kind, &value).unwrap();
            }
            message.attribute(200, &value).unwrap();
            prop_assert_eq!(attribute(&message.0, 200), Some(&value[..]));
        }
    }
}
