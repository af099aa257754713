//! Whether the kernel knows a kind of link or filter.

use std::io::Write;
use std::process::{Command, Stdio};

use netlink_packet_route::link::InfoKind;
use nix::errno::Errno;
use rtnetlink::{LinkMessageBuilder, LinkUnspec};

use super::netlink::Netlink;
use crate::error::Result;
use crate::programs;

/// Tries to make a link of `kind`. Call it in a network namespace of its own: where the kernel asks for
/// nothing beside the kind, the link is made. `EOPNOTSUPP`: the kernel does not know the kind.
pub fn link(kind: InfoKind) -> Result<()> {
    let netlink = Netlink::open()?;
    let message = LinkMessageBuilder::<LinkUnspec>::new_with_info_kind(kind).build();
    match netlink
        .wait(netlink.handle().link().add(message).execute(), || "cannot make a link".to_owned())
    {
        Err(error) if error.is(Errno::EOPNOTSUPP) => Err(error),
        // Another error, such as the missing parent of a VLAN, means that the kind is known.
        _ => Ok(()),
    }
}

/// Whether the packet filter takes `rules` (nft(8)), in a network namespace of the caller's own; `None`
/// without the program to ask with.
pub fn filter(rules: &str) -> Option<bool> {
    let mut command = Command::new(programs::find("nft", "nftables").ok()?);
    command.args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    if let Some(mut stdin) = child.stdin.take() {
        // nft's exit code tells what became of it.
        let _ = stdin.write_all(rules.as_bytes());
    }
    child.wait().ok().map(|status| status.success())
}
