//! Addresses that the administrator keeps for a client, in the file `LXC_DHCP_CONFILE`: lines `dhcp-host=web,10.0.3.100`
//! (dnsmasq(8)).
//!
//! dnsmasq takes one line for a client, and one client for an address. So these count, and not one of ours.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::Path;

use crate::error::{Context, Result};
use crate::table;

/// The lines, the words of each.
#[derive(Debug, Default)]
pub(super) struct Reserved(Vec<Vec<String>>);

impl Reserved {
    /// Those in the file `path`; none without one.
    pub(super) fn read(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::default()) };
        match table::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            text => text
                .map(|text| Self::parse(&text))
                .context(|| format!("cannot read {}", path.display())),
        }
    }

    fn parse(text: &str) -> Self {
        let words = |line: &str| {
            let (option, value) = line.split_once('=')?;
            let value = value.split('#').next()?;
            let is_host = option.trim() == "dhcp-host";
            is_host.then(|| value.split(',').map(|word| word.trim().to_lowercase()).collect())
        };
        Self(text.lines().filter_map(words).collect())
    }

    /// The addresses for the client that has one of `signs`, a hardware address or a name; `None` if no line is about
    /// it.
    pub(super) fn addresses(&self, signs: &[String]) -> Option<Vec<IpAddr>> {
        let is_its = |line: &&Vec<String>| line.iter().any(|word| signs.contains(word));
        let mut lines = self.0.iter().filter(is_its).peekable();
        lines.peek()?;
        let address = |word: &String| word.trim_matches(['[', ']']).parse().ok();
        Some(lines.flatten().filter_map(address).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_name_and_hardware_address() {
        let reserved = Reserved::parse(
            "no-hosts\n#dhcp-host=db,10.0.3.9\ndhcp-host = Web , 10.0.3.100,12h # c\n\
             dhcp-host=10:66:6A:00:00:01,set:x,10.0.3.7,[fd00:3::7]\ndhcp-host=cache,ignore\n",
        );
        let of = |signs: &[&str]| {
            let signs: Vec<String> = signs.iter().map(|sign| (*sign).to_owned()).collect();
            reserved.addresses(&signs).map(|all| all.iter().map(IpAddr::to_string).collect())
        };
        assert_eq!(of(&["10:66:6a:00:00:02", "web"]), Some(vec!["10.0.3.100".to_owned()]));
        let both = Some(vec!["10.0.3.7".to_owned(), "fd00:3::7".to_owned()]);
        assert_eq!(of(&["10:66:6a:00:00:01"]), both);
        assert_eq!(of(&["cache"]), Some(Vec::new()));
        assert_eq!(of(&["db"]), None);
    }
}
