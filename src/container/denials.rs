//! What the kernel denied to a container.

use std::os::fd::AsFd;

use super::list::is_defined;
use crate::cgroup::devices;
use crate::config::{Config, Document};
use crate::error::{Error, Kind, Result};
use crate::identity::Identity;
use crate::monitor::client::Client;
use crate::security::denials::{self, Report, Subject};

/// The parts of the running configuration that say what is denied.
const KEYS: [&str; 12] = [
    "lxc.rootfs.path",
    "lxc.idmap",
    "lxc.apparmor.profile",
    "lxc.apparmor.allow_nesting",
    "lxc.seccomp.profile",
    "lxc.cap.drop",
    "lxc.cap.keep",
    "lxc.selinux.context",
    "lxc.cgroup.devices.deny",
    "lxc.cgroup.devices.allow",
    "lxc.cgroup2.devices.deny",
    "lxc.cgroup2.devices.allow",
];

/// What was denied to the container since its start; if it does not run, only what is certain to be about
/// it.
pub fn find(identity: &Identity) -> Result<Report> {
    let client = Client::new(identity);
    let mut denied = None;
    let subject = match client.init() {
        Ok(init) => {
            if let Some(dir) = client.limit_cgroup2()? {
                denied = devices::denied::read(dir.as_fd())?;
            }
            Subject::new(identity, running(identity, &client)?, Some(init.pid))?
        }
        Err(error) if error.kind == Kind::NotRunning => {
            if !is_defined(identity)? {
                return Err(Error::new("Container is not defined").kind(Kind::NotDefined));
            }
            Subject::new(identity, Document::load(&identity.config_file())?.config, None)?
        }
        Err(error) => return Err(error),
    };
    denials::report(&subject, denied.as_deref())
}

/// The configuration that it was started with: the file may have been changed since.
fn running(identity: &Identity, client: &Client) -> Result<Config> {
    let values = client.config_items(KEYS)?;
    let mut text = String::new();
    for (key, value) in KEYS.iter().zip(&values) {
        for line in value.lines().filter(|line| !line.is_empty()) {
            text.push_str(&format!("{key} = {line}\n"));
        }
    }
    let file = format!("configuration of the running {identity}");
    Document::parse(text, &file).map(|document| document.config)
}
