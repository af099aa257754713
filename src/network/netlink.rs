//! One rtnetlink connection (rtnetlink(7)), driven by this thread.

use std::cell::{OnceCell, RefCell};
use std::future::Future;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use futures_util::{StreamExt, TryStreamExt};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage, Prop};
use nix::errno::Errno;
use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::{Handle, LinkUnspec};

use super::driver::Driver;
use crate::config::Namespace;
use crate::error::{Context, Error, Result};

/// A connection to the kernel's routing and links.
pub struct Netlink {
    driver: RefCell<Driver>,
    handle: Handle,
}

/// What must be known about a link before using it.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its number.
    pub index: u32,
    /// Its MTU, bytes.
    pub mtu: Option<u32>,
    /// Its hardware address.
    pub address: Vec<u8>,
    /// Its kind; `None` for a network card.
    pub kind: Option<InfoKind>,
}

/// A connection that is made when it is needed first.
#[derive(Default)]
pub(super) struct Lazy(OnceCell<Netlink>);

impl Lazy {
    /// The connection.
    pub fn get(&self) -> Result<&Netlink> {
        if let Some(netlink) = self.0.get() {
            return Ok(netlink);
        }
        let netlink = Netlink::open()?;
        Ok(self.0.get_or_init(|| netlink))
    }
}

impl Netlink {
    /// Connects, in the network namespace this thread is in.
    pub fn open() -> Result<Self> {
        let (connection, handle, _) =
            rtnetlink::new_connection_with_socket().context(|| "cannot open a netlink socket")?;
        Ok(Self { driver: RefCell::new(Driver::new(connection)), handle })
    }

    /// Connects in the network namespace `namespace`; the thread is back in its own afterwards.
    pub fn open_in(namespace: BorrowedFd<'_>) -> Result<Self> {
        within(namespace, Self::open)
    }

    /// The handle to make requests with.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Waits for the answer to a request.
    pub fn wait<T>(
        &self,
        request: impl Future<Output = std::result::Result<T, rtnetlink::Error>>,
        what: impl FnOnce() -> String,
    ) -> Result<T> {
        let answer = self.driver.borrow_mut().run(request)?;
        answer.map_err(|error| to_error(error, what()))
    }

    /// Has the kernel do what `message` says, one that the handle has no words for, with `flags` of
    /// netlink(7).
    pub fn request(
        &self,
        message: RouteNetlinkMessage,
        flags: u16,
        what: impl FnOnce() -> String,
    ) -> Result<()> {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        let mut handle = self.handle.clone();
        let answer = async move {
            let mut answers = handle.request(request)?;
            while let Some(answer) = answers.next().await {
                if let NetlinkPayload::Error(message) = answer.payload {
                    return Err(rtnetlink::Error::NetlinkError(message));
                }
            }
            Ok(())
        };
        self.wait(answer, what)
    }

    /// All that the kernel says of the link `name`.
    pub fn get(&self, name: &str) -> Result<LinkMessage> {
        let mut stream = self.handle.link().get().match_name(name.to_owned()).execute();
        let message = self.wait(stream.try_next(), || format!("cannot find the link {name}"))?;
        message
            .ok_or_else(|| Error::new(format!("cannot find the link {name}")).errno(Errno::ENODEV))
    }

    /// Finds the link `name`.
    pub fn find(&self, name: &str) -> Result<Found> {
        let message = self.get(name)?;
        let mut found =
            Found { index: message.header.index, mtu: None, address: Vec::new(), kind: None };
        for attribute in message.attributes {
            match attribute {
                LinkAttribute::Mtu(mtu) => found.mtu = Some(mtu),
                LinkAttribute::Address(address) => found.address = address,
                LinkAttribute::LinkInfo(infos) => {
                    found.kind = infos.into_iter().find_map(|info| match info {
                        LinkInfo::Kind(kind) => Some(kind),
                        _ => None,
                    });
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// All links.
    pub fn links(&self) -> Result<Vec<LinkMessage>> {
        let stream = self.handle.link().get().execute();
        self.wait(stream.try_collect(), || "cannot list links".to_owned())
    }

    /// All addresses.
    pub fn addresses(&self) -> Result<Vec<AddressMessage>> {
        let stream = self.handle.address().get().execute();
        self.wait(stream.try_collect(), || "cannot list addresses".to_owned())
    }

    /// The first address of link number `index` that is `wanted`.
    pub fn first_address(
        &self,
        index: u32,
        wanted: impl Fn(&IpAddr) -> bool,
    ) -> Result<Option<IpAddr>> {
        let addresses = self.addresses()?;
        let mut of_link = addresses.iter().filter(|message| message.header.index == index);
        Ok(of_link.find_map(|message| address_of(message).filter(&wanted)))
    }

    /// The number of the link with the alternative name `name`, if there is one.
    pub fn find_other_name(&self, name: &str) -> Result<Option<u32>> {
        let has_name = |link: &&LinkMessage| other_names(link).any(|other| other == name);
        Ok(self.links()?.iter().find(has_name).map(|link| link.header.index))
    }

    /// Gives link number `index` the alternative name `name` (Linux 5.5).
    pub fn name_also(&self, index: u32, name: &str) -> Result<()> {
        let request = self.handle.link().property_add(index).alt_ifname(&[name]).execute();
        self.wait(request, || format!("cannot give a link the alternative name {name}"))
    }

    /// Takes the alternative name `name` from link number `index`.
    pub fn forget_name(&self, index: u32, name: &str) -> Result<()> {
        let request = self.handle.link().property_del(index).alt_ifname(&[name]).execute();
        self.wait(request, || format!("cannot remove the alternative name {name} of a link"))
    }

    /// Calls link number `index` `name`; it is down then.
    pub fn rename(&self, index: u32, name: &str) -> Result<()> {
        for change in [
            LinkUnspec::new_with_index(index).down(),
            LinkUnspec::new_with_index(index).name(name.to_owned()),
        ] {
            self.wait(self.handle.link().set(change.build()).execute(), || {
                format!("cannot call link {index} {name}")
            })?;
        }
        Ok(())
    }

    /// Deletes the link `name`.
    pub fn delete(&self, name: &str) -> Result<()> {
        let message = LinkUnspec::new_with_name(name).build();
        self.wait(self.handle.link().del_with_message(message).execute(), || {
            format!("cannot delete the link {name}")
        })
    }
}

/// The alternative names of `link`.
pub(super) fn other_names(link: &LinkMessage) -> impl Iterator<Item = &str> {
    let properties = link.attributes.iter().flat_map(|attribute| match attribute {
        LinkAttribute::PropList(properties) => properties.as_slice(),
        _ => &[],
    });
    properties.filter_map(|one| match one {
        Prop::AltIfName(name) => Some(name.as_str()),
        _ => None,
    })
}

/// Does `work` in the network namespace `namespace`; the thread is back in its own afterwards.
pub(super) fn within<T>(namespace: BorrowedFd<'_>, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let own = crate::namespace::set::open("thread-self", Namespace::Net)?;
    let flag = Namespace::Net.flag();
    crate::sys::process::setns(namespace, flag).context(|| "cannot join the network namespace")?;
    let done = work();
    crate::sys::process::setns(own.as_fd(), flag)
        .context(|| "cannot return to the own network namespace")?;
    done
}

/// The address a message is about: its local one where there is a peer.
pub fn address_of(message: &AddressMessage) -> Option<IpAddr> {
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    local.or_else(|| {
        message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    })
}

fn to_error(error: rtnetlink::Error, what: String) -> Error {
    match error {
        rtnetlink::Error::NetlinkError(message) => {
            Error::new(what).errno(Errno::from_raw(message.raw_code().abs()))
        }
        other => Error::new(format!("{what}: {other}")),
    }
}
