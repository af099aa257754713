//! Links: `lxc.net.N.KEY`. One row; the keys behind the index are a table of their own.

use super::super::key::{Field, Key, Refusal};
use super::super::model::{Config, Net, NetKind, Veth};
use super::super::origin::Located;
use super::super::value::{flag, gateway, ipv4, ipv6, mac, network, number, print_gateway};

pub(super) const KEYS: &[Key] = &[Key {
    name: "lxc.net.*",
    help: "A network link, by index: type, link, flags, name, mtu, hwaddr, ipv4.address, …",
    set,
    clear,
    get,
}];

fn split(rest: &str) -> Option<(u32, &str)> {
    let (index, key) = rest.split_once('.').unwrap_or((rest, ""));
    Some((index.parse().ok()?, key))
}

fn set(config: &mut Config, field: Field<'_>) -> Result<(), Refusal> {
    let (index, key) = split(field.rest)
        .filter(|(_, key)| !key.is_empty())
        .ok_or("write lxc.net.N.KEY, N counting links from 0")?;
    let net = config.net.entry(index).or_insert_with(|| Net::new(NetKind::Empty));
    if key == "type" {
        set_type(net, field.value)?;
    } else {
        set_key(net, key, field)?;
    }
    if let Some(origin) = field.origin {
        net.origins.insert(key.to_owned(), origin.clone());
    }
    Ok(())
}

fn set_type(net: &mut Net, value: &str) -> Result<(), Refusal> {
    net.kind = match value {
        "empty" => NetKind::Empty,
        "none" => NetKind::None,
        "veth" => NetKind::Veth(Veth::default()),
        "macvlan" => NetKind::Macvlan { mode: "private".into() },
        "ipvlan" => NetKind::Ipvlan { mode: "l3".into(), isolation: "bridge".into() },
        "vlan" => NetKind::Vlan { id: None },
        "phys" => NetKind::Phys,
        _ => return Err("there are: empty none veth macvlan ipvlan vlan phys".into()),
    };
    Ok(())
}

fn set_key(net: &mut Net, key: &str, field: Field<'_>) -> Result<(), Refusal> {
    let value = field.value;
    let located = || field.origin.cloned();
    match key {
        "flags" => net.up = true,
        "link" => net.link = Some(interface(value)?),
        "name" => net.name = Some(interface(value)?),
        "mtu" => net.mtu = Some(number(value)?),
        "hwaddr" => net.hwaddr = Some(mac(value)?),
        "ipv4.address" => net.ipv4.push(Located::new(ipv4(value)?, located())),
        "ipv4.gateway" => net.ipv4_gateway = Some(gateway(value)?),
        "ipv6.address" => net.ipv6.push(Located::new(ipv6(value)?, located())),
        "ipv6.gateway" => net.ipv6_gateway = Some(gateway(value)?),
        "l2proxy" => net.l2proxy = flag(value)?,
        "script.up" => net.script_up = Some(value.into()),
        "script.down" => net.script_down = Some(value.into()),
        _ => return set_typed(net, key, field),
    }
    Ok(())
}

fn set_typed(net: &mut Net, key: &str, field: Field<'_>) -> Result<(), Refusal> {
    let value = field.value;
    let located = || field.origin.cloned();
    let one_of = |words: &[&str]| {
        if words.contains(&value) {
            Ok(value.to_owned())
        } else {
            Err(format!("there are: {}", words.join(" ")))
        }
    };
    match (&mut net.kind, key) {
        (NetKind::Macvlan { mode }, "macvlan.mode") => {
            *mode = one_of(&["private", "vepa", "bridge", "passthru"])?;
        }
        (NetKind::Ipvlan { mode, .. }, "ipvlan.mode") => *mode = one_of(&["l3", "l3s", "l2"])?,
        (NetKind::Ipvlan { isolation, .. }, "ipvlan.isolation") => {
            *isolation = one_of(&["bridge", "private", "vepa"])?;
        }
        (NetKind::Vlan { id }, "vlan.id") => {
            let hexadecimal = value.strip_prefix("0x");
            let parsed = match hexadecimal {
                Some(digits) => u16::from_str_radix(digits, 16).ok(),
                None => value.parse().ok(),
            };
            *id = Some(parsed.filter(|id| *id < 4095).ok_or("write a number from 0 to 4094")?);
        }
        (NetKind::Veth(veth), _) => return set_veth(veth, key, value, located()),
        _ => {
            let known = ["macvlan.", "ipvlan.", "vlan.", "veth."];
            return Err(if known.iter().any(|prefix| key.starts_with(prefix)) {
                "the link is of another type; its type must be set first".into()
            } else {
                format!("a link has no key {key}")
            });
        }
    }
    Ok(())
}

fn set_veth(
    veth: &mut Veth,
    key: &str,
    value: &str,
    origin: Option<super::super::origin::Origin>,
) -> Result<(), Refusal> {
    let vlan = |text: &str| -> Result<u16, Refusal> {
        let id = text.parse().ok().filter(|id| *id < 4095);
        id.ok_or_else(|| "write a number from 0 to 4094".to_owned())
    };
    match key {
        "veth.pair" => veth.pair = Some(interface(value)?),
        "veth.mode" => {
            veth.router = match value {
                "bridge" => false,
                "router" => true,
                _ => return Err("there are: bridge router".into()),
            };
        }
        "veth.ipv4.route" => veth.ipv4_routes.push(Located::new(network(value, 32, 32)?, origin)),
        "veth.ipv6.route" => veth.ipv6_routes.push(Located::new(network(value, 128, 128)?, origin)),
        "veth.vlan.id" if value == "none" => veth.vlan_id = Some(None),
        "veth.vlan.id" => veth.vlan_id = Some(Some(vlan(value)?)),
        "veth.vlan.tagged.id" => veth.vlan_tagged.push(vlan(value)?),
        "veth.n_rxqueues" => veth.rx_queues = Some(number(value)?),
        "veth.n_txqueues" => veth.tx_queues = Some(number(value)?),
        _ => return Err(format!("a veth link has no key {key}")),
    }
    Ok(())
}

fn interface(value: &str) -> Result<String, Refusal> {
    // IFNAMSIZ (linux/if.h), without its NUL.
    if value.len() <= 15 && !value.contains(['/', ' ']) {
        Ok(value.to_owned())
    } else {
        Err("a link's name has at most 15 bytes, without blanks and '/'".into())
    }
}

fn clear(config: &mut Config, rest: &str) {
    let Some((index, key)) = split(rest) else {
        config.net.clear();
        return;
    };
    if key.is_empty() {
        config.net.remove(&index);
        return;
    }
    let Some(net) = config.net.get_mut(&index) else {
        return;
    };
    net.origins.remove(key);
    match (key, &mut net.kind) {
        ("flags", _) => net.up = false,
        ("link", _) => net.link = None,
        ("name", _) => net.name = None,
        ("mtu", _) => net.mtu = None,
        ("hwaddr", _) => net.hwaddr = None,
        ("ipv4.address", _) => net.ipv4.clear(),
        ("ipv4.gateway", _) => net.ipv4_gateway = None,
        ("ipv6.address", _) => net.ipv6.clear(),
        ("ipv6.gateway", _) => net.ipv6_gateway = None,
        ("l2proxy", _) => net.l2proxy = false,
        ("script.up", _) => net.script_up = None,
        ("script.down", _) => net.script_down = None,
        ("veth.pair", NetKind::Veth(veth)) => veth.pair = None,
        ("veth.ipv4.route", NetKind::Veth(veth)) => veth.ipv4_routes.clear(),
        ("veth.ipv6.route", NetKind::Veth(veth)) => veth.ipv6_routes.clear(),
        ("veth.vlan.id", NetKind::Veth(veth)) => veth.vlan_id = None,
        ("veth.vlan.tagged.id", NetKind::Veth(veth)) => veth.vlan_tagged.clear(),
        _ => {}
    }
}

fn type_word(kind: &NetKind) -> &'static str {
    match kind {
        NetKind::Empty => "empty",
        NetKind::None => "none",
        NetKind::Veth(_) => "veth",
        NetKind::Macvlan { .. } => "macvlan",
        NetKind::Ipvlan { .. } => "ipvlan",
        NetKind::Vlan { .. } => "vlan",
        NetKind::Phys => "phys",
    }
}

fn get(config: &Config, rest: &str) -> Option<String> {
    if rest.is_empty() {
        return Some(super::lines(config.net.values().map(|net| type_word(&net.kind).to_owned())));
    }
    let (index, key) = split(rest)?;
    let net = config.net.get(&index)?;
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
    let value = match (key, &net.kind) {
        ("type", kind) => type_word(kind).to_owned(),
        ("flags", _) => if net.up { "up" } else { "" }.to_owned(),
        ("link", _) => optional(&net.link),
        ("name", _) => optional(&net.name),
        ("mtu", _) => number(net.mtu),
        ("hwaddr", _) => net
            .hwaddr
            .map(|mac| mac.map(|byte| format!("{byte:02x}")).join(":"))
            .unwrap_or_default(),
        ("ipv4.address", _) => {
            super::lines(net.ipv4.iter().map(|one| format!("{}/{}", one.address, one.prefix)))
        }
        ("ipv4.gateway", _) => net.ipv4_gateway.as_ref().map(print_gateway).unwrap_or_default(),
        ("ipv6.address", _) => {
            super::lines(net.ipv6.iter().map(|one| format!("{}/{}", one.address, one.prefix)))
        }
        ("ipv6.gateway", _) => net.ipv6_gateway.as_ref().map(print_gateway).unwrap_or_default(),
        ("l2proxy", _) => super::show_flag(&net.l2proxy),
        ("script.up", _) => optional(&net.script_up),
        ("script.down", _) => optional(&net.script_down),
        ("macvlan.mode", NetKind::Macvlan { mode })
        | ("ipvlan.mode", NetKind::Ipvlan { mode, .. }) => mode.clone(),
        ("ipvlan.isolation", NetKind::Ipvlan { isolation, .. }) => isolation.clone(),
        ("vlan.id", NetKind::Vlan { id }) => id.map(|id| id.to_string()).unwrap_or_default(),
        (_, NetKind::Veth(veth)) => get_veth(veth, key)?,
        _ => return None,
    };
    Some(value)
}

fn get_veth(veth: &Veth, key: &str) -> Option<String> {
    let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
    Some(match key {
        "veth.pair" => veth.pair.clone().unwrap_or_default(),
        "veth.mode" => if veth.router { "router" } else { "bridge" }.to_owned(),
        "veth.ipv4.route" => {
            super::lines(veth.ipv4_routes.iter().map(|one| format!("{}/{}", one.0, one.1)))
        }
        "veth.ipv6.route" => {
            super::lines(veth.ipv6_routes.iter().map(|one| format!("{}/{}", one.0, one.1)))
        }
        "veth.vlan.id" => match veth.vlan_id {
            Some(Some(id)) => id.to_string(),
            Some(None) => "none".into(),
            None => String::new(),
        },
        "veth.vlan.tagged.id" => super::lines(veth.vlan_tagged.iter().map(u16::to_string)),
        "veth.n_rxqueues" => number(veth.rx_queues),
        "veth.n_txqueues" => number(veth.tx_queues),
        _ => return None,
    })
}
