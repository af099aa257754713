//! Pairs of virtual ethernet devices (veth(4)): one end inside, the other on the host, usually in a
//! bridge.

use netlink_packet_route::link::{InfoData, InfoVeth};
use nix::errno::Errno;
use nix::unistd::Pid;
use rtnetlink::{LinkMessageBuilder, LinkUnspec, LinkVeth};

use super::super::host_end::{self, Bridge, HostEnd};
use super::super::netlink::{Lazy, Netlink};
use super::super::route::{self, DefaultRoute};
use super::super::{Given, ovs, sysctl, user_nic};
use super::{HWADDR_HINT, Kind, Link, MTU_HINT, Request, random_bytes, random_mac, router};
use crate::config::{Config, Net, Veth};
use crate::error::{Error, Result};
use crate::identity::Identity;

/// How often a random name may be taken before we give up.
const NAME_TRIES: usize = 16;

impl Kind for Veth {
    fn check(&self, _: u32, net: &Net, _: &Config) -> Result<()> {
        if self.router {
            router::check(net, self)?;
        }
        if let Some(bridge) = &net.link {
            nix::net::if_::if_nametoindex(bridge.as_str())
                .map_err(|errno| missing_bridge(net, bridge, errno))?;
        }
        if user_nic::is_needed() { user_nic::check(net, self) } else { Ok(()) }
    }

    fn create(&self, netlink: &Lazy, request: Request<'_>) -> Result<Link> {
        if user_nic::is_needed() {
            return user_nic::create(netlink, request);
        }
        create(netlink.get()?, request, self)
    }

    fn complete(&self, netlink: &Lazy, link: &Link) -> Result<()> {
        match &link.host_name {
            Some(name) if self.router => router::answer(netlink.get()?, name, &link.default_routes),
            _ => Ok(()),
        }
    }

    /// Deleting one end deletes both.
    fn release(&self, netlink: &Lazy, net: &Net, link: &Link, given: &Given<'_>) -> Result<()> {
        let Some(name) = &link.host_name else { return Ok(()) };
        if user_nic::is_needed() {
            return user_nic::delete(name, net, given);
        }
        let netlink = netlink.get()?;
        let removed = ovs::remove_port(netlink, net, name);
        let deleted = match netlink.delete(name) {
            Err(error) if error.is(Errno::ENODEV) => Ok(()),
            result => result,
        };
        // Not before: what the container still sends is filtered to the end.
        removed.and(deleted).and(host_end::release(given.identity, link.index, net))
    }

    fn reclaim(&self, netlink: &Lazy, identity: &Identity, net: &Net) -> Result<()> {
        ovs::reclaim(netlink.get()?, net, identity)
    }

    /// Not for an ordinary user, whose links get names that tell whose they are.
    fn fixed_host_name(&self) -> Option<&str> {
        self.pair.as_deref().filter(|_| !user_nic::is_needed())
    }

    fn needs_namespace(&self) -> bool {
        user_nic::is_needed()
    }

    fn takes_port(&self) -> bool {
        true
    }
}

fn missing_bridge(net: &Net, bridge: &str, errno: Errno) -> Error {
    Error::new(format!("the bridge {bridge} does not exist"))
        .errno(errno)
        .at(net.origin("link"))
        .hint(if bridge == "lxcbr0" {
            "bring it up with: lxc-rs net start".to_owned()
        } else {
            format!("create it with: ip link add {bridge} type bridge; or correct the line")
        })
}

/// Makes the pair, the inner end in the namespace of `init` under its final name.
fn create(netlink: &Netlink, request: Request<'_>, settings: &Veth) -> Result<Link> {
    let Request { identity, index, net, inside_name, init } = request;
    let bridge = match &net.link {
        None => None,
        Some(name) => Some(Bridge::find(netlink, name).map_err(|error| {
            error.errno.map(Errno::from_raw).map_or(error, |errno| missing_bridge(net, name, errno))
        })?),
    };
    let mac = match net.hwaddr {
        // The name in DNS is bound to it, and so is the filter.
        None => random_mac()?,
        Some(configured) => configured,
    };
    let mtu = net.mtu.or(bridge.and_then(|bridge| bridge.mtu));
    let name = add_pair(netlink, net, settings, inside_name, (mac, mtu), init)?;
    let link =
        Link { host_name: Some(name.clone()), mac: Some(mac), ..Link::without_host_end(&request) };
    let connected = netlink.find(&name).and_then(|found| {
        let number = found.index;
        let end = HostEnd { identity, index, net, veth: settings, name: &name, number, mac };
        connect(netlink, &end, bridge.as_ref())
    });
    connected.map(|default_routes| Link { default_routes, ..link }).map_err(|error| {
        // Deleting one end deletes both.
        let removed = ovs::remove_port(netlink, net, &name);
        let deleted = netlink.delete(&name);
        match removed.and(deleted).and(host_end::release(identity, index, net)) {
            Ok(()) => error,
            Err(problem) => error.note(format!("cleaning up: {problem}")),
        }
    })
}

fn add_pair(
    netlink: &Netlink,
    net: &Net,
    settings: &Veth,
    inside_name: &str,
    (mac, mtu): ([u8; 6], Option<u32>),
    init: Pid,
) -> Result<String> {
    for _ in 0..NAME_TRIES {
        let host_name = match &settings.pair {
            Some(name) => name.clone(),
            None => random_name()?,
        };
        let mut inner = LinkUnspec::new_with_name(inside_name)
            .setns_by_pid(init.as_raw().unsigned_abs())
            .address(mac.to_vec());
        let mut outer = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(
            netlink_packet_route::link::InfoKind::Veth,
        )
        .name(host_name.clone())
        .address(host_address()?);
        if let Some(mtu) = mtu {
            inner = inner.mtu(mtu);
            outer = outer.mtu(mtu);
        }
        let peer = InfoData::Veth(InfoVeth::Peer(inner.build()));
        let request = netlink.handle().link().add(outer.set_info_data(peer).build()).execute();
        let made = netlink.wait(request, || {
            format!("cannot make the link pair {host_name} (host) and {inside_name} (container)")
        });
        match made {
            Ok(()) => return Ok(host_name),
            // The kernel does not say which of the two names is taken.
            Err(error) if error.is(Errno::EEXIST) => {
                let is_here = nix::net::if_::if_nametoindex(host_name.as_str()).is_ok();
                if !is_here {
                    return Err(error.at(net.origin("name")).hint(format!(
                        "the container's network has a link called {inside_name} already"
                    )));
                }
                if settings.pair.is_some() {
                    return Err(error.at(net.origin("veth.pair")).hint(format!(
                        "another link has this name; see: ip link show {host_name}"
                    )));
                }
            }
            Err(error) => return Err(explain(error, net, mtu)),
        }
    }
    Err(Error::new("cannot find a free name for a link"))
}

/// Which line a pair fails by that the kernel does not make.
fn explain(error: Error, net: &Net, mtu: Option<u32>) -> Error {
    let (key, hint) = match error.errno.map(Errno::from_raw) {
        Some(Errno::EADDRNOTAVAIL) if net.hwaddr.is_some() => ("hwaddr", HWADDR_HINT),
        Some(Errno::EINVAL | Errno::ERANGE) if net.mtu.is_some() => ("mtu", MTU_HINT),
        // The link's own, and that of a loopback is larger.
        Some(Errno::EINVAL | Errno::ERANGE) if mtu.is_some() => {
            ("link", "no link pair can have its MTU: it must be a bridge")
        }
        _ => return error.at(net.origin("type")),
    };
    error.at(net.origin(key)).hint(hint)
}

/// Brings the host's end up, in the bridge or as a router, with its routes. Returns the container's default routes.
fn connect(
    netlink: &Netlink,
    end: &HostEnd<'_>,
    link: Option<&Bridge>,
) -> Result<Vec<DefaultRoute>> {
    let HostEnd { net, veth: settings, name, number, .. } = *end;
    host_end::guard(netlink, end)?;
    match link.filter(|_| !settings.router) {
        Some(bridge) => {
            make_anonymous(name, settings)?;
            host_end::join(netlink, end, bridge)?;
        }
        // Root inside must not tell the host where to send its packets.
        None => sysctl::set(&format!("ipv6/conf/{name}/accept_ra"), "0")?,
    }
    let up = LinkUnspec::new_with_index(number).up().build();
    netlink
        .wait(netlink.handle().link().set(up).execute(), || format!("cannot bring {name} up"))
        .map_err(|error| error.at(net.origin("type")))?;
    let default_routes = route::defaults(netlink, net, link.map(|link| link.number))?;
    if settings.router {
        router::connect(netlink, net, (name, number))?;
    }
    for (network, origin) in settings.routes() {
        route::add_on_host(netlink, number, network).map_err(|error| {
            let error = error.at(origin);
            match Errno::EINVAL {
                errno if error.is(errno) => {
                    error.hint("the bits of the address after its prefix must be 0")
                }
                _ => error,
            }
        })?;
    }
    Ok(default_routes)
}

/// The end of a pair in a bridge is not a host: it needs no IPv6 address of its own. Where routes lead
/// over it, it keeps IPv6, without an address.
fn make_anonymous(host_name: &str, settings: &Veth) -> Result<()> {
    let name = if settings.ipv6_routes.is_empty() { "disable_ipv6" } else { "addr_gen_mode" };
    sysctl::set(&format!("ipv6/conf/{host_name}/{name}"), "1")
}

/// `veth` and six random characters, as LXC names them.
fn random_name() -> Result<String> {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let random = random_bytes::<6>()?;
    let characters = random.map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
    Ok(format!("veth{}", characters.iter().collect::<String>()))
}

/// A random address that begins with `fe`: a bridge takes the lowest of its ports', and must not
/// change it with every container.
fn host_address() -> Result<Vec<u8>> {
    let mut mac = random_bytes::<6>()?;
    mac[0] = 0xfe;
    Ok(mac.to_vec())
}

#[cfg(test)]
mod tests {
    #[test]
    fn random_names_fit_an_interface_name() {
        let name = super::random_name().unwrap();
        assert_eq!(name.len(), 10);
        assert!(name.starts_with("veth") && name.chars().all(|c| c.is_ascii_alphanumeric()));
    }
}
