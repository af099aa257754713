//! Whether a configuration would start on this host, without starting anything.
//!
//! What would make a start fail is an error; what a start would ignore, or what may run short later, is a
//! warning.

mod budgets;
mod ids;

use std::path::Path;

use nix::unistd::geteuid;

use super::{environment, exposed, forward, shift};
use crate::cgroup::{Hierarchy, Layout, Version, translate};
use crate::config::{Config, Document, Finding, Located, Origin, Severity, split_words};
use crate::error::{Error, Result};
use crate::identity::{ContainerName, Identity};
use crate::mount::{Root, Roots, entries};

use crate::namespace::{Ids, NamespaceSet, granted};
use crate::network;
use crate::security::{attributes, caps, seccomp};
use crate::storage::{self, RootfsMount};

/// All that is wrong, or may go wrong, with the configuration `file`.
pub fn check(file: &Path) -> Result<Vec<Finding>> {
    let (document, mut findings) = Document::check(file)?;
    let config = &document.config;
    let mut checks = Checks { findings: &mut findings };
    checks.refuse(Ids::of(config).check());
    checks.refuse(granted::check(Ids::of(config)));
    checks.refuse(environment::take_from_caller(&mut config.clone()));
    checks.refuse(NamespaceSet::for_config(config));
    let mut chosen = config.clone();
    let links = network::choose_links(&mut chosen).and_then(|()| network::check(&chosen));
    checks.refuse(links);
    if let Some(identity) = identity_of(file) {
        checks.refuse(forward::check(&identity, config));
    }
    checks.refuse(caps::bounding_set(config));
    if let Some(profile) = &config.seccomp.profile {
        let at = config.origin("lxc.seccomp.profile");
        checks.refuse(seccomp::compile(profile, &Roots::of(config)).map_err(|error| error.at(at)));
    }
    for limit in &config.prlimit {
        let at = limit.origin.as_ref();
        let key = limit.origin.clone().map(Origin::key);
        checks.refuse(attributes::limit_number(&limit.0).map_err(|error| error.at(key.as_ref())));
        if limit.1.soft.unwrap_or(u64::MAX) > limit.1.hard.unwrap_or(u64::MAX) {
            let error = Error::new(format!("the soft limit of {} is above the hard one", limit.0));
            checks.refuse::<()>(Err(error.at(at).hint("write SOFT:HARD")));
        }
    }
    if let Some(rootfs) = checks.refuse(storage::rootfs_mount(config)) {
        checks.refuse(init(config, &rootfs));
    }
    checks.refuse(storage::size::check(config));
    checks.mounts(config);
    checks.cgroups(config);
    checks.labels(config);
    for warning in budgets::of(config)
        .into_iter()
        .chain(exposed::warning(config, file))
        .chain(ids::warnings(config, file))
        .chain(shift::warning(config, &name_of(file)))
    {
        checks.warn(warning);
    }
    Ok(findings)
}

struct Checks<'a> {
    findings: &'a mut Vec<Finding>,
}

impl Checks<'_> {
    fn refuse<T>(&mut self, result: Result<T>) -> Option<T> {
        result
            .map_err(|error| self.findings.push(Finding { severity: Severity::Error, error }))
            .ok()
    }

    fn warn(&mut self, error: Error) {
        self.findings.push(Finding { severity: Severity::Warning, error });
    }

    fn mounts(&mut self, config: &Config) {
        let mount = config.rootfs.mount.clone().unwrap_or_else(crate::paths::rootfs_mount);
        // The default mount point is made by the start.
        if config.rootfs.path.is_some() && config.rootfs.mount.is_some() && !mount.is_dir() {
            let error = Error::new(format!("{} is not a directory", mount.display()));
            self.refuse::<()>(Err(error
                .at(config.origin("lxc.rootfs.mount"))
                .hint("root filesystems are mounted there; create it")));
        }
        let Some(entries) = self.refuse(entries::of_config(config, &mount)) else { return };
        for entry in entries {
            if entry.elsewhere {
                self.warn(entry.ignored());
                continue;
            }
            let options = &entry.options;
            let source = Path::new(&entry.source);
            let is_bind = options.bind.is_some() && source.is_absolute() && !options.relative;
            if is_bind && !options.optional && !source.exists() {
                let error = Error::new(format!("{} does not exist", source.display()));
                self.refuse::<()>(Err(error
                    .at(entry.origin.as_ref())
                    .hint("create it, or add the option optional")));
            }
        }
    }

    fn cgroups(&mut self, config: &Config) {
        let Some(layout) = self.refuse(Layout::of_host(config.cgroup.relative)) else { return };
        for setting in config.cgroup.v1.iter().chain(&config.cgroup.v2) {
            if let Some(error) = without_controller(&layout, setting) {
                self.refuse::<()>(Err(error));
            }
        }
    }

    fn labels(&mut self, config: &Config) {
        let is_on = |path: &str| Path::new(path).exists();
        let profile = config.apparmor.profile.as_deref();
        if profile.is_some_and(|name| !matches!(name, "unconfined" | "unchanged"))
            && !is_on("/sys/kernel/security/apparmor")
        {
            self.warn(
                Error::new("no effect: this kernel runs without AppArmor")
                    .at(config.origin("lxc.apparmor.profile")),
            );
        }
        if config.selinux.context.is_some() && !is_on("/sys/fs/selinux") {
            self.warn(
                Error::new("no effect: this kernel runs without SELinux")
                    .at(config.origin("lxc.selinux.context")),
            );
        }
    }
}

/// The container whose configuration is `file`.
fn identity_of(file: &Path) -> Option<Identity> {
    let file = std::path::absolute(file).ok()?;
    let lxcpath = file.parent()?.parent()?;
    Some(Identity::new(lxcpath, ContainerName::new(name_of(&file)).ok()?))
}

/// The name of the container whose configuration is `file`.
fn name_of(file: &Path) -> String {
    let home = std::path::absolute(file).unwrap_or_default();
    let name = home.parent().and_then(Path::file_name).unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// An error if this host has the controller of a limit in neither cgroup version.
fn without_controller(layout: &Layout, setting: &Located<(String, String)>) -> Option<Error> {
    let controller = setting.0.split('.').next()?;
    let has = |hierarchy: &Hierarchy| {
        let unified = hierarchy.version == Version::V2;
        // These are not among the controllers of v2, but are part of each cgroup there.
        let core = matches!(controller, "cgroup" | "devices" | "freezer");
        hierarchy.has(translate::counterpart(controller, hierarchy.version)) || unified && core
    };
    if layout.hierarchies.iter().any(|one| has(one) || one.has(controller)) {
        return None;
    }
    let key = setting.origin.clone().map(Origin::key);
    let error = Error::new(format!("this host has no cgroup controller {controller}"));
    Some(
        error.at(key.as_ref()).hint("see /proc/cgroups and cgroup.controllers for those there are"),
    )
}

/// Whether the program that would be init is in the root filesystem.
fn init(config: &Config, rootfs: &RootfsMount) -> Result<()> {
    // An ordinary user may not mount an overlay to look into it.
    let can_look = matches!(rootfs, RootfsMount::Bind(_)) || geteuid().is_root();
    if !can_look || matches!(rootfs, RootfsMount::HostRoot) {
        return Ok(());
    }
    let key = "lxc.init.cmd";
    let command = config.init_cmd.as_deref().unwrap_or("/sbin/init");
    let words = split_words(command)
        .filter(|words| !words.is_empty())
        .ok_or_else(|| Error::new(format!("unbalanced quotes in {key}")).at(config.origin(key)))?;
    let _attached = storage::attach(config)?;
    let root = Root::of(rootfs.open()?, Path::new(&rootfs.to_string()));
    if words[0].starts_with('/') && !root.has_link(&words[0]) {
        return Err(Error::new(format!("{} is not in {}", words[0], root.path().display()))
            .at(config.origin(key).or(config.origin("lxc.rootfs.path")))
            .hint("install it there, or name another program with lxc.init.cmd"));
    }
    Ok(())
}
