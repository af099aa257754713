//! Who has a port that the bridge's server needs.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// The tables of this network namespace's sockets (proc_net(5)).
const TABLES: [&str; 4] = ["udp", "tcp", "udp6", "tcp6"];
/// The states of a socket that waits for others: of UDP `TCP_CLOSE`, of TCP `TCP_LISTEN`
/// (net/tcp_states.h).
const WAITING: [&str; 2] = ["07", "0A"];

/// A process with a socket at a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Holder {
    pid: u32,
    name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, process {}", self.name.escape_debug(), self.pid)
    }
}

/// The processes that have `port` of `address` or of all addresses.
pub(super) fn of(port: u16, address: IpAddr) -> Vec<Holder> {
    let tables = TABLES.map(|table| std::fs::read_to_string(format!("/proc/net/{table}")));
    let sockets: Vec<String> = tables
        .iter()
        .flatten()
        .flat_map(|table| table.lines().filter_map(|line| socket(line, port, address)))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut holders: Vec<Holder> = processes
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let has_one = has_one(&entry.path(), &sockets);
            let name = || std::fs::read(entry.path().join("comm")).ok();
            let name = has_one.then(name).flatten()?;
            Some(Holder { pid, name: String::from_utf8_lossy(&name).trim_end().to_owned() })
        })
        .collect();
    holders.sort();
    holders
}

/// Whether a descriptor of the process in `dir` is one of `sockets`.
fn has_one(dir: &Path, sockets: &[String]) -> bool {
    let descriptors = std::fs::read_dir(dir.join("fd")).into_iter().flatten().flatten();
    descriptors
        .filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok())
        .any(|link| sockets.iter().any(|socket| Path::new(socket) == link))
}

/// The inode of a table's `line` if it is a socket that waits at `port` of `address` or of all.
fn socket(line: &str, port: u16, address: IpAddr) -> Option<&str> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let (local, state, inode) = (words.get(1)?, words.get(3)?, words.get(9)?);
    let (at, local_port) = local.split_once(':')?;
    let at = parse(at)?.to_canonical();
    let is_port = u16::from_str_radix(local_port, 16).ok()? == port;
    let is_there = at.is_unspecified() || at == address;
    (is_port && is_there && WAITING.contains(state)).then_some(*inode)
}

/// An address as the tables have it: words of 32 bits, each a number in this host's byte order.
fn parse(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = hex.get(8 * at..8 * at + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    match hex.len() {
        8 => word(0).map(|bytes| Ipv4Addr::from(bytes).into()),
        32 => {
            let mut bytes = [0; 16];
            for (at, four) in bytes.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(at)?);
            }
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn sockets_at_the_port_are_found() {
        let bridge = IpAddr::from([10, 0, 3, 1]);
        for (local, state, found) in [
            ("0103000A:0035", "07", true),
            ("0103000A:0035", "0A", true),
            ("00000000:0035", "07", true),
            ("00000000000000000000000000000000:0035", "0A", true),
            ("0000000000000000FFFF00000103000A:0035", "0A", true),
            // A stub resolver's address, another port, and a connection.
            ("3500007F:0035", "07", false),
            ("0103000A:0043", "07", false),
            ("0103000A:0035", "01", false),
            ("0103:0035", "07", false),
        ] {
            let line = format!(
                " 7: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 0 0 4711 2 0"
            );
            assert_eq!(socket(&line, 53, bridge), found.then_some("4711"), "{line}");
        }
        assert_eq!(socket("  sl  local_address rem_address   st tx_queue", 53, bridge), None);
    }
}
