//! Links for ordinary users, who may make none on the host: the program lxc-user-nic, which is
//! set-user-ID root, makes and deletes them as far as root allows it (lxc-usernet(5)).

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nix::unistd::geteuid;

use super::kind::{Request, random_mac};
use super::netlink::Lazy;
use super::{Given, Link, route};
use crate::config::{Net, Veth};
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::paths;
use crate::programs;
use crate::sys::programs::is_set_user_id;

/// The name of no bridge in a command line.
const NO_BRIDGE: &str = "none";

/// Whether this process may make no links on the host.
pub(super) fn is_needed() -> bool {
    !geteuid().is_root()
}

/// Checks that the program can be called, and that nothing is asked for that it cannot do.
pub(super) fn check(net: &Net, veth: &Veth) -> Result<()> {
    let routes = [
        ("veth.ipv4.route", veth.ipv4_routes.is_empty()),
        ("veth.ipv6.route", veth.ipv6_routes.is_empty()),
    ];
    if let Some((key, _)) = routes.iter().find(|(_, is_empty)| !is_empty) {
        return Err(Error::new("an ordinary user can add no routes to the host")
            .at(net.origin(key))
            .hint("remove the line, or have root add the route"));
    }
    program().map(drop).map_err(|error| error.at(net.origin("type")))
}

/// Where the program is, if it can do its work.
pub fn program() -> Result<PathBuf> {
    let path = paths::user_nic();
    if is_set_user_id(&path) {
        return Ok(path);
    }
    let shown = path.display();
    let (what, hint) = if path.exists() {
        ("is not set-user-ID root", format!("as root: chown root {shown} && chmod 4755 {shown}"))
    } else {
        ("is missing", "install all of lxc-rs as root".to_owned())
    };
    Err(Error::new(format!("{shown} {what}, which makes links for ordinary users")).hint(hint))
}

fn bridge(net: &Net) -> &str {
    net.link.as_deref().unwrap_or(NO_BRIDGE)
}

/// Has the link made.
pub(super) fn create(netlink: &Lazy, request: Request<'_>) -> Result<Link> {
    let Request { identity, net, inside_name, init, .. } = request;
    let mut command = command("create", identity);
    command.args([&init.to_string(), "veth", bridge(net), inside_name]).stdin(Stdio::null());
    let output = run(command).map_err(|error| error.at(net.origin("link")))?;
    let host_name = host_name(&output.stdout)
        .ok_or_else(|| Error::new(format!("{} printed no link", paths::user_nic().display())))?;
    // Set inside. What it had by DHCP is known by it when the network is gone.
    let mac = net.hwaddr.map_or_else(random_mac, Ok)?;
    let link =
        Link { host_name: Some(host_name), mac: Some(mac), ..Link::without_host_end(&request) };
    let bridge = match &net.link {
        Some(name) => Some(netlink.get()?.find(name)?.index),
        None => None,
    };
    // On failure the link goes with the namespace.
    let default_routes = route::defaults(netlink.get()?, net, bridge)?;
    Ok(Link { default_routes, ..link })
}

/// Has the link `name` deleted, and counted no more.
pub(super) fn delete(name: &str, net: &Net, given: &Given<'_>) -> Result<()> {
    let Some(namespace) = given.namespace else {
        return Err(Error::new(format!("the network namespace of the link {name} is not known")));
    };
    let mut command = command("delete", given.identity);
    let namespace = namespace.try_clone_to_owned().context(|| "cannot keep a namespace")?;
    // All other descriptors are closed by that program.
    command.args(["/proc/self/fd/0", "veth", bridge(net), name]).stdin(namespace);
    run(command).map(drop).map_err(|error| error.at(net.origin("link")))
}

/// `lxc-user-nic COMMAND LXCPATH NAME`
fn command(command: &str, identity: &Identity) -> Command {
    let mut program = Command::new(paths::user_nic());
    program.arg(command).arg(&identity.lxcpath).arg(identity.name.as_str()).stdin(Stdio::null());
    program
}

fn run(mut command: Command) -> Result<Output> {
    let program = Path::new(command.get_program()).to_path_buf();
    let output =
        programs::output(&mut command).context(|| format!("cannot run {}", program.display()))?;
    if output.status.success() { Ok(output) } else { Err(said(&program, &output)) }
}

/// What the program said, as an error: `lxc-user-nic: WHAT` and perhaps `hint: HINT`.
fn said(program: &Path, output: &Output) -> Error {
    let text = String::from_utf8_lossy(&output.stderr);
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let what = lines.next().map(|line| line.trim_start_matches("lxc-user-nic: "));
    let reason = what.map_or_else(|| output.status.to_string(), str::to_owned);
    let error = Error::new(format!("{}: {reason}", program.display()));
    match lines.find_map(|line| line.strip_prefix("hint: ")) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The link on the host in `INTERFACE:INDEX:LINK:INDEX`.
fn host_name(printed: &[u8]) -> Option<String> {
    let words: Vec<&str> = str::from_utf8(printed).ok()?.trim_end().split(':').collect();
    match words[..] {
        [_, _, name, _] if !name.is_empty() => Some(name.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    #[test]
    fn the_hosts_end_is_the_third_word() {
        assert_eq!(host_name(b"eth0:2:veth1000_abcd:7\n").as_deref(), Some("veth1000_abcd"));
        for printed in ["", "eth0", "eth0:2:veth1000_abcd", "a:b:c:d:e", "a:1::2"] {
            assert_eq!(host_name(printed.as_bytes()), None, "{printed}");
        }
    }

    #[test]
    fn what_the_program_says_is_the_error() {
        let output = |stderr: &str, raw| Output {
            status: ExitStatus::from_raw(raw),
            stdout: Vec::new(),
            stderr: stderr.into(),
        };
        let error =
            said(Path::new("/x"), &output("lxc-user-nic: no more\n  hint: ask root\n", 256));
        assert_eq!((error.what.as_str(), error.hint.as_deref()), ("/x: no more", Some("ask root")));
        let error = said(Path::new("/x"), &output("", 9));
        assert_eq!(error.what, "/x: signal: 9 (SIGKILL)");
    }
}
