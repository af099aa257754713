//! Running nft(8), the packet filter's program; and what can be asked of the kernel without it.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::{Command, Output, Stdio};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};

use crate::error::{Context, Error, Result};
use crate::programs;

/// Does all that `commands` says, or nothing.
pub fn apply(commands: &str) -> Result<()> {
    let output = run(&["-f", "-"], commands)?;
    if output.status.success() { Ok(()) } else { Err(refused(&output, "nft refused the rules")) }
}

/// Whether there is a table `name` of the family inet, asked of the kernel (linux/netfilter/nf_tables.h): nft
/// takes a thousand times as long to say so. Where the kernel gives no clear answer there may be one.
pub fn may_have_table(name: &str) -> bool {
    let asked = || -> nix::Result<Vec<u8>> {
        let kind = SockType::Raw;
        let protocol = SockProtocol::NetlinkNetFilter;
        let socket = socket(AddressFamily::Netlink, kind, SockFlag::SOCK_CLOEXEC, protocol)?;
        send(socket.as_raw_fd(), &question(name), MsgFlags::empty())?;
        let mut answer = vec![0; ANSWER_MAX];
        let len = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
        answer.truncate(len);
        Ok(answer)
    };
    // After its header an error has the errno, negative.
    let missing = (-(Errno::ENOENT as i32)).to_ne_bytes();
    !asked().is_ok_and(|answer| {
        answer.get(4..6) == Some(&ERROR.to_ne_bytes()[..])
            && answer.get(16..20) == Some(&missing[..])
    })
}

/// `NLMSG_ERROR`.
const ERROR: u16 = 2;
/// More than a table, or an error with the question, is.
const ANSWER_MAX: usize = 4096;

/// A message of netlink(7): `NFT_MSG_GETTABLE` of the subsystem of nftables, for the family inet.
fn question(name: &str) -> Vec<u8> {
    const GET_TABLE: u16 = 10 << 8 | 1;
    const REQUEST: u16 = 1;
    const FAMILY_INET: u8 = 1;
    const NAME: u16 = 1;
    let attribute_len = 4 + name.len() + 1;
    let len = 20 + attribute_len.next_multiple_of(4);
    let short = |len: usize| u16::try_from(len).unwrap_or(u16::MAX);
    let mut message = Vec::with_capacity(len);
    message.extend(u32::from(short(len)).to_ne_bytes());
    message.extend(GET_TABLE.to_ne_bytes());
    message.extend(REQUEST.to_ne_bytes());
    // Neither a number of the message nor of the sender.
    message.extend([0; 8]);
    message.extend([FAMILY_INET, 0, 0, 0]);
    message.extend(short(attribute_len).to_ne_bytes());
    message.extend(NAME.to_ne_bytes());
    message.extend(name.as_bytes());
    message.resize(len, 0);
    message
}

/// The table `name` of the family inet as JSON (libnftables-json(5)); `None` if there is none.
pub fn table(name: &str) -> Result<Option<String>> {
    let output = run(&["-j", "list", "table", "inet", name], "")?;
    if output.status.success() {
        return Ok(Some(crate::table::text(output.stdout)));
    }
    if String::from_utf8_lossy(&output.stderr).contains("No such file or directory") {
        return Ok(None);
    }
    Err(refused(&output, &format!("nft does not show the table inet {name}")))
}

/// All chains, without their rules, as JSON (libnftables-json(5)).
pub fn chains() -> Result<String> {
    let output = run(&["-j", "list", "chains"], "")?;
    if !output.status.success() {
        return Err(refused(&output, "nft does not list the chains"));
    }
    Ok(crate::table::text(output.stdout))
}

/// The chain of these names, those of its family and its table first, as JSON.
pub fn chain(names: &[&str]) -> Result<String> {
    let output = run(&[&["-j", "list", "chain"], names].concat(), "")?;
    if !output.status.success() {
        let what = format!("nft does not show the chain {}", names.join(" "));
        return Err(refused(&output, &what));
    }
    Ok(crate::table::text(output.stdout))
}

/// The names of the tables of `family`.
pub fn tables(family: &str) -> Result<Vec<String>> {
    let output = run(&["list", "tables", family], "")?;
    if !output.status.success() {
        return Err(refused(&output, "nft does not list the tables"));
    }
    // Lines are `table FAMILY NAME`.
    let text = crate::table::text(output.stdout);
    Ok(text.lines().filter_map(|line| line.split(' ').nth(2)).map(str::to_owned).collect())
}

fn refused(output: &Output, what: &str) -> Error {
    let said = String::from_utf8_lossy(&output.stderr);
    Error::new(what).note(said.lines().next().unwrap_or_default())
}

fn run(arguments: &[&str], input: &str) -> Result<Output> {
    let mut child = Command::new(programs::find("nft", "nftables")?)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context(|| "cannot run nft")?;
    if let Some(mut stdin) = child.stdin.take() {
        // If it reads no further, its exit status says why.
        let _ = stdin.write_all(input.as_bytes());
    }
    programs::output_of(child).context(|| "cannot wait for nft")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_asked_for_a_table_by_its_name() {
        let message = question("lxc");
        assert_eq!(message[..8], [28, 0, 0, 0, 1, 10, 1, 0]);
        assert_eq!(message[16..], [1, 0, 0, 0, 8, 0, 1, 0, b'l', b'x', b'c', 0]);
        assert_eq!(question("lxc_forward").len(), 36);
    }
}
