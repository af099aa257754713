//! The table of the packet filter: what it is made of, reading its elements, and the commands that change them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::nft;
use super::Holder;
use crate::config::{Forward, Protocol};
use crate::error::{Error, Result};
use crate::identity::{ContainerName, Identity};

/// The table, of the family inet.
const TABLE: &str = "lxc_forward";

/// Longest comment of an element, bytes (`NFTNL_UDATA_COMMENT_MAXLEN`, libnftnl/udata.h, with its NUL).
const COMMENT_MAX: usize = 127;

/// The table without elements. The maps are for one of the host's addresses and for all; `near` holds networks
/// and the containers that they reach without the host, `opened` links with `route_localnet`.
const EMPTY: &str = "table inet lxc_forward {
  map one4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
  map one6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }
  map all4 { type inet_proto . inet_service : ipv4_addr . inet_service; }
  map all6 { type inet_proto . inet_service : ipv6_addr . inet_service; }
  set near4 { type ipv4_addr . ipv4_addr; flags interval; }
  set near6 { type ipv6_addr . ipv6_addr; flags interval; }
  set opened { type ifname; }
  chain ports {
    dnat ip to ip daddr . meta l4proto . th dport map @one4
    dnat ip6 to ip6 daddr . meta l4proto . th dport map @one6
    meta nfproto ipv4 dnat ip to meta l4proto . th dport map @all4
    meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @all6
  }
  chain from_others {
    type nat hook prerouting priority -100;
    fib daddr type local jump ports
  }
  chain from_host {
    type nat hook output priority -100;
    ip6 daddr ::1 return
    fib daddr type local jump ports
  }
  chain back {
    type nat hook postrouting priority 100;
    ct status dnat ip saddr 127.0.0.0/8 masquerade
    ct status dnat ip saddr . ip daddr @near4 masquerade
    ct status dnat ip6 saddr . ip6 daddr @near6 masquerade
  }
  chain loopback {
    type filter hook prerouting priority -300;
    iifname @opened ip saddr 127.0.0.0/8 drop
    iifname @opened ip daddr 127.0.0.0/8 drop
  }
}
";

/// Ports of the host that lead to one address of a container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Active {
    /// The directory that the container's directory is in.
    pub lxcpath: PathBuf,
    /// The container's name.
    pub name: String,
    /// The protocol.
    pub protocol: Protocol,
    /// The host's address; the unspecified one stands for all of its family.
    pub address: IpAddr,
    /// The host's first port.
    pub port: u16,
    /// The container's address; the unspecified one where it is found anew for each connection.
    pub to_address: IpAddr,
    /// The container's first port.
    pub to_port: u16,
    /// How many ports.
    pub count: u16,
}

impl Active {
    /// Whether it leads to the container `identity`.
    pub fn is_of(&self, identity: &Identity) -> bool {
        self.lxcpath == identity.lxcpath && self.name == identity.name.as_str()
    }

    /// What `forward` is to a container of an ordinary user, in which no address is fixed.
    pub fn relayed(identity: &Identity, forward: &Forward) -> Self {
        let any = if forward.address.is_some_and(|address| address.is_ipv6()) {
            IpAddr::from(Ipv6Addr::UNSPECIFIED)
        } else {
            IpAddr::from(Ipv4Addr::UNSPECIFIED)
        };
        Self {
            lxcpath: identity.lxcpath.clone(),
            name: identity.name.to_string(),
            protocol: forward.protocol,
            address: forward.address.unwrap_or(any),
            port: forward.port,
            to_address: any,
            to_port: forward.to_port,
            count: forward.count,
        }
    }

    /// The container that it leads to; `None` where somebody else made the element.
    fn identity(&self) -> Option<Identity> {
        let name = ContainerName::new(self.name.clone()).ok()?;
        Some(Identity::new(&self.lxcpath, name))
    }

    /// What leads there, with an address of the host's.
    pub(super) fn forward(&self) -> Forward {
        let Self { protocol, port, to_port, count, .. } = *self;
        Forward { protocol, address: Some(self.address), port, to_port, count }
    }

    /// Whether this port is one of `forward`, at the same address, and leads to the same port.
    pub(super) fn is_part_of(&self, forward: &Forward) -> bool {
        let is_at = forward.address.map_or(self.address.is_unspecified(), |at| at == self.address);
        let offset = |port: u16, to: u16| i32::from(to) - i32::from(port);
        is_at
            && self.forward().clash(forward).is_some()
            && offset(self.port, self.to_port) == offset(forward.port, forward.to_port)
    }

    /// The comment of its elements.
    fn holder(&self) -> String {
        self.lxcpath.join(&self.name).display().to_string()
    }

    fn map(&self) -> &'static str {
        match (self.address.is_ipv4(), self.address.is_unspecified()) {
            (true, true) => "all4",
            (true, false) => "one4",
            (false, true) => "all6",
            (false, false) => "one6",
        }
    }

    /// The key of one port in its map.
    fn key(&self) -> String {
        let port = format!("{} . {}", self.protocol, self.port);
        if self.address.is_unspecified() { port } else { format!("{} . {port}", self.address) }
    }
}

impl fmt::Display for Active {
    /// `tcp:8080->10.0.3.5:80`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Some(self.address).filter(|address| !address.is_unspecified());
        let text = Forward { address, ..self.forward() }.to_string();
        let (host, ports) = text.split_once("->").unwrap_or_default();
        match self.to_address {
            to if to.is_unspecified() => write!(f, "{host}->{ports}"),
            IpAddr::V4(to) => write!(f, "{host}->{to}:{ports}"),
            IpAddr::V6(to) => write!(f, "{host}->[{to}]:{ports}"),
        }
    }
}

/// The elements of the table, and the commands that make them so.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// One port each.
    active: Vec<Active>,
    /// The elements of `near4` and `near6`, and the comment of each.
    near: BTreeMap<String, String>,
    /// The links in `opened`.
    pub opened: BTreeSet<String>,
    commands: String,
    /// What was added, one port each.
    pub added: Vec<Active>,
    /// What was removed, one port each.
    pub removed: Vec<Active>,
}

impl Table {
    /// One that is to be made.
    pub fn new() -> Self {
        Self { commands: EMPTY.to_owned(), ..Self::default() }
    }

    /// Whether there may be one; quicker to say than [`read`](Self::read).
    pub fn may_exist() -> bool {
        nft::may_have_table(TABLE)
    }

    /// The one there is.
    pub fn read() -> Result<Option<Self>> {
        nft::table(TABLE)?.as_deref().map(Self::parse).transpose()
    }

    fn parse(json: &str) -> Result<Self> {
        let root: Value = serde_json::from_str(json)
            .map_err(|error| Error::new(format!("cannot read what nft shows: {error}")))?;
        let mut table = Self::default();
        let objects = root["nftables"].as_array().into_iter().flatten();
        for object in objects.filter_map(|one| one.get("map").or_else(|| one.get("set"))) {
            let name = object["name"].as_str().unwrap_or_default();
            for element in object["elem"].as_array().into_iter().flatten() {
                match name {
                    "opened" => table.opened.extend(element.as_str().map(str::to_owned)),
                    "near4" | "near6" => table.near.extend(parse_near(element)),
                    _ => table.active.extend(parse_active(name, element)),
                }
            }
        }
        Ok(table)
    }

    /// Who has a port of `forward`, in words.
    pub fn taken(&self, forward: &Forward, holder: Holder<'_>) -> Option<String> {
        let clashes = |one: &Active| Some((one.clone(), one.forward().clash(forward)?));
        let mut all = self.active.iter().filter_map(clashes);
        let lives = |one: &Active| {
            one.is_of(holder.identity) || one.identity().is_none_or(|other| (holder.runs)(&other))
        };
        let (one, port) = all.find(|(one, _)| lives(one))?;
        let whose = if one.is_of(holder.identity) {
            "this container".to_owned()
        } else {
            format!("the container {}", one.lxcpath.join(&one.name).display())
        };
        Some(format!("{} port {port} of the host leads to {whose} already", forward.protocol))
    }

    /// Whether some port of `forward` leads to the container.
    pub fn has(&self, identity: &Identity, forward: &Forward) -> bool {
        self.active.iter().any(|one| one.is_of(identity) && one.is_part_of(forward))
    }

    /// Removes the elements of containers that do not run.
    pub fn forget_dead(&mut self, holder: Holder<'_>) {
        let others = self.active.iter().filter(|one| !one.is_of(holder.identity));
        let others: BTreeSet<_> =
            others.map(|one| (one.lxcpath.clone(), one.name.clone())).collect();
        for (lxcpath, name) in others {
            let Ok(name) = ContainerName::new(name) else { continue };
            let other = Identity::new(lxcpath, name);
            if !(holder.runs)(&other) {
                self.forget(|one| one.is_of(&other));
            }
        }
    }

    /// Removes the elements that are `meant`; says whether there are some.
    pub fn forget(&mut self, meant: impl Fn(&Active) -> bool) -> bool {
        let all = std::mem::take(&mut self.active);
        let (gone, left): (Vec<_>, Vec<_>) = all.into_iter().partition(meant);
        self.active = left;
        for (map, some) in &by_map(&gone) {
            let keys: Vec<String> = some.iter().map(|one| one.key()).collect();
            self.command("delete", map, &keys);
        }
        let holders: BTreeSet<String> = self.active.iter().map(Active::holder).collect();
        let near = std::mem::take(&mut self.near);
        let (left, gone_near) =
            near.into_iter().partition(|(_, comment)| holders.contains(comment));
        self.near = left;
        for key in gone_near.into_keys() {
            self.command("delete", near_set(&key), &[key]);
        }
        let is_some = !gone.is_empty();
        self.removed.extend(gone);
        is_some
    }

    /// Adds the ports of `forward`, which has an address, to the address `to` of the container.
    pub fn add(&mut self, identity: &Identity, forward: &Forward, to: IpAddr) {
        let Some(address) = forward.address else { return };
        let new = |more| Active {
            lxcpath: identity.lxcpath.clone(),
            name: identity.name.to_string(),
            protocol: forward.protocol,
            address,
            port: forward.port + more,
            to_address: to,
            to_port: forward.to_port + more,
            count: 1,
        };
        let new: Vec<Active> = (0..forward.count).map(new).collect();
        for (map, some) in &by_map(&new) {
            let element = |one: &&Active| {
                format!("{} comment \"{}\" : {to} . {}", one.key(), one.holder(), one.to_port)
            };
            let elements: Vec<String> = some.iter().map(element).collect();
            self.command("add", map, &elements);
        }
        self.active.extend(new.iter().cloned());
        self.added.extend(new);
    }

    /// Says that the addresses of `network`, with its prefix length, reach the container's address `to` without
    /// the host; without one it is only the container itself.
    pub fn add_near(&mut self, comment: &str, network: Option<(IpAddr, u8)>, to: IpAddr) {
        let key = match network {
            Some((base, prefix)) => format!("{base}/{prefix} . {to}"),
            None => format!("{to} . {to}"),
        };
        if !self.near.contains_key(&key) {
            self.command("add", near_set(&key), &[format!("{key} comment \"{comment}\"")]);
            self.near.insert(key, comment.to_owned());
        }
    }

    /// Says that `route_localnet` is turned on for a link.
    pub fn add_opened(&mut self, link: &str) {
        self.command("add", "opened", &[format!("\"{link}\"")]);
        self.opened.insert(link.to_owned());
    }

    fn command(&mut self, verb: &str, set: &str, elements: &[String]) {
        let elements = elements.join(", ");
        self.commands += &format!("{verb} element inet {TABLE} {set} {{ {elements} }}\n");
    }

    /// Whether no port leads anywhere.
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// The commands for nft(8).
    pub fn changes(&self) -> Cow<'_, str> {
        if self.is_empty() {
            format!("delete table inet {TABLE}\n").into()
        } else {
            self.commands.as_str().into()
        }
    }

    /// All forwards, by container; neighbouring ports that lead to neighbouring ports together.
    pub fn joined(mut self) -> Vec<Active> {
        self.active.sort();
        let mut joined: Vec<Active> = Vec::new();
        for one in self.active {
            let goes_on = |last: &&mut Active| {
                let next = |port: u16| port.checked_add(last.count);
                let (Some(port), Some(to_port)) = (next(last.port), next(last.to_port)) else {
                    return false;
                };
                one == Active { port, to_port, count: 1, ..(**last).clone() }
            };
            match joined.last_mut().filter(goes_on) {
                Some(last) => last.count += 1,
                None => joined.push(one),
            }
        }
        joined
    }
}

/// The comment of the elements of a container: its directory.
pub(super) fn comment(identity: &Identity) -> Result<String> {
    let dir = identity.dir();
    let is_plain = |text: &&str| text.len() <= COMMENT_MAX && !text.contains(['"', '\n']);
    dir.to_str().filter(is_plain).map(str::to_owned).ok_or_else(|| {
        Error::new(format!("no ports can be forwarded to a container in {}", dir.display()))
            .hint(format!("the packet filter keeps {COMMENT_MAX} bytes of its path, without '\"'"))
    })
}

fn by_map(all: &[Active]) -> BTreeMap<&'static str, Vec<&Active>> {
    let mut maps: BTreeMap<_, Vec<&Active>> = BTreeMap::new();
    for one in all {
        maps.entry(one.map()).or_default().push(one);
    }
    maps
}

fn near_set(key: &str) -> &'static str {
    if key.contains(':') { "near6" } else { "near4" }
}

/// The key and the comment of an element, `{"elem": {"val": {"concat": KEY}, "comment": …}}`, or without a
/// comment only its inside.
fn parse_key(element: &Value) -> Option<(&[Value], &str)> {
    let (value, comment) = match element.get("elem") {
        Some(element) => (&element["val"], element["comment"].as_str().unwrap_or_default()),
        None => (element, ""),
    };
    Some((value["concat"].as_array()?, comment))
}

fn parse_near(element: &Value) -> Option<(String, String)> {
    let (key, comment) = parse_key(element)?;
    let [network, to] = key else { return None };
    let to = to.as_str()?;
    let network = match network.get("prefix") {
        Some(prefix) => format!("{}/{}", prefix["addr"].as_str()?, prefix["len"]),
        None => network.as_str()?.to_owned(),
    };
    Some((format!("{network} . {to}"), comment.to_owned()))
}

/// A pair of a map: key and value.
fn parse_active(map: &str, element: &Value) -> Option<Active> {
    let (key, comment) = parse_key(&element[0])?;
    let (address, key) = match (map, key) {
        ("all4", key) => ("0.0.0.0", key),
        ("all6", key) => ("::", key),
        ("one4" | "one6", [address, key @ ..]) => (address.as_str()?, key),
        _ => return None,
    };
    let [protocol, port] = key else { return None };
    let [to_address, to_port] = element[1]["concat"].as_array()?.as_slice() else { return None };
    let number = |value: &Value| u16::try_from(value.as_u64()?).ok();
    let path = Path::new(comment);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let word = protocol.as_str()?;
    Some(Active {
        lxcpath: path.parent().unwrap_or(Path::new("")).to_path_buf(),
        name,
        protocol: Protocol::ALL.iter().find(|(known, _)| *known == word)?.1,
        address: address.parse().ok()?,
        port: number(port)?,
        to_address: to_address.as_str()?.parse().ok()?,
        to_port: number(to_port)?,
        count: 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As nft 1.0.6 shows it.
    const SHOWN: &str = r#"{"nftables": [{"metainfo": {"version": "1.0.6"}},
      {"table": {"family": "inet", "name": "lxc_forward", "handle": 1}},
      {"map": {"name": "all4", "elem": [
        [{"elem": {"val": {"concat": ["udp", 53]}, "comment": "/c/b"}}, {"concat": ["10.0.3.6", 53]}],
        [{"elem": {"val": {"concat": ["tcp", 81]}, "comment": "/c/a"}}, {"concat": ["10.0.3.5", 91]}],
        [{"elem": {"val": {"concat": ["tcp", 80]}, "comment": "/c/a"}}, {"concat": ["10.0.3.5", 90]}],
        [{"concat": ["tcp", 99]}, {"concat": ["10.0.3.7", 99]}]]}},
      {"map": {"name": "one6", "elem": [
        [{"elem": {"val": {"concat": ["fd00::1", "tcp", 80]}, "comment": "/c/a"}}, {"concat": ["fd00::5", 80]}]]}},
      {"set": {"name": "near4", "elem": [
        {"elem": {"val": {"concat": [{"prefix": {"addr": "10.0.3.0", "len": 24}}, "10.0.3.5"]}, "comment": "/c/a"}},
        {"elem": {"val": {"concat": ["10.0.3.6", "10.0.3.6"]}, "comment": "/c/b"}}]}},
      {"set": {"name": "opened", "elem": ["lxcbr0"]}},
      {"chain": {"family": "inet", "name": "back"}}]}"#;

    fn identity(name: &str) -> Identity {
        Identity::new("/c", ContainerName::new(name).unwrap())
    }

    #[test]
    fn what_is_there_is_read_by_container() {
        let table = Table::parse(SHOWN).unwrap();
        assert_eq!(table.opened.iter().collect::<Vec<_>>(), ["lxcbr0"]);
        let shown = table.joined().iter().map(Active::to_string).collect::<Vec<_>>();
        assert_eq!(
            shown,
            [
                "tcp:99->10.0.3.7:99",
                "tcp:80-81->10.0.3.5:90-91",
                "tcp:[fd00::1]:80->[fd00::5]:80",
                "udp:53->10.0.3.6:53",
            ]
        );
    }

    #[test]
    fn elements_go_with_their_container() {
        let mut table = Table::parse(SHOWN).unwrap();
        assert!(table.forget(|one| one.is_of(&identity("a"))));
        assert!(!table.forget(|one| one.is_of(&identity("a"))));
        assert_eq!(
            table.changes(),
            "delete element inet lxc_forward all4 { tcp . 81, tcp . 80 }\n\
             delete element inet lxc_forward one6 { fd00::1 . tcp . 80 }\n\
             delete element inet lxc_forward near4 { 10.0.3.0/24 . 10.0.3.5 }\n"
        );
        let mut table = Table::parse(SHOWN).unwrap();
        table.forget(|_| true);
        assert_eq!(table.changes(), "delete table inet lxc_forward\n");
    }

    #[test]
    fn a_port_is_taken_while_its_container_runs() {
        let table = Table::parse(SHOWN).unwrap();
        let taken = |name: &str, runs: fn(&Identity) -> bool, text: &str| {
            let identity = identity(name);
            table.taken(&Forward::parse(text).unwrap(), Holder { identity: &identity, runs })
        };
        let whose = taken("b", |_| true, "70-80->70-80").unwrap();
        assert_eq!(whose, "tcp port 80 of the host leads to the container /c/a already");
        assert_eq!(taken("b", |_| false, "70-80->70-80"), None);
        assert!(taken("a", |_| false, "127.0.0.1:80->1").unwrap().contains("this container"));
        // Somebody made it by hand.
        assert!(taken("b", |_| false, "99->1").is_some());
    }
}
