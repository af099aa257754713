//! AppArmor: the profile that init and attached commands run under.

mod compile;
mod host;
mod label;
mod profile;
mod sources;

use std::path::Path;

use nix::errno::Errno;
use nix::unistd::geteuid;

use crate::config::{Config, Located};
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use host::Interface;

pub use host::is_enabled;
pub(super) use label::{is_unconfined, without_mode};
pub use profile::{Generated, name as profile_name, namespace as policy_namespace};

/// The profiles that packages of LXC load for containers, with cgroup namespaces and without.
const DEFAULT_PROFILE: &str = "lxc-container-default-cgns";
const OLD_DEFAULT_PROFILE: &str = "lxc-container-default";
/// What packages of LXC have the tools themselves run under.
const TOOLS_PROFILE: &str = "/usr/bin/lxc-start";

/// The files through which a process changes its profile, the first that exists.
pub(super) const OWN: &[&str] = &["/proc/self/attr/apparmor/current", "/proc/self/attr/current"];

/// Where a process shows its profile, below its directory in `/proc`.
pub(super) const CURRENT: &[&str] = &["attr/apparmor/current", "attr/current"];

/// The profile of a container's processes.
#[derive(Debug)]
pub enum Choice {
    /// That of the caller.
    Unchanged,
    /// One that is loaded, or `unconfined`.
    Named(String),
    /// One that is made for the container.
    Generated(Box<Generated>),
}

/// The profile that the configuration asks for, checked.
pub fn choose(config: &Config, identity: &Identity) -> Result<Choice> {
    let settings = &config.apparmor;
    let wanted = settings.profile.as_deref();
    match wanted {
        Some("unchanged") => return Ok(Choice::Unchanged),
        Some("unconfined") => return Ok(Choice::Named("unconfined".into())),
        _ => {}
    }
    let at = |error: Error| error.at(config.origin("lxc.apparmor.profile"));
    let own = super::lsm::current("self", CURRENT).unwrap_or_default();
    let is_confined = !is_unconfined(&own) && own != TOOLS_PROFILE;
    let host = match Interface::find() {
        Ok(host) => host,
        // What confines the caller confines the container.
        Err(_) if is_confined && wanted.is_none() => return Ok(Choice::Unchanged),
        Err(error) => {
            return Err(at(error).hint(
                "mount -t securityfs securityfs /sys/kernel/security, or run the container without \
                 with: lxc.apparmor.profile = unconfined",
            ));
        }
    };
    if is_confined && !host.can_stack() {
        return match wanted {
            None => Ok(Choice::Unchanged),
            Some(_) => Err(at(Error::new(format!("this process is confined by {own} already")))
                .hint("this kernel cannot stack profiles: lxc.apparmor.profile = unchanged")),
        };
    }
    if !host.controls_mounts() && !settings.allow_incomplete {
        return Err(at(Error::new("AppArmor of this kernel does not control mounts"))
            .hint("to start the container all the same: lxc.apparmor.allow_incomplete = 1"));
    }
    if wanted == Some("generated") {
        if !geteuid().is_root() {
            return Err(at(
                Error::new("only root can load a generated AppArmor profile").errno(Errno::EPERM)
            )
            .hint(format!("use one that is loaded: lxc.apparmor.profile = {DEFAULT_PROFILE}")));
        }
        let made = Generated::new(config, identity, host.can_stack());
        // Whatever is wrong with it is said before anything else begins.
        compile::compiled(&made).map_err(
            |error| {
                if error.origin.is_some() { error } else { at(error) }
            },
        )?;
        return Ok(Choice::Generated(Box::new(made)));
    }
    let name = match wanted {
        Some(name) => name,
        None => default_profile(),
    };
    check_loaded(&host, name).map_err(at)?;
    Ok(Choice::Named(name.to_owned()))
}

fn default_profile() -> &'static str {
    if Path::new("/proc/self/ns/cgroup").exists() { DEFAULT_PROFILE } else { OLD_DEFAULT_PROFILE }
}

/// Of several profiles that all apply, each that is in the reader's policy namespace.
fn check_loaded(host: &Interface, name: &str) -> Result<()> {
    let mut here = label::parts(name).filter(|part| part.namespace.is_none());
    let missing =
        here.find(|part| part.profile != "unconfined" && host.has(part.profile) == Some(false));
    let Some(missing) = missing else { return Ok(()) };
    Err(Error::new(format!("the AppArmor profile {} is not loaded", missing.profile))
        .errno(Errno::ENOENT)
        .hint(
            "load it (apparmor_parser -r /etc/apparmor.d/lxc-containers), or run the container \
             without with: lxc.apparmor.profile = unconfined",
        ))
}

/// What containers inside find: a proc and a sys that nothing covers, which the kernel wants to see
/// before it lets a user namespace mount them.
pub fn nesting_mounts(config: &Config) -> impl Iterator<Item = Located<String>> + use<> {
    const ENTRIES: [&str; 2] = [
        "proc dev/.lxc/proc proc create=dir,optional 0 0",
        "sys dev/.lxc/sys sysfs create=dir,optional 0 0",
    ];
    let origin = config.origin("lxc.apparmor.allow_nesting").cloned();
    ENTRIES
        .into_iter()
        .map(move |entry| Located { value: entry.to_owned(), origin: origin.clone() })
}

impl Generated {
    /// Loads it, from what is kept of it where that is of the same text.
    pub fn load(&self) -> Result<()> {
        let host = Interface::find()?;
        let compiled = compile::compiled(self)?;
        if let Some(namespace) = &self.namespace {
            host.make_namespace(namespace)
                .context(|| format!("cannot make the AppArmor namespace {namespace}"))?;
        }
        host.load(&compiled)
            .context(|| format!("cannot load the AppArmor profile {}", self.name))
            .inspect_err(|_| {
                let _ = self.unload();
            })
    }

    /// Unloads it, and what was loaded inside the container.
    pub fn unload(&self) -> Result<()> {
        unload(&Interface::find()?, &self.name, self.namespace.as_deref())
    }
}

/// Unloads what a killed monitor left loaded for a container of which no process lives.
pub fn reclaim(identity: &Identity) -> Result<()> {
    if !is_enabled() || !geteuid().is_root() {
        return Ok(());
    }
    let Ok(host) = Interface::find() else { return Ok(()) };
    let (name, namespace) = (profile_name(identity), policy_namespace(identity));
    // A namespace is made before its profile is loaded, and removed after it.
    let is_left =
        host.has_namespace(&namespace) || !host.can_stack() && host.has(&name) == Some(true);
    if is_left { unload(&host, &name, Some(&namespace)) } else { Ok(()) }
}

/// Removes what is kept of a container that is destroyed.
pub fn forget(identity: &Identity) {
    compile::forget(&policy_namespace(identity));
}

fn unload(host: &Interface, name: &str, namespace: Option<&str>) -> Result<()> {
    let unloaded =
        host.unload(name).context(|| format!("cannot unload the AppArmor profile {name}"));
    let removed = namespace.map_or(Ok(()), |namespace| {
        host.remove_namespace(namespace)
            .context(|| format!("cannot remove the AppArmor namespace {namespace}"))
    });
    unloaded.and(removed)
}

/// A setting that has no effect on this host.
pub(super) fn warning(config: &Config) -> Option<String> {
    let settings = &config.apparmor;
    let profile = settings.profile.as_deref();
    if is_enabled() {
        return (profile != Some("generated") && !settings.raw.is_empty()).then(|| {
            "lxc.apparmor.raw has no effect without lxc.apparmor.profile = generated".into()
        });
    }
    (!matches!(profile, None | Some("generated" | "unconfined" | "unchanged")))
        .then(|| "lxc.apparmor.profile has no effect: this host has no AppArmor".into())
}
