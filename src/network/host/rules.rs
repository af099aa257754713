//! The packet filter's rules (nft(8)): one table of our own, made and removed as a whole.

use super::super::nft;
use super::settings::Settings;
use crate::error::Result;

/// The table, named as that of LXC's own lxc-net, so that either undoes what the other did.
const TABLE: &str = "inet lxc";

/// Loads the rules at once: DHCP and DNS may come in from the bridge, containers may reach others and
/// be reached, and what leaves their network gets the host's address.
pub fn load(settings: &Settings) -> Result<()> {
    nft::apply(&ruleset(settings))
}

/// Removes the table, also those two that LXC's lxc-net makes beside it.
pub fn remove() -> Result<()> {
    let tables = [TABLE, "ip lxc", "ip6 lxc"];
    // Declaring a table first makes its removal valid also where there is none.
    nft::apply(&tables.map(|table| format!("table {table} {{}}\ndelete table {table}\n")).concat())
}

/// Whether the table is there.
pub fn are_loaded() -> bool {
    nft::table("lxc").is_ok_and(|table| table.is_some())
}

fn ruleset(settings: &Settings) -> String {
    let bridge = &settings.bridge;
    let ipv4 = &settings.ipv4.range;
    let ipv6 = settings.ipv6.as_ref().filter(|_| settings.ipv6_nat).map(|ipv6| {
        let network = &ipv6.range;
        format!("\n    ip6 saddr {network} ip6 daddr != {network} counter masquerade")
    });
    format!(
        r#"table {TABLE} {{}}
delete table {TABLE}
table {TABLE} {{
  chain input {{
    type filter hook input priority filter;
    iifname "{bridge}" udp dport {{ 53, 67, 547 }} accept
    iifname "{bridge}" tcp dport 53 accept
  }}
  chain forward {{
    type filter hook forward priority filter;
    iifname "{bridge}" accept
    oifname "{bridge}" accept
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    ip saddr {ipv4} ip daddr != {ipv4} counter masquerade{}
  }}
}}
"#,
        ipv6.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_names_the_bridge_or_the_network() {
        let settings = Settings { bridge: "br7".to_owned(), ..Settings::default() };
        let rules = ruleset(&settings);
        assert_eq!(rules.matches("\"br7\"").count(), 4);
        assert!(rules.contains("ip saddr 10.0.3.0/24 ip daddr != 10.0.3.0/24 counter masquerade"));
        assert!(!rules.contains("ip6"));
    }
}
