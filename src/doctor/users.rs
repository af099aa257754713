//! What ordinary users need: ids, the programs that map them, and links.

use nix::unistd::{User, getuid};

use super::{Finding, Verdict};
use crate::config::IdKind;
use crate::namespace::subid;
use crate::network::user_nic;
use crate::sys::programs::is_set_user_id;
use crate::{programs, table};

const TOPIC: &str = "users";
/// Who may have how many links on which bridge (lxc-usernet(5)).
const LINKS: &str = "/etc/lxc/lxc-usernet";
/// The attribute with a program's capabilities.
const CAPABILITY: &std::ffi::CStr = c"security.capability";

/// For the caller; for root, who needs none of it, whether users could.
pub fn examine() -> Vec<Finding> {
    let mut findings: Vec<Finding> = ["newuidmap", "newgidmap"].into_iter().map(mapper).collect();
    findings.push(user_nic());
    if getuid().is_root() {
        return findings;
    }
    let name = User::from_uid(getuid()).ok().flatten().map(|user| user.name).unwrap_or_default();
    findings.extend(IdKind::BOTH.map(|kind| ids(kind, &name)));
    findings.push(links(&name));
    findings
}

/// A program that maps ids for those who are not root: set-user-ID root, or with the capability.
fn mapper(name: &str) -> Finding {
    let path = match programs::find(name, "uidmap") {
        Ok(path) => path,
        Err(error) => return Finding::of_error(TOPIC, name, Verdict::Limited, error),
    };
    let has_capability = || rustix::fs::getxattr(&path, CAPABILITY, &mut [0_u8; 64]).is_ok();
    if is_set_user_id(&path) || has_capability() {
        return Finding::ok(TOPIC, name, path.display().to_string());
    }
    let path = path.display();
    Finding::limited(
        TOPIC,
        name,
        format!("{path} is neither set-user-ID root nor has a capability"),
        format!("as root: chown root {path} && chmod 4755 {path}"),
    )
}

fn user_nic() -> Finding {
    const WHAT: &str = "lxc-user-nic";
    match user_nic::program() {
        Ok(path) => Finding::ok(TOPIC, WHAT, path.display().to_string()),
        Err(error) => Finding::of_error(TOPIC, WHAT, Verdict::Limited, error),
    }
}

fn ids(kind: IdKind, name: &str) -> Finding {
    let file = subid::file(kind).display();
    let what = format!("ids in {file}");
    let option = match kind {
        IdKind::User => "--add-subuids",
        IdKind::Group => "--add-subgids",
    };
    match subid::of_caller(kind) {
        Ok(Some(map)) => Finding::ok(TOPIC, what, format!("{} from {} on", map.range, map.outside)),
        Ok(None) => Finding {
            verdict: Verdict::Fails,
            ..Finding::limited(
                TOPIC,
                what,
                format!("{name} has none"),
                format!("as root: usermod {option} 100000-165535 {name}"),
            )
        },
        Err(error) => Finding::of_error(TOPIC, what, Verdict::Fails, error),
    }
}

/// Whether a line of the table gives `name` links.
fn links(name: &str) -> Finding {
    let what = format!("links in {LINKS}");
    let text = table::read(LINKS).unwrap_or_default();
    let own = text.lines().find(|line| line.split_whitespace().next() == Some(name));
    match own {
        Some(line) => Finding::ok(TOPIC, what, line.trim()),
        // It may be by a group of theirs.
        None => Finding::limited(
            TOPIC,
            what,
            format!("no line for {name}"),
            format!("as root: echo '{name} veth lxcbr0 10' >>{LINKS}"),
        ),
    }
}
