//! Links: `lxc.net.N.KEY`.

use super::super::forward::Forward;
use super::super::host_end::Filter;
use super::super::key::{Form, Key, OWN, Refusal};
use super::super::model::{Config, Ipvlan, Macvlan, Net, NetKind, Untagged, Veth, Vlan};
use super::super::value::{
    flag, gateway, ipv4, ipv6, mac, network, number, print_gateway, show_mac,
};
use super::one_of;
use crate::origin::Located;

const TYPES: [&str; 7] = ["empty", "none", "veth", "vlan", "macvlan", "ipvlan", "phys"];
const MACVLAN_MODES: [&str; 4] = ["private", "vepa", "bridge", "passthru"];
const IPVLAN_MODES: [&str; 3] = ["l3", "l3s", "l2"];
const IPVLAN_ISOLATIONS: [&str; 3] = ["bridge", "private", "vepa"];
const VETH_MODES: [&str; 2] = ["bridge", "router"];

/// A row for a key of a link.
macro_rules! link {
    (
        $key:literal, $help:literal, set: $set:expr, clear: $clear:expr, get: $get:expr $(,)?
    ) => {
        Key {
            name: concat!("lxc.net.N.", $key),
            help: $help,
            set: |config, field| {
                let net = entry(config, field.rest)?;
                let set: fn(&mut Net, super::super::key::Field<'_>) -> Result<(), Refusal> = $set;
                set(net, field)?;
                if let Some(origin) = field.origin {
                    net.origins.insert($key.to_owned(), origin.clone());
                }
                Ok(())
            },
            clear: |config, index| {
                if let Some(net) = index.parse().ok().and_then(|n: u32| config.net.get_mut(&n)) {
                    let clear: fn(&mut Net) = $clear;
                    clear(net);
                    net.origins.remove($key);
                }
            },
            get: |config, index| {
                let net = config.net.get(&index.parse().ok()?)?;
                let get: fn(&Net) -> Option<String> = $get;
                get(net)
            },
            ..super::ROW
        }
    };
}

/// A row for an optional value that every type of link has.
macro_rules! plain {
    ($key:literal, $field:ident, $parse:expr, $print:expr, $help:literal) => {
        link!(
            $key,
            $help,
            set: |net, field| {
                net.$field = Some($parse(field.value)?);
                Ok(())
            },
            clear: |net| net.$field = None,
            get: |net| Some(net.$field.as_ref().map($print).unwrap_or_default()),
        )
    };
}

/// A row for a limit of a link's traffic.
macro_rules! limit {
    ($key:literal, $field:ident, $help:literal) => {
        link!(
            $key,
            $help,
            set: |net, field| {
                net.host_end.$field = Some(field.value.parse()?);
                Ok(())
            },
            clear: |net| net.host_end.$field = None,
            get: |net| Some(net.host_end.$field.map(|rate| rate.to_string()).unwrap_or_default()),
        )
        .form(Form::Other("N[kbit | Mbit | Gbit]"))
        .since(OWN)
    };
}

/// A row for an optional value of a veth link.
macro_rules! veth {
    ($key:literal, $field:ident, $parse:expr, $print:expr, $help:literal) => {
        link!(
            $key,
            $help,
            set: |net, field| {
                let value = $parse(field.value)?;
                veth_of(net)?.$field = Some(value);
                Ok(())
            },
            clear: |net| {
                if let NetKind::Veth(veth) = &mut net.kind {
                    veth.$field = None;
                }
            },
            get: |net| match &net.kind {
                NetKind::Veth(veth) => {
                    Some(veth.$field.as_ref().map($print).unwrap_or_default())
                }
                _ => None,
            },
        )
    };
}

/// A row for a list of a veth link.
macro_rules! veth_list {
    ($key:literal, $field:ident, $parse:expr, $print:expr, $help:literal) => {
        link!(
            $key,
            $help,
            set: |net, field| {
                let value = $parse(field.value)?;
                veth_of(net)?.$field.push(Located::new(value, field.origin.cloned()));
                Ok(())
            },
            clear: |net| {
                if let NetKind::Veth(veth) = &mut net.kind {
                    veth.$field.clear();
                }
            },
            get: |net| match &net.kind {
                NetKind::Veth(veth) => {
                    Some(super::joined(veth.$field.iter().map(|one| $print(&one.value))))
                }
                _ => None,
            },
        )
        .list()
    };
}

/// A row for one of some words, the first by default, that the links of one type have.
macro_rules! word {
    ($key:literal, $kind:ident, $field:ident, $words:expr, $help:literal) => {
        link!(
            $key,
            $help,
            set: |net, field| {
                let value = one_of($words, field.value)?;
                match &mut net.kind {
                    NetKind::$kind(link) => link.$field = value,
                    _ => return Err(other_type($key.split_once('.').map_or($key, |(kind, _)| kind))),
                }
                Ok(())
            },
            clear: |net| {
                if let NetKind::$kind(link) = &mut net.kind {
                    $words[0].clone_into(&mut link.$field);
                }
            },
            get: |net| match &net.kind {
                NetKind::$kind(link) => Some(link.$field.clone()),
                _ => None,
            },
        )
        .form(Form::OneOf($words))
        .default($words[0])
    };
}

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "lxc.net",
        help: "Empty, forgets all links; reads as their types",
        set: |_, _| Err("write lxc.net.N.KEY, N counting links from 0".into()),
        clear: |config, _| config.net.clear(),
        get: |config, _| {
            Some(super::lines(config.net.values().map(|net| net.kind.word().to_owned())))
        },
        ..super::ROW
    }
    .form(Form::Other("(empty)")),
    Key {
        name: "lxc.net.N",
        help: "Empty, forgets that link",
        set: |_, _| Err("write lxc.net.N.KEY, such as lxc.net.0.type".into()),
        clear: |config, index| {
            index.parse().ok().and_then(|index: u32| config.net.remove(&index));
        },
        get: |_, _| None,
        ..super::ROW
    }
    .form(Form::Other("(empty)")),
    link!(
        "type",
        "Kind of the link; its first key, since it forgets all others of that link",
        set: |net, field| set_type(net, field.value),
        clear: |net| net.kind = NetKind::Empty,
        get: |net| Some(net.kind.word().to_owned()),
    )
    .form(Form::OneOf(&TYPES)),
    link!(
        "flags",
        "Any text sets the link up",
        set: |net, _| {
            net.up = true;
            Ok(())
        },
        clear: |net| net.up = false,
        get: |net| Some(if net.up { "up" } else { "" }.to_owned()),
    )
    .form(Form::OneOf(&["up"])),
    plain!(
        "link",
        link,
        interface,
        String::clone,
        "The bridge, or the host's link it is made from"
    )
    .example("lxcbr0"),
    link!(
        "name",
        "Its name inside",
        set: |net, field| {
            net.name = Some(interface(field.value)?);
            Ok(())
        },
        clear: |net| net.name = None,
        get: |net| Some(show_name(net)),
    )
    .example("eth0")
    .default("ethN"),
    plain!("mtu", mtu, number::<u32>, u32::to_string, "Largest packet, bytes").form(Form::Number),
    plain!("hwaddr", hwaddr, mac, show_mac, "MAC address; an x is a random digit")
        .form(Form::Other("XX:XX:XX:XX:XX:XX"))
        .example("10:66:6a:4f:00:1d"),
    link!(
        "ipv4.address",
        "IPv4 address with prefix length, and broadcast address",
        set: |net, field| {
            net.ipv4.push(Located::new(ipv4(field.value)?, field.origin.cloned()));
            Ok(())
        },
        clear: |net| net.ipv4.clear(),
        get: |net| {
            let show = |one: &Located<super::super::model::Ipv4Address>| {
                format!("{}/{}", one.address, one.prefix)
            };
            Some(super::joined(net.ipv4.iter().map(show)))
        },
    )
    .list()
    .form(Form::Other("ADDRESS/PREFIX [BROADCAST]"))
    .example("10.0.3.5/24"),
    plain!(
        "ipv4.gateway",
        ipv4_gateway,
        gateway,
        print_gateway,
        "IPv4 default gateway: an address, that of the link, or the device"
    )
    .form(Form::Other("ADDRESS | auto | dev"))
    .example("10.0.3.1"),
    link!(
        "ipv6.address",
        "IPv6 address with prefix length",
        set: |net, field| {
            net.ipv6.push(Located::new(ipv6(field.value)?, field.origin.cloned()));
            Ok(())
        },
        clear: |net| net.ipv6.clear(),
        get: |net| {
            let show = |one: &Located<super::super::model::Ipv6Address>| {
                format!("{}/{}", one.address, one.prefix)
            };
            Some(super::joined(net.ipv6.iter().map(show)))
        },
    )
    .list()
    .form(Form::Other("ADDRESS/PREFIX"))
    .example("fd00::5/64"),
    plain!(
        "ipv6.gateway",
        ipv6_gateway,
        gateway,
        print_gateway,
        "IPv6 default gateway: an address, that of the link, or the device"
    )
    .form(Form::Other("ADDRESS | auto | dev"))
    .example("fd00::1"),
    link!(
        "forward",
        "Ports of the host that lead to the container's address on the link",
        set: |net, field| {
            net.forwards.push(Located::new(Forward::parse(field.value)?, field.origin.cloned()));
            Ok(())
        },
        clear: |net| net.forwards.clear(),
        get: |net| {
            Some(super::joined(net.forwards.iter().map(|one| one.value.to_string())))
        },
    )
    .list()
    .form(Form::Other("[tcp: | udp:][ADDRESS:]PORT[-PORT]->PORT[-PORT]"))
    .example("tcp:8080->80")
    .since(OWN),
    link!(
        "l2proxy",
        "Answer ARP and NDP on the link for the container's addresses",
        set: |net, field| {
            net.l2proxy = flag(field.value)?;
            Ok(())
        },
        clear: |net| net.l2proxy = false,
        get: |net| Some(super::show_flag(&net.l2proxy)),
    )
    .form(Form::Flag)
    .default("0")
    .since("3.2"),
    limit!("limit.ingress", limit_ingress, "Largest rate towards the container, bits per second")
        .example("100Mbit"),
    limit!("limit.egress", limit_egress, "Largest rate from the container, bits per second")
        .example("20Mbit"),
    link!(
        "isolated",
        "Keep it from the other isolated links on its bridge",
        set: |net, field| {
            net.host_end.isolated = flag(field.value)?;
            Ok(())
        },
        clear: |net| net.host_end.isolated = false,
        get: |net| Some(super::show_flag(&net.host_end.isolated)),
    )
    .form(Form::Flag)
    .default("0")
    .since(OWN),
    link!(
        "filter",
        "Drop what the container sends under other addresses than its own",
        set: |net, field| {
            net.host_end.filter = field.value.parse()?;
            Ok(())
        },
        clear: |net| net.host_end.filter = Filter::default(),
        get: |net| Some(net.host_end.filter.to_string()),
    )
    .form(Form::SomeOf(&Filter::WORDS))
    .since(OWN),
    plain!(
        "script.up",
        script_up,
        super::text,
        String::clone,
        "Command on the host: the link is made"
    )
    .form(Form::Command)
    .example("/usr/local/lib/link-up"),
    plain!(
        "script.down",
        script_down,
        super::text,
        String::clone,
        "Command on the host before the link goes"
    )
    .form(Form::Command)
    .example("/usr/local/lib/link-down"),
    link!(
        "vlan.id",
        "VLAN of a vlan link; 0x for hexadecimal",
        set: |net, field| {
            let id = vlan_id(field.value)?;
            match &mut net.kind {
                NetKind::Vlan(vlan) => vlan.id = Some(id),
                _ => return Err(other_type("vlan")),
            }
            Ok(())
        },
        clear: |net| if let NetKind::Vlan(vlan) = &mut net.kind { vlan.id = None },
        get: |net| match &net.kind {
            NetKind::Vlan(vlan) => Some(vlan.id.map(|id| id.to_string()).unwrap_or_default()),
            _ => None,
        },
    )
    .form(Form::Other("0 ... 4094"))
    .example("42"),
    word!(
        "macvlan.mode",
        Macvlan,
        mode,
        &MACVLAN_MODES,
        "What a macvlan link may reach on the host's"
    ),
    word!("ipvlan.mode", Ipvlan, mode, &IPVLAN_MODES, "Layer on which an ipvlan link is separated")
        .since("3.2"),
    word!(
        "ipvlan.isolation",
        Ipvlan,
        isolation,
        &IPVLAN_ISOLATIONS,
        "What an ipvlan link may reach on the host's"
    )
    .since("3.2"),
    link!(
        "veth.mode",
        "Whether a veth link joins a bridge, or the host routes to it",
        set: |net, field| {
            let router = one_of(&VETH_MODES, field.value)? == "router";
            veth_of(net)?.router = router;
            Ok(())
        },
        clear: |net| if let NetKind::Veth(veth) = &mut net.kind { veth.router = false },
        get: |net| match &net.kind {
            NetKind::Veth(veth) => {
                Some(VETH_MODES[usize::from(veth.router)].to_owned())
            }
            _ => None,
        },
    )
    .form(Form::OneOf(&VETH_MODES))
    .default("bridge")
    .since("3.2"),
    veth!("veth.pair", pair, interface, String::clone, "Name of its end on the host")
        .example("veth-web1")
        .default("vethXXXXXX"),
    veth_list!(
        "veth.ipv4.route",
        ipv4_routes,
        |value| network(value, 32, 32),
        show_network,
        "IPv4 network that the host routes to the container"
    )
    .form(Form::Other("ADDRESS/PREFIX"))
    .example("192.0.2.0/28")
    .since("3.2"),
    veth_list!(
        "veth.ipv6.route",
        ipv6_routes,
        |value| network(value, 128, 128),
        show_network,
        "IPv6 network that the host routes to the container"
    )
    .form(Form::Other("ADDRESS/PREFIX"))
    .example("2001:db8:1::/64")
    .since("3.2"),
    veth!(
        "veth.vlan.id",
        vlan_id,
        untagged,
        show_untagged,
        "Untagged VLAN of its port on the bridge"
    )
    .form(Form::Other("0 ... 4094 | none"))
    .example("42")
    .since("5.0"),
    link!(
        "veth.vlan.tagged.id",
        "Tagged VLAN of its port on the bridge",
        set: |net, field| {
            let id = vlan_id(field.value)?;
            veth_of(net)?.vlan_tagged.push(id);
            Ok(())
        },
        clear: |net| if let NetKind::Veth(veth) = &mut net.kind { veth.vlan_tagged.clear() },
        get: |net| match &net.kind {
            NetKind::Veth(veth) => {
                Some(super::joined(veth.vlan_tagged.iter().map(u16::to_string)))
            }
            _ => None,
        },
    )
    .list()
    .form(Form::Other("0 ... 4094"))
    .example("43")
    .since("5.0"),
    veth!("veth.n_rxqueues", rx_queues, queues, u32::to_string, "Number of its receive queues")
        .form(Form::Number)
        .default("1")
        .since("5.0"),
    veth!("veth.n_txqueues", tx_queues, queues, u32::to_string, "Number of its transmit queues")
        .form(Form::Number)
        .default("1")
        .since("5.0"),
];

fn entry<'config>(config: &'config mut Config, index: &str) -> Result<&'config mut Net, Refusal> {
    let index: u32 = index.parse().map_err(|_| "the link's index is too large")?;
    Ok(config.net.entry(index).or_insert_with(|| Net::new(NetKind::Empty)))
}

/// Sets the type, and with it forgets whatever was set of the link, as LXC does.
fn set_type(net: &mut Net, value: &str) -> Result<(), Refusal> {
    if value == "bridge" {
        return Err("write veth, and the bridge's name as link of it".into());
    }
    let kind = match one_of(&TYPES, value)?.as_str() {
        "none" => NetKind::None,
        "veth" => NetKind::Veth(Veth::default()),
        "macvlan" => NetKind::Macvlan(Macvlan { mode: MACVLAN_MODES[0].into() }),
        "ipvlan" => NetKind::Ipvlan(Ipvlan {
            mode: IPVLAN_MODES[0].into(),
            isolation: IPVLAN_ISOLATIONS[0].into(),
        }),
        "vlan" => NetKind::Vlan(Vlan::default()),
        "phys" => NetKind::Phys,
        _ => NetKind::Empty,
    };
    *net = Net::new(kind);
    Ok(())
}

/// The name inside; a link that was made empty is the loopback.
fn show_name(net: &Net) -> String {
    let is_loopback = net.kind == NetKind::Empty && net.origins.contains_key("type");
    let default = if is_loopback { "lo" } else { "" };
    net.name.clone().unwrap_or_else(|| default.to_owned())
}

fn other_type(wanted: &str) -> Refusal {
    format!("only a link of type {wanted} has this key, and its type comes before it").into()
}

fn veth_of(net: &mut Net) -> Result<&mut Veth, Refusal> {
    match &mut net.kind {
        NetKind::Veth(veth) => Ok(veth),
        _ => Err(other_type("veth")),
    }
}

fn interface(value: &str) -> Result<String, Refusal> {
    // IFNAMSIZ (linux/if.h), without its NUL.
    if value.len() <= 15 && !value.contains(['/', ' ']) {
        Ok(value.to_owned())
    } else {
        Err("a link's name has at most 15 bytes, without blanks and '/'".into())
    }
}

fn vlan_id(value: &str) -> Result<u16, Refusal> {
    let parsed = match value.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16).ok(),
        None => value.parse().ok(),
    };
    parsed.filter(|id| *id < 4095).ok_or_else(|| "write a number from 0 to 4094".into())
}

fn untagged(value: &str) -> Result<Untagged, Refusal> {
    if value == "none" { Ok(Untagged::None) } else { vlan_id(value).map(Untagged::Vlan) }
}

fn show_untagged(id: &Untagged) -> String {
    match id {
        Untagged::None => "none".to_owned(),
        Untagged::Vlan(id) => id.to_string(),
    }
}

fn queues(value: &str) -> Result<u32, Refusal> {
    number(value).ok().filter(|count| *count > 0).ok_or_else(|| "write a number from 1".into())
}

fn show_network<A: std::fmt::Display>((address, prefix): &(A, u8)) -> String {
    format!("{address}/{prefix}")
}

#[cfg(test)]
mod tests {
    use crate::config::{Document, key};

    /// The length of a netlink attribute has 16 bits: what is longer would become further attributes.
    #[test]
    fn cve_2021_43784_no_value_is_longer_than_an_attribute() {
        // Programs, and what any text sets.
        let is_no_attribute = |name: &str| name.starts_with("script.") || name == "flags";
        let keys = key::all().filter(|key| {
            key.name.strip_prefix("lxc.net.N.").is_some_and(|name| !is_no_attribute(name))
        });
        for key in keys {
            for piece in ["x", "a:", "1.", "::", "fe80:", "up "] {
                for len in [65_532, 65_536, 65_600, 131_072] {
                    let value: String = piece.chars().cycle().take(len).collect();
                    let mut document = Document::parse("lxc.net.0.type = veth\n", "f").unwrap();
                    let name = key.name.replace(".N.", ".0.");
                    assert!(document.set(&name, &value, "-s").is_err(), "{name} of {len} {piece}");
                }
            }
        }
    }
}
