//! Who listens on a port of the host.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use crate::config::{Forward, Protocol};
use crate::error::{Context, Result};
use crate::table;

/// The state of a TCP socket that listens, and of a UDP one that is connected to nobody
/// (`TCP_LISTEN` and `TCP_CLOSE`, include/net/tcp_states.h).
const LISTENS: [(Protocol, &str); 2] = [(Protocol::Tcp, "0A"), (Protocol::Udp, "07")];

/// The first process that listens on a port of `forward`, in words.
pub(super) fn on(forward: &Forward) -> Result<Option<String>> {
    for version in ["", "6"] {
        let path = format!("/proc/net/{}{version}", forward.protocol);
        let text = match table::read(&path) {
            // A kernel without IPv6.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            result => result.context(|| format!("cannot read {path}"))?,
        };
        let mut sockets = text.lines().skip(1).filter_map(|line| parse(forward.protocol, line));
        let clash = sockets.find_map(|socket| Some((forward.clash(&socket.port)?, socket)));
        if let Some((port, socket)) = clash {
            let who = owner(socket.inode).unwrap_or_else(|| "a process out of sight".to_owned());
            let at = match socket.port.address {
                Some(address) => format!(" at {address}"),
                None => String::new(),
            };
            let protocol = forward.protocol;
            return Ok(Some(format!("{who} listens on {protocol} port {port} of the host{at}")));
        }
    }
    Ok(None)
}

struct Socket {
    /// As if it were forwarded.
    port: Forward,
    inode: u64,
}

/// A line of `/proc/net/tcp` and its like (proc_pid_net(5)), if that socket listens.
fn parse(protocol: Protocol, line: &str) -> Option<Socket> {
    let mut words = line.split_ascii_whitespace();
    let (local, _, state) = (words.nth(1)?, words.next()?, words.next()?);
    if !LISTENS.contains(&(protocol, state)) {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok().filter(|port| *port != 0)?;
    // One at the unspecified address of IPv6 has IPv4 as well, usually.
    let address = address_of(address).filter(|one| *one != Ipv6Addr::UNSPECIFIED);
    let port = Forward { protocol, address, port, to_port: port, count: 1 };
    Some(Socket { port, inode: words.nth(5)?.parse().ok()? })
}

/// An address as words of 32 bits, each printed as a number of this machine.
fn address_of(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = text.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    if text.len() == 8 {
        return Some(Ipv4Addr::from(word(0)?).into());
    }
    let mut bytes = [0; 16];
    for (at, chunk) in bytes.chunks_exact_mut(4).enumerate() {
        chunk.copy_from_slice(&word(at)?);
    }
    Some(IpAddr::from(Ipv6Addr::from(bytes)).to_canonical())
}

/// The process that has the socket `inode`: its name and pid.
fn owner(inode: u64) -> Option<String> {
    let wanted = format!("socket:[{inode}]");
    let has_it = |process: &Path| {
        let descriptors = std::fs::read_dir(process.join("fd")).ok()?;
        let is_it = |path: &Path| std::fs::read_link(path).is_ok_and(|to| to == Path::new(&wanted));
        descriptors.flatten().any(|entry| is_it(&entry.path())).then_some(())
    };
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    processes.map(|entry| entry.path()).find_map(|process| {
        let pid: u32 = process.file_name()?.to_str()?.parse().ok()?;
        has_it(&process)?;
        let name = table::read(process.join("comm")).unwrap_or_default();
        Some(format!("{} (process {pid})", name.trim_end()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_found() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let on = |address: &str| {
            on(&Forward::parse(&format!("{address}{port}->80")).unwrap())
                .unwrap()
                .unwrap_or_default()
        };
        let own = format!(
            "(process {}) listens on tcp port {port} of the host at 127.0.0.1",
            std::process::id()
        );
        assert!(on("").ends_with(&own), "{}", on(""));
        assert!(on("127.0.0.1:").ends_with(&own));
        assert_eq!(on("127.0.0.2:"), "");
        assert_eq!(on("[::]:"), "");
    }

    #[test]
    fn lines_of_sockets_are_read() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1";
        let socket = parse(Protocol::Tcp, line).unwrap();
        if cfg!(target_endian = "little") {
            assert_eq!(socket.port.to_string(), "tcp:127.0.0.1:8080->8080");
        }
        assert_eq!(socket.inode, 4711);
        assert!(parse(Protocol::Udp, line).is_none());
        assert!(parse(Protocol::Tcp, "").is_none());
        let mapped = "0000000000000000FFFF00000100007F";
        let words = address_of(mapped);
        assert_eq!(words.is_some_and(|one| one.is_ipv4()), cfg!(target_endian = "little"));
    }
}
