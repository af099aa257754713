//! Rules of other programs' (Docker, firewalld, a firewall by hand) that undo ours.
//!
//! Each table has its say: what one accepts, another may drop. So ours cannot let anything through that theirs do not,
//! and theirs are not ours to change.

use serde_json::Value;

use super::super::nft;
use crate::error::{Error, Result};

/// The hooks that containers need: what is lost without them, and how their links are named there.
const HOOKS: [(&str, &str, &[&str]); 2] = [
    ("input", "containers may get no address and no names from the host", &["iifname"]),
    ("forward", "containers may reach nobody outside, nor be reached", &["iifname", "oifname"]),
];

/// A chain that drops what it is not told to accept.
#[derive(Debug, PartialEq, Eq)]
struct Chain {
    /// `FAMILY TABLE NAME`.
    name: String,
    /// What is lost.
    loss: &'static str,
    /// How a link is named.
    links: &'static [&'static str],
}

/// Warnings of chains that drop what comes from `bridge`, as far as it can be told: they have no rule that names it.
pub(super) fn warnings(bridge: &str) -> Result<Vec<Error>> {
    let mut warnings = Vec::new();
    for chain in dropping(&nft::chains()?) {
        let words: Vec<&str> = chain.name.split(' ').collect();
        if !nft::chain(&words)?.contains(&format!("\"{bridge}\"")) {
            warnings.push(warning(&chain, bridge));
        }
    }
    Ok(warnings)
}

fn warning(chain: &Chain, bridge: &str) -> Error {
    let Chain { name, loss, links } = chain;
    let rule = |link: &&str| format!("insert rule {name} {link} {bridge} accept");
    let rules: Vec<String> = links.iter().map(rule).collect();
    Error::new(format!("another program's chain {name} drops what it does not know: {loss}"))
        .hint(format!("nft '{}'", rules.join("; ")))
}

/// The chains in `json` (libnftables-json(5)) that a packet from the bridge goes through, and that drop it unless a
/// rule of theirs accepts it.
fn dropping(json: &str) -> Vec<Chain> {
    let root: Value = serde_json::from_str(json).unwrap_or_default();
    let objects = root["nftables"].as_array().into_iter().flatten();
    let chains = objects.filter_map(|object| object.get("chain"));
    chains
        .filter_map(|chain| {
            let text = |key: &str| chain[key].as_str();
            let (_, loss, links) =
                HOOKS.into_iter().find(|(hook, ..)| text("hook") == Some(*hook))?;
            let family = text("family").filter(|family| ["ip", "ip6", "inet"].contains(family))?;
            let drops = text("policy") == Some("drop") && text("type") == Some("filter");
            let name = format!("{family} {} {}", text("table")?, text("name")?);
            drops.then_some(Chain { name, loss, links })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_that_drop_are_found() {
        let json = r#"{"nftables": [{"metainfo": {"version": "1.0.6"}},
          {"chain": {"family": "inet", "table": "lxc", "name": "forward", "handle": 1, "type": "filter", "hook": "forward", "prio": 0, "policy": "accept"}},
          {"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "handle": 1, "type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}},
          {"chain": {"family": "ip", "table": "filter", "name": "DOCKER-USER", "handle": 2}},
          {"chain": {"family": "arp", "table": "x", "name": "y", "handle": 2, "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
          {"chain": {"family": "inet", "table": "f", "name": "in", "handle": 2, "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}}]}"#;
        let names: Vec<String> = dropping(json).into_iter().map(|chain| chain.name).collect();
        assert_eq!(names, ["ip filter FORWARD", "inet f in"]);
        assert_eq!(dropping("no JSON"), []);
    }
}
