//! Cgroups, resource limits, sysctls, `/proc` settings.

use std::path::{Component, PathBuf};

use super::super::key::{Field, Key, Refusal};
use super::super::origin::Located;
use super::super::value::{flag, print_rlimit, rlimit};
use super::{optional, scalar, show_flag, show_path};

type Settings = Vec<Located<(String, String)>>;

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "lxc.cgroup.*",
        help: "A cgroup v1 file and what is written to it",
        set: |config, field| add(&mut config.cgroup.v1, field),
        clear: |config, rest| clear(&mut config.cgroup.v1, rest),
        get: |config, rest| Some(show("lxc.cgroup", &config.cgroup.v1, rest)),
    },
    Key {
        name: "lxc.cgroup2.*",
        help: "A cgroup v2 file and what is written to it",
        set: |config, field| add(&mut config.cgroup.v2, field),
        clear: |config, rest| clear(&mut config.cgroup.v2, rest),
        get: |config, rest| Some(show("lxc.cgroup2", &config.cgroup.v2, rest)),
    },
    optional!(
        "lxc.cgroup.dir",
        cgroup.dir,
        relative,
        show_path,
        "Directory for the container's cgroups"
    ),
    optional!(
        "lxc.cgroup.dir.monitor",
        cgroup.monitor,
        relative,
        show_path,
        "Cgroup of the monitor"
    ),
    optional!(
        "lxc.cgroup.dir.monitor.pivot",
        cgroup.pivot,
        relative,
        show_path,
        "Cgroup the monitor moves to at the end"
    ),
    optional!(
        "lxc.cgroup.dir.container",
        cgroup.container,
        relative,
        show_path,
        "Cgroup of the container"
    ),
    optional!(
        "lxc.cgroup.dir.container.inner",
        cgroup.inner,
        relative,
        show_path,
        "Directory below it that the container sees as its root"
    ),
    scalar!(
        "lxc.cgroup.relative",
        cgroup.relative,
        flag,
        show_flag,
        "Place cgroups below the caller's own"
    ),
    Key {
        name: "lxc.prlimit.*",
        help: "A resource limit, SOFT:HARD, as in prlimit(2)",
        set: |config, field| {
            let limit = Located::new(rlimit(field.value)?, field.origin.cloned());
            config.prlimit.insert(field.rest.to_owned(), limit);
            Ok(())
        },
        clear: |config, rest| config.prlimit.retain(|name, _| !rest.is_empty() && name != rest),
        get: |config, rest| {
            if rest.is_empty() {
                let lines = config.prlimit.iter();
                return Some(super::lines(lines.map(|(name, limit)| {
                    format!("lxc.prlimit.{name} = {}", print_rlimit(&limit.value))
                })));
            }
            Some(
                config
                    .prlimit
                    .get(rest)
                    .map(|limit| print_rlimit(&limit.value))
                    .unwrap_or_default(),
            )
        },
    },
    Key {
        name: "lxc.sysctl.*",
        help: "A kernel setting of the container's namespaces, as in sysctl(8)",
        set: |config, field| replace(&mut config.sysctl, field),
        clear: |config, rest| clear(&mut config.sysctl, rest),
        get: |config, rest| Some(show("lxc.sysctl", &config.sysctl, rest)),
    },
    Key {
        name: "lxc.proc.*",
        help: "A file in /proc/PID of init and what is written to it",
        set: |config, field| replace(&mut config.proc, field),
        clear: |config, rest| clear(&mut config.proc, rest),
        get: |config, rest| Some(show("lxc.proc", &config.proc, rest)),
    },
];

fn add(settings: &mut Settings, field: Field<'_>) -> Result<(), Refusal> {
    if field.rest.is_empty() || field.rest.contains('/') {
        return Err("name the file behind the dot".into());
    }
    let setting = (field.rest.to_owned(), field.value.to_owned());
    settings.push(Located::new(setting, field.origin.cloned()));
    Ok(())
}

fn replace(settings: &mut Settings, field: Field<'_>) -> Result<(), Refusal> {
    clear_one(settings, field.rest);
    add(settings, field)
}

fn clear(settings: &mut Settings, rest: &str) {
    if rest.is_empty() {
        settings.clear();
    } else {
        clear_one(settings, rest);
    }
}

fn clear_one(settings: &mut Settings, name: &str) {
    settings.retain(|setting| setting.value.0 != name);
}

/// The whole family with names, one of it without.
fn show(family: &str, settings: &Settings, rest: &str) -> String {
    let settings = settings.iter().map(|setting| &setting.value);
    if rest.is_empty() {
        super::lines(settings.map(|(name, value)| format!("{family}.{name} = {value}")))
    } else {
        super::lines(settings.filter(|(name, _)| name == rest).map(|(_, value)| value.clone()))
    }
}

fn relative(value: &str) -> Result<PathBuf, Refusal> {
    let path = PathBuf::from(value);
    let plain = |component| matches!(component, Component::Normal(_) | Component::CurDir);
    if path.components().all(plain) {
        Ok(path)
    } else {
        Err("write a relative path without '..'".into())
    }
}
