//! The bridge of containers, and the programs behind it.

use super::{Finding, Verdict};
use crate::network::host::{HostNetwork, Settings, standard_files};
use crate::{paths, programs};

const TOPIC: &str = "network";
/// Programs that lxc-net runs, with their packages.
const PROGRAMS: [(&str, &str); 2] = [("nft", "nftables"), ("dnsmasq", "dnsmasq-base")];

/// The state of lxc-net.
pub fn examine() -> Vec<Finding> {
    let programs =
        PROGRAMS.into_iter().map(|(name, package)| match programs::find(name, package) {
            Ok(path) => Finding::ok(TOPIC, name, path.display().to_string()),
            Err(error) => Finding::of_error(TOPIC, name, Verdict::Limited, error),
        });
    programs.chain([lxc_net()]).collect()
}

fn lxc_net() -> Finding {
    const WHAT: &str = "lxc-net";
    let settings = match Settings::load(&standard_files()) {
        Ok(settings) => settings,
        Err(error) => return Finding::of_error(TOPIC, WHAT, Verdict::Limited, error),
    };
    if !settings.enabled {
        return Finding::ok(TOPIC, WHAT, "switched off by USE_LXC_BRIDGE");
    }
    let status = match HostNetwork::new(settings, paths::run_dir()).status() {
        Ok(status) => status,
        Err(error) => return Finding::of_error(TOPIC, WHAT, Verdict::Limited, error),
    };
    if !status.started {
        let found = format!("not started, so there is no bridge {}", status.bridge);
        return Finding::limited(
            TOPIC,
            WHAT,
            found,
            "systemctl start lxc-net, or: lxc-rs net start",
        );
    }
    let parts = [
        ("the bridge", status.members.is_some()),
        ("dnsmasq", status.dnsmasq.is_some()),
        ("the rules of nft", status.rules),
        ("forwarding", status.forwarding),
    ];
    let gone: Vec<&str> = parts.iter().filter(|(_, there)| !there).map(|(name, _)| *name).collect();
    if gone.is_empty() {
        let links = status.members.map_or(0, |members| members.len());
        let found = format!("{} at {}, {links} links", status.bridge, status.address);
        return Finding::ok(TOPIC, WHAT, found);
    }
    let found = format!("of {} is gone: {}", status.bridge, gone.join(", "));
    Finding::limited(TOPIC, WHAT, found, "lxc-rs net start, which makes what is gone")
}
