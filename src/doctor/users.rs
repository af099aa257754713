//! What ordinary users need: ids, the programs that map them, and links.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use nix::unistd::{User, getuid};

use super::{Finding, Verdict};
use crate::config::IdKind;
use crate::namespace::subid;
use crate::{paths, programs, table};

const TOPIC: &str = "users";
/// Who may have how many links on which bridge (lxc-usernet(5)).
const LINKS: &str = "/etc/lxc/lxc-usernet";
/// What newuidmap(1) and lxc-user-nic(1) need.
const SET_USER_ID: u32 = 0o4000;

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
    if is_privileged(&path) {
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
    let path = paths::user_nic();
    let shown = path.display();
    if is_privileged(&path) {
        return Finding::ok(TOPIC, "lxc-user-nic", shown.to_string());
    }
    let (found, fix) = if path.exists() {
        let fix = format!("as root: chown root {shown} && chmod 4755 {shown}");
        (format!("{shown} is not set-user-ID root"), fix)
    } else {
        (format!("{shown} is missing"), "install all of lxc-rs as root".to_owned())
    };
    Finding::limited(TOPIC, "lxc-user-nic", found, fix)
}

fn is_privileged(path: &Path) -> bool {
    let is_set = path
        .metadata()
        .is_ok_and(|file| file.uid() == 0 && file.permissions().mode() & SET_USER_ID != 0);
    let has_capability =
        rustix::fs::getxattr(path, c"security.capability", &mut [0_u8; 64]).is_ok();
    is_set || has_capability
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
