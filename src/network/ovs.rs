//! Bridges of Open vSwitch, which are told by `ovs-vsctl` (ovs-vsctl(8)). Its database keeps a port whose link is
//! gone, so each port says whose it is.

use std::process::{Command, Stdio};

use netlink_packet_route::link::InfoKind;
use nix::errno::Errno;

use super::netlink::Netlink;
use crate::config::{Net, Untagged, Veth};
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::programs;

/// How long its daemon may take, seconds.
const TIMEOUT: &str = "--timeout=5";

/// Whether a link of `kind` can be a bridge of Open vSwitch: the kernel makes those as its own kind, the daemon as a TUN
/// device.
pub(super) fn is_bridge(kind: &InfoKind) -> bool {
    match kind {
        InfoKind::Tun => true,
        InfoKind::Other(kind) => kind == "openvswitch",
        _ => false,
    }
}

/// Makes the link `port` of the container `identity` a port of `bridge`, in its VLANs.
pub(super) fn add_port(
    bridge: &str,
    port: &str,
    identity: &Identity,
    net: &Net,
    veth: &Veth,
) -> Result<()> {
    let owner = format!("external_ids:{OWNER}={}", quoted(identity));
    let mut words = vec![TIMEOUT, "--", "add-port", bridge, port];
    let vlans = vlans(veth);
    words.extend(vlans.iter().map(String::as_str));
    words.extend(["--", "set", "Interface", port, &owner]);
    run(&words).map(drop).map_err(|error| error.at(net.origin("link")))
}

/// Checks that a port can be in the VLANs that link `net` asks for.
pub(super) fn check(net: &Net, veth: &Veth) -> Result<()> {
    if veth.vlan_id == Some(Untagged::None) && veth.vlan_tagged.is_empty() {
        return Err(Error::new("a port of Open vSwitch cannot be in no VLAN at all")
            .at(net.origin("veth.vlan.id"))
            .hint("remove the line, or add veth.vlan.tagged.id"));
    }
    Ok(())
}

/// The columns of a port (ovs-vswitchd.conf.db(5)) that put it in its VLANs, as LXC does.
fn vlans(veth: &Veth) -> Vec<String> {
    let trunks: Vec<String> = veth.vlan_tagged.iter().map(u16::to_string).collect();
    let (mode, tag) = match veth.vlan_id {
        None if trunks.is_empty() => return Vec::new(),
        None => ("native-untagged", None),
        Some(Untagged::None) => ("trunk", None),
        Some(Untagged::Vlan(id)) if trunks.is_empty() => ("access", Some(id)),
        Some(Untagged::Vlan(id)) => ("native-untagged", Some(id)),
    };
    let mut columns = vec![format!("vlan_mode={mode}")];
    columns.extend(tag.map(|tag| format!("tag={tag}")));
    if !trunks.is_empty() {
        columns.push(format!("trunks={}", trunks.join(",")));
    }
    columns
}

/// Removes the port `port` of the bridge `lxc.net.N.link`, if that is one of Open vSwitch.
pub(super) fn remove_port(netlink: &Netlink, net: &Net, port: &str) -> Result<()> {
    match bridge(netlink, net)? {
        Some(bridge) => run(&[TIMEOUT, "--if-exists", "del-port", bridge, port]).map(drop),
        None => Ok(()),
    }
}

/// Removes the ports that a killed monitor of `identity` left on the bridge `lxc.net.N.link`.
pub(super) fn reclaim(netlink: &Netlink, net: &Net, identity: &Identity) -> Result<()> {
    let Some(bridge) = bridge(netlink, net)? else { return Ok(()) };
    let owner = format!("external_ids:{OWNER}={}", quoted(identity));
    let left = run(&[TIMEOUT, "--bare", "--columns=name", "find", "Interface", &owner])?;
    left.split_whitespace()
        .try_for_each(|port| run(&[TIMEOUT, "--if-exists", "del-port", bridge, port]).map(drop))
}

/// The bridge `lxc.net.N.link`, if it is there and one of Open vSwitch.
fn bridge<'a>(netlink: &Netlink, net: &'a Net) -> Result<Option<&'a str>> {
    let Some(name) = net.link.as_deref() else { return Ok(None) };
    match netlink.find(name) {
        Err(error) if error.is(Errno::ENODEV) => Ok(None),
        found => Ok(found?.kind.is_some_and(|kind| is_bridge(&kind)).then_some(name)),
    }
}

/// The key by which an interface says whose it is.
const OWNER: &str = "lxc-container";

/// The container, as a string of the database: in quotation marks.
fn quoted(identity: &Identity) -> String {
    let plain = format!("{}:{}", identity.lxcpath.display(), identity.name);
    format!("\"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\""))
}

fn run(words: &[&str]) -> Result<String> {
    let output = programs::output(
        Command::new(programs::find("ovs-vsctl", "openvswitch-switch")?)
            .args(words)
            .stdin(Stdio::null()),
    )
    .context(|| "cannot run ovs-vsctl")?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let reason = said.lines().next().unwrap_or_default().trim_start_matches("ovs-vsctl: ");
    Err(Error::new(format!("Open vSwitch refused a port: {reason}")))
}
