//! The configuration that a running container was started with, as its monitor tells it: the file may
//! have been changed, broken or removed since.

use crate::config::{Config, Document};
use crate::error::{Kind, Result};
use crate::identity::Identity;
use crate::monitor::client::Client;

/// The keys of [`configuration`].
const KEYS: [&str; 5] =
    ["lxc.start.auto", "lxc.start.order", "lxc.start.delay", "lxc.group", "lxc.idmap"];

/// What the tools ask of a configuration: when the container starts and stops, its groups and its id
/// maps. `None` if the container does not run.
pub fn configuration(identity: &Identity) -> Result<Option<Config>> {
    let client = Client::new(identity);
    let mut text = String::new();
    for key in KEYS {
        let value = match client.config_item(key) {
            Err(error) if error.kind == Kind::NotRunning => return Ok(None),
            value => value?.unwrap_or_default(),
        };
        for line in value.lines() {
            text.push_str(&format!("{key} = {line}\n"));
        }
    }
    let file = format!("configuration of the running {identity}");
    Document::parse(text, &file).map(|document| Some(document.config))
}
