//! The profile that is made for one container: its names and its text.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::config::{Config, Origin};
use crate::hash::fnv1a64;
use crate::identity::Identity;

/// The rules of all containers; those of the shipped profiles, too.
const BASE: &str = include_str!("../../../config/apparmor/abstractions/lxc/container-base");
/// Binding whole trees, which the shipped profiles do not allow.
const TREES: &str = include_str!("../../../config/apparmor/abstractions/lxc/container-rbind");
/// What containers that run containers may do beyond them.
const NESTING: &str = include_str!("../../../config/apparmor/abstractions/lxc/container-nesting");

/// Longest name of a policy namespace: it is a directory of securityfs.
const NAME_MAX: usize = 255;

/// A profile for one container, with the policy namespace in which its own profiles are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generated {
    /// The name of the profile.
    pub(super) name: String,
    /// The policy namespace, where the kernel has them.
    pub(super) namespace: Option<String>,
    /// The file in the cache.
    pub(super) file: String,
    /// The text for `apparmor_parser`.
    pub(super) text: String,
    /// The line of the text that each line of `lxc.apparmor.raw` begins at.
    raw: Vec<(usize, Option<Origin>)>,
}

/// The name of the profile of a container.
pub fn name(identity: &Identity) -> String {
    named(identity, &identity.lxcpath.to_string_lossy())
}

/// The name of its policy namespace, and of its file in the cache.
pub fn namespace(identity: &Identity) -> String {
    let name = named(identity, &identity.lxcpath.to_string_lossy().replace('/', "-"));
    if name.len() <= NAME_MAX { name } else { format!("lxc-{:016x}", fnv1a64(name.as_bytes())) }
}

fn named(identity: &Identity, lxcpath: &str) -> String {
    let mut text = String::from("lxc-");
    let whole = format!("{}_<{lxcpath}>", identity.name);
    for byte in whole.bytes() {
        // Neither a character of the language of profiles nor one of labels.
        if byte.is_ascii_alphanumeric() || b"._-<>/+=~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02x}");
        }
    }
    text
}

impl Generated {
    /// The profile that `config` asks for; with a namespace where profiles can be `stacked`.
    pub fn new(config: &Config, identity: &Identity, stacked: bool) -> Self {
        let name = name(identity);
        let file = namespace(identity);
        let namespace = stacked.then(|| file.clone());
        let settings = &config.apparmor;
        let mut text =
            format!("profile \"{name}\" flags=(attach_disconnected,mediate_deleted) {{\n");
        text.push_str(BASE);
        text.push_str(TREES);
        let mut peers = vec![name.clone()];
        if let Some(namespace) = &namespace {
            peers.push(format!("{name}//&:{namespace}:*"));
            peers.push(format!(":{namespace}:*"));
            peers.push(format!("{name}//&:{namespace}://*"));
            peers.push(format!(":{namespace}://*"));
        }
        for peer in &peers {
            let _ = writeln!(text, "  signal peer=\"{peer}\",\n  ptrace peer=\"{peer}\",");
        }
        if let Some(namespace) = &namespace {
            // Its own profiles apply beside this one.
            let _ = writeln!(text, "  change_profile -> \":{namespace}:*\",");
            let _ = writeln!(text, "  change_profile -> \":{namespace}://*\",");
        }
        if settings.allow_nesting {
            text.push_str(NESTING);
            if namespace.is_none() {
                let _ = writeln!(text, "  change_profile -> \"{name}\",");
            }
        }
        let mut raw = Vec::new();
        for line in &settings.raw {
            raw.push((text.lines().count() + 1, line.origin.clone()));
            text.push_str(&line.value);
            text.push('\n');
        }
        text.push_str("}\n");
        Self { name, namespace, file, text, raw }
    }

    /// The label of the container's processes.
    pub fn label(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{}//&:{namespace}:unconfined", self.name),
            None => self.name.clone(),
        }
    }

    /// The line of the configuration that line `number` of the text comes from.
    pub(super) fn origin_of(&self, number: usize) -> Option<&Origin> {
        let line = self.raw.iter().rev().find(|(first, _)| *first <= number)?;
        line.1.as_ref()
    }

    /// The last line of the configuration that the text comes from.
    pub(super) fn last_origin(&self) -> Option<&Origin> {
        self.origin_of(usize::MAX)
    }

    /// Whether `profile` is this one or within it.
    pub(super) fn owns(&self, profile: &str) -> bool {
        profile
            .strip_prefix(&*self.name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("//"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Document;
    use crate::identity::ContainerName;

    fn identity(lxcpath: &str, name: &str) -> Identity {
        Identity::new(lxcpath, ContainerName::new(name).unwrap())
    }

    #[test]
    fn names_are_those_of_lxc_and_none_is_anothers() {
        let web = identity("/var/lib/lxc", "web");
        assert_eq!(name(&web), "lxc-web_</var/lib/lxc>");
        assert_eq!(namespace(&web), "lxc-web_<-var-lib-lxc>");
        let odd = identity("/srv/a\"b {c}", "x\"y:z");
        assert_eq!(name(&odd), "lxc-x%22y%3az_</srv/a%22b%20%7bc%7d>");
        assert_ne!(name(&identity("/a", "x%22")), name(&identity("/a", "x\"")));
        let long = namespace(&identity(&format!("/{}", "x".repeat(300)), "a"));
        assert!(long.len() < 40 && long.starts_with("lxc-"), "{long}");
    }

    #[test]
    fn lines_of_the_text_lead_to_those_of_the_configuration() {
        let text = "lxc.apparmor.raw = deny /a r,\nlxc.apparmor.raw = bad\n";
        let config = Document::parse(text, "c").unwrap().config;
        let made = Generated::new(&config, &identity("/var/lib/lxc", "web"), true);
        let number = made.text.lines().position(|line| line == "bad").unwrap() + 1;
        assert_eq!(made.origin_of(number).unwrap().line, 2);
        assert_eq!(made.origin_of(number - 1).unwrap().line, 1);
        assert_eq!(made.origin_of(1), None);
        assert_eq!(made.label(), "lxc-web_</var/lib/lxc>//&:lxc-web_<-var-lib-lxc>:unconfined");
        assert!(made.owns("lxc-web_</var/lib/lxc>//hat"));
        assert!(!made.owns("lxc-web_</var/lib/lxc>2") && !made.owns("/usr/sbin/sshd"));
    }
}
