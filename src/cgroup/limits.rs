//! The configured limits: `lxc.cgroup.*` (v1 names) and `lxc.cgroup2.*`.
//!
//! Values are written in the order of the configuration and read back. A setting whose controller this
//! host has on the other version is translated, unless the configuration also sets the same file by the
//! host's own names. Device rules come last, when the container's `/dev` is made.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;

use super::devices::{self, Action, Rule, Rules};
use super::directory::CgroupDir;
use super::file;
use super::layout::{Hierarchy, Version};
use super::translate::{self, Refusal, Write, controller, counterpart};
use super::tree::Cgroups;
use super::verify;
use crate::config::{Config, Located};
use crate::error::{Error, Result};

/// Which limits to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// All but devices, before the container's set-up.
    Resources,
    /// Devices, after the container's set-up.
    Devices,
}

/// A line of the configuration, and the cgroup version that it is written for.
#[derive(Clone, Copy)]
struct Limit<'a> {
    version: Version,
    line: &'a Located<(String, String)>,
}

impl Limit<'_> {
    fn file(&self) -> &str {
        &self.line.value.0
    }

    fn value(&self) -> &str {
        &self.line.value.1
    }

    fn key(&self) -> String {
        match self.version {
            Version::V1 => format!("lxc.cgroup.{}", self.file()),
            Version::V2 => format!("lxc.cgroup2.{}", self.file()),
        }
    }

    fn is_device_rule(&self) -> bool {
        controller(self.file()) == "devices"
    }

    /// The kernel wants a limit on memory before one that includes swap.
    fn is_last(&self) -> bool {
        matches!(self.file(), "memory.memsw.limit_in_bytes" | "memory.swap.max")
    }

    fn failed(&self) -> Error {
        Error::new(format!("cannot set {} to {:?}", self.key(), self.value()))
            .at(self.line.origin.as_ref())
    }

    fn refused(&self, refusal: Refusal) -> Error {
        let error = self.failed();
        let error = Error { what: format!("{}: {}", error.what, refusal.why), ..error };
        match refusal.instead {
            Some(instead) => error.hint(format!("instead: {instead}")),
            None => error,
        }
    }
}

/// All limits of the configuration, those with v1 names first.
fn all(config: &Config) -> impl Iterator<Item = Limit<'_>> {
    let of = |version, lines| {
        let lines: &[Located<(String, String)>] = lines;
        lines.iter().map(move |line| Limit { version, line })
    };
    of(Version::V1, &config.cgroup.v1).chain(of(Version::V2, &config.cgroup.v2))
}

impl Cgroups {
    /// Writes the limits of `pass`. Returns one warning about all settings that were translated from the
    /// other version.
    pub fn apply(&self, config: &Config, pass: Pass) -> Result<Vec<String>> {
        let mut limits: Vec<Limit<'_>> =
            all(config).filter(|limit| limit.is_device_rule() == (pass == Pass::Devices)).collect();
        if pass == Pass::Devices {
            return self.apply_devices(&limits);
        }
        limits.sort_by_key(Limit::is_last);
        self.apply_resources(&limits)
    }

    fn apply_resources(&self, limits: &[Limit<'_>]) -> Result<Vec<String>> {
        let (native, foreign): (Vec<&Limit<'_>>, Vec<&Limit<'_>>) =
            limits.iter().partition(|limit| self.home(limit, limit.version).is_some());
        for limit in &native {
            let write = Write { file: limit.file().to_owned(), value: limit.value().to_owned() };
            self.write(limit, limit.version, &write)?;
        }
        let mut said = Vec::new();
        for limit in &foreign {
            let here = limit.version.other();
            let dir = self.home(limit, here);
            let current = |file: &str| file::read(dir?.limit.as_fd(), file).ok();
            let is_said = |write: &Write| native.iter().any(|one| one.file() == write.file);
            let writes = match translate::write(limit.file(), limit.value(), here, &current) {
                Ok(writes) => writes,
                Err(refusal) => return Err(limit.refused(refusal)),
            };
            if dir.is_none() {
                return Err(no_controller(limit));
            }
            // The portable way to write a configuration is to give every setting for both versions.
            if writes.iter().all(is_said) {
                continue;
            }
            for write in &writes {
                self.write(limit, here, write)?;
                said.push(format!("{} as {} = {}", limit.key(), write.file, write.value));
            }
        }
        Ok(summary(&said))
    }

    /// The directory that has the controller of `limit` on `version`, by that version's name for it.
    fn home(&self, limit: &Limit<'_>, version: Version) -> Option<&CgroupDir> {
        let name = controller(limit.file());
        let name = if version == limit.version { name } else { counterpart(name, version) };
        self.home_of(name, version)
    }

    fn home_of(&self, controller: &str, version: Version) -> Option<&CgroupDir> {
        let core = version == Version::V2 && controller == "cgroup";
        self.dirs
            .iter()
            .find(|dir| dir.hierarchy.version == version && (core || dir.hierarchy.has(controller)))
    }

    fn write(&self, limit: &Limit<'_>, version: Version, write: &Write) -> Result<()> {
        let name = controller(&write.file);
        let Some(dir) = self.home_of(name, version) else {
            return Err(no_controller(limit));
        };
        let at = dir.hierarchy.dir(&dir.path);
        let Write { file, value } = write;
        // A v1 cpuset cannot get smaller than the cpusets below it.
        let below = dir.inner.as_ref().filter(|_| version == Version::V1 && name == "cpuset");
        for dir in below.map(AsFd::as_fd).into_iter().chain([dir.limit.as_fd()]) {
            match file::write(dir, file, value) {
                Ok(()) => {}
                Err(errno @ Errno::ENOENT) => {
                    let hint = occupied(&at)
                        .unwrap_or_else(|| format!("{} has no file {file}", at.display()));
                    return Err(limit.failed().errno(errno).hint(hint));
                }
                Err(errno) => {
                    let hint =
                        format!("the kernel refuses {value:?} in {}", at.join(file).display());
                    return Err(limit.failed().errno(errno).hint(hint));
                }
            }
        }
        match verify::kept_instead(dir.limit.as_fd(), file, value) {
            None => Ok(()),
            Some(kept) => Err(limit.failed().hint(format!(
                "the kernel keeps {kept:?} in {} instead of {value:?}",
                at.join(file).display()
            ))),
        }
    }

    /// Adds a device rule to those of the running container, on cgroup v2.
    pub fn add_device_rule(&self, rule: Rule) -> Result<()> {
        let held = self.devices.borrow().as_ref().map(|(rules, _)| rules.clone());
        // Without a program everything is allowed.
        let mut rules = held.unwrap_or_else(Rules::allow_all);
        rules.add(rule);
        self.replace_device_rules(rules)
    }

    /// Puts `rules` in the place of those that hold, on cgroup v2.
    pub fn replace_device_rules(&self, rules: Rules) -> Result<()> {
        let place = self.with_devices().filter(|dir| dir.hierarchy.version == Version::V2);
        let dir = place.ok_or_else(|| Error::new("no device rules are on cgroup v2 here"))?;
        let mut held = self.devices.borrow_mut();
        let old = held.as_ref().map(|(_, attached)| attached);
        let attached = devices::replace(dir.limit.as_fd(), &rules, old)?;
        *held = Some((rules, attached));
        self.devices_changed.set(true);
        Ok(())
    }

    /// The device rules, if they were changed since the start: after a reboot the container begins with
    /// them.
    pub fn changed_device_rules(&self) -> Option<Rules> {
        let held = self.devices.borrow();
        held.as_ref().filter(|_| self.devices_changed.get()).map(|(rules, _)| rules.clone())
    }

    fn apply_devices(&self, limits: &[Limit<'_>]) -> Result<Vec<String>> {
        let place = self.with_devices();
        let v1 = place.filter(|dir| dir.hierarchy.version == Version::V1);
        let here = if v1.is_some() { Version::V1 } else { Version::V2 };
        let used = device_rules(limits, here);
        let own = used.iter().all(|limit| limit.version == here);
        let Some(first) = used.first() else {
            return Ok(Vec::new());
        };
        let mut rules = match first.version {
            Version::V1 => Rules::allow_all(),
            Version::V2 => Rules::deny_all(),
        };
        for limit in &used {
            let rule = Rule::parse(limit.file(), limit.value())
                .map_err(|why| limit.refused(Refusal { why, instead: None }))?;
            rules.add(rule);
        }
        match (v1, place) {
            (Some(dir), _) => {
                write_device_rules(dir, &used)?;
            }
            (None, Some(dir)) => {
                let program = devices::attach(dir.limit.as_fd(), &rules)
                    .map_err(|error| error.at(first.line.origin.as_ref()))?;
                self.devices.replace(Some((rules, program)));
            }
            (None, None) => return Err(no_controller(first)),
        }
        if own {
            return Ok(Vec::new());
        }
        let target = if v1.is_some() { "rules of cgroup v1" } else { "a device program" };
        Ok(summary(&[format!("{} and its like as {target}", first.key())]))
    }
}

/// The device rules that count on a host of version `here`: those written for it, if there are any.
fn device_rules<'a>(limits: &[Limit<'a>], here: Version) -> Vec<Limit<'a>> {
    let own = limits.iter().any(|limit| limit.version == here);
    limits.iter().filter(|limit| limit.version == here || !own).copied().collect()
}

/// What the last rule for all devices says, and where it is in `rules`: only those after it count. A v1
/// cgroup begins with what its parent has, a list of v2 rules with nothing.
fn last_for_all<'a>(rules: &[Limit<'a>]) -> Option<(usize, Limit<'a>, Action)> {
    let is_for_all = |limit: &Limit<'_>| limit.value().trim_start().starts_with('a');
    if let Some(last) = rules.iter().rposition(is_for_all) {
        let denies = rules[last].file() == "devices.deny";
        let action = if denies { Action::Deny } else { Action::Allow };
        return Some((last + 1, rules[last], action));
    }
    let first = rules.first().filter(|first| first.version == Version::V2)?;
    Some((0, *first, Action::Deny))
}

/// What `devices.list` shows where everything is allowed.
const ALL_DEVICES: &str = "a *:* rwm";

/// Makes the limiting cgroup `limit` of a container ready to have another below it, if it is in the v1
/// devices hierarchy: then the kernel refuses rules for all devices, so they come now. What is to be
/// denied later is allowed one by one till then.
pub(super) fn prepare_devices(
    hierarchy: &Hierarchy,
    limit: BorrowedFd<'_>,
    config: &Config,
) -> Result<()> {
    if hierarchy.version != Version::V1 || !hierarchy.has("devices") {
        return Ok(());
    }
    let limits: Vec<Limit<'_>> = all(config).filter(Limit::is_device_rule).collect();
    let Some((_, rule, action)) = last_for_all(&device_rules(&limits, Version::V1)) else {
        return Ok(());
    };
    if action == Action::Allow {
        return write_device_rule(&rule, limit, "devices.allow", "a");
    }
    // Below a cgroup that denies all, such as that of a container that this host is in, this cgroup
    // denies all as well.
    if device_list(&rule, limit)?.trim() == ALL_DEVICES {
        write_device_rule(&rule, limit, "devices.deny", "a")?;
        for kind in ["c *:* rwm", "b *:* rwm"] {
            write_device_rule(&rule, limit, "devices.allow", kind)?;
        }
    }
    Ok(())
}

/// Writes `rules` to the v1 cgroup `dir`, and to the one below it. What is denied to a cgroup is denied
/// to those below it, but what is allowed must be written to each.
fn write_device_rules(dir: &CgroupDir, rules: &[Limit<'_>]) -> Result<()> {
    let limit = dir.limit.as_fd();
    let mut rest = rules;
    match (last_for_all(rules), &dir.inner) {
        (None, _) => {}
        (Some((next, rule, action)), None) => {
            let file = if action == Action::Deny { "devices.deny" } else { "devices.allow" };
            write_device_rule(&rule, limit, file, "a")?;
            rest = &rules[next..];
        }
        (Some((next, rule, action)), Some(_)) => {
            rest = &rules[next..];
            if action == Action::Deny {
                for allowed in device_list(&rule, limit)?.lines() {
                    write_device_rule(&rule, limit, "devices.deny", allowed)?;
                }
            }
        }
    }
    let below = dir.inner.as_ref().map(AsFd::as_fd);
    for rule in rest {
        write_device_rule(rule, limit, rule.file(), rule.value())?;
        if let Some(below) = below.filter(|_| rule.file() == "devices.allow") {
            write_device_rule(rule, below, rule.file(), rule.value())?;
        }
    }
    Ok(())
}

fn device_list(rule: &Limit<'_>, dir: BorrowedFd<'_>) -> Result<String> {
    file::read(dir, "devices.list")
        .map_err(|error| rule.failed().note(format!("cannot read devices.list: {error}")))
}

fn write_device_rule(
    limit: &Limit<'_>,
    dir: BorrowedFd<'_>,
    file: &str,
    value: &str,
) -> Result<()> {
    file::write(dir, file, value)
        .map_err(|errno| limit.failed().errno(errno).hint("the kernel refuses this rule"))
}

fn no_controller(limit: &Limit<'_>) -> Error {
    let name = controller(limit.file());
    let hint = if nix::unistd::geteuid().is_root() {
        format!("this host has no {name} controller: see /proc/cgroups and cgroup.controllers")
    } else {
        format!("this user may not use the {name} controller: it takes a delegated cgroup")
    };
    limit.failed().hint(hint)
}

/// Why the v2 cgroup `at` has no controllers, if that is because of processes above it (cgroups(7),
/// "no internal processes").
fn occupied(at: &Path) -> Option<String> {
    let parent = at.parent()?;
    let controllers = std::fs::read_to_string(parent.join("cgroup.subtree_control")).ok()?;
    let processes = std::fs::read_to_string(parent.join("cgroup.procs")).ok()?;
    (controllers.trim().is_empty() && !processes.is_empty()).then(|| {
        format!(
            "{} gives no controllers to others, as there are processes in it: {}",
            parent.display(),
            processes.split_whitespace().collect::<Vec<_>>().join(" ")
        )
    })
}

/// One warning for all settings that were translated from the other version.
fn summary(said: &[String]) -> Vec<String> {
    if said.is_empty() {
        return Vec::new();
    }
    vec![format!("written in this host's cgroup version: {}", said.join(", "))]
}
