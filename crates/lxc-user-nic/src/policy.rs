//! /etc/lxc/lxc-usernet (lxc-usernet(5)): who may have how many links of which type on which bridge.
//!
//! A line is `USER TYPE BRIDGE COUNT` or `@GROUP TYPE BRIDGE COUNT`, in blanks or tabs; what follows is
//! not read. A line is a share of its own: where a user has several, links are counted in the first that
//! is not full; a group's is its members' together. So does LXC.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use crate::arguments::Bridge;
use crate::caller::Caller;
use crate::failure::{Context, Failure, Result};
use crate::records::TYPE;

pub const PATH: &str = "/etc/lxc/lxc-usernet";
/// More than an administrator writes.
const MAX: u64 = 1 << 20;

/// A line that applies to the caller.
#[derive(Debug, PartialEq, Eq)]
pub struct Share {
    /// `USER` or `@GROUP`.
    pub owner: Vec<u8>,
    pub allowed: usize,
}

/// The lines that apply to `caller` and `bridge`.
pub fn shares(caller: &Caller, bridge: &Bridge) -> Result<Vec<Share>> {
    let shares = parse(&read()?, caller, bridge);
    if shares.is_empty() {
        return Err(Failure::new(format!(
            "{caller} may have no veth links on {}",
            bridge.as_str()
        ))
        .hint(format!("as root, add \"{caller} veth {} 10\" to {PATH}", bridge.as_str())));
    }
    Ok(shares)
}

fn read() -> Result<Vec<u8>> {
    let opened = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(PATH);
    let file = match opened {
        // Nobody may do anything.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened.context(|| format!("cannot open {PATH}"))?,
    };
    let metadata = file.metadata().context(|| format!("cannot look at {PATH}"))?;
    if !metadata.is_file() || metadata.uid() != 0 || metadata.mode() & libc::S_IWOTH != 0 {
        return Err(Failure::new(format!("{PATH} must be a file that only root can write"))
            .hint(format!("as root: chown root {PATH} && chmod 644 {PATH}")));
    }
    let mut text = Vec::new();
    let read = file.take(MAX + 1).read_to_end(&mut text);
    read.context(|| format!("cannot read {PATH}"))?;
    if text.len() as u64 > MAX {
        return Err(Failure::new(format!("{PATH} has more than {MAX} bytes")));
    }
    Ok(text)
}

fn parse(text: &[u8], caller: &Caller, bridge: &Bridge) -> Vec<Share> {
    text.split(|byte| *byte == b'\n').filter_map(|line| share(line, caller, bridge)).collect()
}

fn share(line: &[u8], caller: &Caller, bridge: &Bridge) -> Option<Share> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r');
    let mut words = line.split(is_blank).filter(|word| !word.is_empty());
    let owner = words.next().filter(|owner| !owner.starts_with(b"#"))?;
    if words.next()? != TYPE || words.next()? != bridge.as_str().as_bytes() {
        return None;
    }
    let count = words.next().filter(|count| count.iter().all(u8::is_ascii_digit))?;
    let allowed = str::from_utf8(count).ok()?.parse().ok()?;
    caller.is(owner).then(|| Share { owner: owner.to_vec(), allowed })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::name::LinkName;

    fn parsed(text: &str) -> Vec<(String, usize)> {
        let caller = Caller::for_tests(1000, "ann", &["staff", "ann"]);
        let bridge = Bridge::Named(LinkName::new(b"br0").unwrap());
        let shares = parse(text.as_bytes(), &caller, &bridge);
        shares
            .into_iter()
            .map(|share| (String::from_utf8(share.owner).unwrap(), share.allowed))
            .collect()
    }

    fn one(owner: &str, allowed: usize) -> Vec<(String, usize)> {
        vec![(owner.to_owned(), allowed)]
    }

    #[test]
    fn a_line_names_a_user_or_a_group() {
        assert_eq!(parsed("ann veth br0 10\n"), one("ann", 10));
        assert_eq!(parsed("\t ann\tveth  br0 10"), one("ann", 10));
        assert_eq!(parsed("ann veth br0 10 # for now\r\n"), one("ann", 10));
        assert_eq!(parsed("@staff veth br0 3\n@other veth br0 9\n"), one("@staff", 3));
        let both = [one("ann", 1), one("@staff", 2), one("ann", 3)].concat();
        assert_eq!(parsed("ann veth br0 1\n@staff veth br0 2\nann veth br0 3"), both);
    }

    #[test]
    fn other_lines_give_nothing() {
        for line in [
            "",
            "# ann veth br0 10",
            "#ann veth br0 10",
            "ann veth br0",
            "ann veth br0 -1",
            "ann veth br0 +1",
            "ann veth br0 5x",
            "ann veth br0 0x5",
            "ann veth br0 99999999999999999999999",
            "ann veth br1 10",
            "ann veth br00 10",
            "ann vet br0 10",
            "an veth br0 10",
            "anna veth br0 10",
            "staff veth br0 10",
            "@ veth br0 10",
            "ann\0 veth br0 10",
        ] {
            assert_eq!(parsed(line), [], "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(text in prop::collection::vec(any::<u8>(), 0..300)) {
            let caller = Caller::for_tests(1000, "ann", &[]);
            parse(&text, &caller, &Bridge::None);
        }

        #[test]
        fn lines_of_others_give_nothing(
            owner in "[a-z@#]{0,5}", kind in "(veth|[a-z]{1,4})", count in "[0-9x-]{1,4}", blank in "[ \t]{1,3}",
        ) {
            prop_assume!(owner != "ann" && owner != "@staff" && owner != "@ann");
            prop_assert_eq!(parsed(&[owner, kind, "br0".into(), count].join(&blank)), []);
        }
    }
}
