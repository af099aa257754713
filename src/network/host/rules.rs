//! The packet filter's rules (nft(8)): one table of our own, made and removed as a whole.

use std::io::Write;
use std::process::{Command, Stdio};

use super::settings::Settings;
use crate::error::{Context, Error, Result};
use crate::programs;

/// The table, named as that of LXC's own lxc-net, so that either undoes what the other did.
const TABLE: &str = "inet lxc";

/// Loads the rules at once: DHCP and DNS may come in from the bridge, containers may reach others and
/// be reached, and what leaves their network gets the host's address.
pub fn load(settings: &Settings) -> Result<()> {
    nft(&ruleset(settings))
}

/// Removes the table, also those two that LXC's lxc-net makes beside it.
pub fn remove() -> Result<()> {
    let tables = [TABLE, "ip lxc", "ip6 lxc"];
    // Declaring a table first makes its removal valid also where there is none.
    nft(&tables.map(|table| format!("table {table} {{}}\ndelete table {table}\n")).concat())
}

/// Whether the table is there.
pub fn are_loaded() -> bool {
    let Ok(nft) = programs::find("nft", "nftables") else { return false };
    let mut command = Command::new(nft);
    command.args(["list", "table", "inet", "lxc"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
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

fn nft(rules: &str) -> Result<()> {
    let mut child = Command::new(programs::find("nft", "nftables")?)
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context(|| "cannot run nft")?;
    if let Some(mut stdin) = child.stdin.take() {
        // If it reads no further, its exit status says why.
        let _ = stdin.write_all(rules.as_bytes());
    }
    let output = child.wait_with_output().context(|| "cannot wait for nft")?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::new("nft refused the rules").note(said.lines().next().unwrap_or_default()))
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
