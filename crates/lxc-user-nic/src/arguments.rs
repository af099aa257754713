//! The command line, which is LXC's. LXCPATH and NAME only tell the administrator, in a list of
//! processes, whose link it is: nothing is done with them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::failure::{Failure, Result};
use crate::name::LinkName;

const USAGE: &str = "\
usage: lxc-user-nic create LXCPATH NAME PID veth BRIDGE [INTERFACE]
       lxc-user-nic delete LXCPATH NAME NETNS veth BRIDGE LINK";

/// Where the host's end of a link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bridge {
    /// In none (`none`).
    None,
    Named(LinkName),
}

impl Bridge {
    /// As in the command line, the policy and the records.
    pub fn as_str(&self) -> &str {
        match self {
            Self::None => "none",
            Self::Named(name) => name.as_str(),
        }
    }
}

/// A link to make.
#[derive(Debug, PartialEq, Eq)]
pub struct Create {
    /// The process that has the network namespace.
    pub pid: u32,
    pub bridge: Bridge,
    /// Its name inside; the first free `ethN` by default.
    pub interface: Option<LinkName>,
}

/// A link to delete.
#[derive(Debug, PartialEq, Eq)]
pub struct Delete {
    /// A path to the network namespace.
    pub namespace: OsString,
    pub bridge: Bridge,
    /// Its name on the host.
    pub link: LinkName,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    Create(Create),
    Delete(Delete),
}

impl Command {
    /// Parses what follows the program's name.
    pub fn parse(arguments: &[OsString]) -> Result<Self> {
        let mut words = arguments.iter().map(OsString::as_os_str);
        let mut next = || words.next().ok_or_else(|| Failure::new(USAGE));
        let command = next()?;
        let (_lxcpath, _name) = (next()?, next()?);
        let (namespace, kind, bridge) = (next()?, next()?, next()?);
        let link = words.next();
        if words.next().is_some() {
            return Err(Failure::new(USAGE));
        }
        if kind != "veth" {
            return Err(Failure::new("only links of type veth can be made"));
        }
        let bridge = match bridge.as_bytes() {
            b"none" => Bridge::None,
            _ => Bridge::Named(name(bridge, "bridge")?),
        };
        match command.as_bytes() {
            b"create" => {
                let pid = pid(namespace.as_bytes())
                    .ok_or_else(|| Failure::new("the id of a process must be a positive number"))?;
                // An empty one is LXC's way to leave it out.
                let interface = link.filter(|name| !name.is_empty());
                let interface = interface.map(|link| name(link, "interface")).transpose()?;
                Ok(Self::Create(Create { pid, bridge, interface }))
            }
            b"delete" => {
                let link = name(link.ok_or_else(|| Failure::new(USAGE))?, "link")?;
                Ok(Self::Delete(Delete { namespace: namespace.to_owned(), bridge, link }))
            }
            _ => Err(Failure::new(USAGE)),
        }
    }
}

fn name(word: &OsStr, what: &str) -> Result<LinkName> {
    LinkName::new(word.as_bytes()).ok_or_else(|| {
        Failure::new(format!("the name of the {what} is not valid"))
            .hint("1 to 15 visible ASCII characters, without '/', ':' and '%'")
    })
}

/// Digits only: no sign, no blank, nothing after them.
fn pid(word: &[u8]) -> Option<u32> {
    let digits =
        str::from_utf8(word).ok().filter(|text| text.bytes().all(|c| c.is_ascii_digit()))?;
    digits.parse().ok().filter(|pid| (1..=i32::MAX.unsigned_abs()).contains(pid))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use proptest::prelude::*;

    use super::*;

    fn parse(line: &str) -> Result<Command> {
        Command::parse(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn both_commands_are_understood() {
        let bridge = || Bridge::Named(LinkName::new(b"br0").unwrap());
        let interface = LinkName::new(b"eth0");
        let create = Create { pid: 17, bridge: bridge(), interface };
        assert_eq!(parse("create /x c 17 veth br0 eth0").unwrap(), Command::Create(create));
        let create = Create { pid: 17, bridge: Bridge::None, interface: None };
        assert_eq!(parse("create /x c 17 veth none").unwrap(), Command::Create(create));
        let link = LinkName::new(b"veth1000_abcd").unwrap();
        let delete = Delete { namespace: "/proc/17/ns/net".into(), bridge: bridge(), link };
        let words = "delete /x c /proc/17/ns/net veth br0 veth1000_abcd";
        assert_eq!(parse(words).unwrap(), Command::Delete(delete));
    }

    #[test]
    fn everything_else_is_refused() {
        for line in [
            "",
            "create",
            "frob /x c 17 veth br0 eth0",
            "create /x c 17 veth br0 eth0 more",
            "create /x c 17 macvlan br0 eth0",
            "create /x c 0 veth br0 eth0",
            "create /x c -1 veth br0 eth0",
            "create /x c +1 veth br0 eth0",
            "create /x c 17x veth br0 eth0",
            "create /x c 4294967297 veth br0 eth0",
            "create /x c self veth br0 eth0",
            "create /x c 1/../2 veth br0 eth0",
            "create /x c 17 veth ../br0 eth0",
            "create /x c 17 veth br0 eth%d",
            "delete /x c /proc/17/ns/net veth br0",
            "delete /x c /proc/17/ns/net veth br0 a/b",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(words in prop::collection::vec(prop::collection::vec(1u8.., 0..20), 0..9)) {
            let words: Vec<_> = words.into_iter().map(OsString::from_vec).collect();
            let _ = Command::parse(&words);
        }

        #[test]
        fn whatever_is_taken_for_a_name_is_one_word(
            interface in prop::collection::vec(1u8.., 0..20),
            bridge in prop::collection::vec(1u8.., 0..20),
        ) {
            let mut words: Vec<OsString> = "create /x c 1 veth".split(' ').map(OsString::from).collect();
            words.extend([OsString::from_vec(bridge), OsString::from_vec(interface)]);
            if let Ok(Command::Create(create)) = Command::parse(&words) {
                let names = [create.bridge.as_str().to_owned(), create.interface.map(|name| name.to_string()).unwrap_or_default()];
                prop_assert!(names.iter().all(|name| name.len() <= 15 && !name.contains(['/', ':', ' ', '\n', '\0'])));
            }
        }
    }
}
