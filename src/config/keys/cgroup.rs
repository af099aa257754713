//! Cgroups, resource limits, sysctls, `/proc` settings.

use std::path::{Component, PathBuf};

use super::super::key::{Field, Form, Key, Refusal};
use super::super::value::{print_rlimit, rlimit};
use super::{optional, show_path, switch};
use crate::origin::Located;

type Settings = Vec<Located<(String, String)>>;

/// A row for the name of a cgroup.
macro_rules! directory {
    ($name:literal, $field:ident, $help:literal) => {
        optional!($name, cgroup.$field, relative, show_path, $help)
            .form(Form::Other("RELATIVE-PATH"))
            .example("group/web1")
    };
}

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "lxc.cgroup.*",
        help: "A cgroup v1 file and what is written to it; no effect where there is only v2",
        set: |config, field| add(&mut config.cgroup.v1, field),
        clear: |config, rest| clear(&mut config.cgroup.v1, rest),
        get: |config, rest| Some(show("lxc.cgroup", &config.cgroup.v1, rest)),
        ..super::ROW
    }
    .list()
    .example("cpu.shares = 512")
    .live("lxc-cgroup"),
    Key {
        name: "lxc.cgroup2.*",
        help: "A cgroup v2 file and what is written to it",
        set: |config, field| add(&mut config.cgroup.v2, field),
        clear: |config, rest| clear(&mut config.cgroup.v2, rest),
        get: |config, rest| Some(show("lxc.cgroup2", &config.cgroup.v2, rest)),
        ..super::ROW
    }
    .list()
    .example("memory.max = 512M")
    .since("3.0")
    .live("lxc-cgroup"),
    directory!("lxc.cgroup.dir", dir, "Directory of the container's and the monitor's cgroups"),
    directory!("lxc.cgroup.dir.container", container, "Cgroup of the container").since("5.0"),
    directory!("lxc.cgroup.dir.monitor", monitor, "Cgroup of the monitor").since("5.0"),
    directory!("lxc.cgroup.dir.monitor.pivot", pivot, "Cgroup the monitor moves to at the end")
        .since("5.0"),
    optional!(
        "lxc.cgroup.dir.container.inner",
        cgroup.inner,
        |value: &str| {
            if value.contains('/') { Err("write one directory".into()) } else { relative(value) }
        },
        show_path,
        "Directory below the container's cgroup that it sees as its root"
    )
    .form(Form::Other("NAME"))
    .example("inner")
    .since("5.0"),
    switch!("lxc.cgroup.relative", cgroup.relative, "Place cgroups below the caller's own")
        .since("3.1"),
    Key {
        name: "lxc.prlimit.*",
        help: "A resource limit, soft and hard, as in getrlimit(2)",
        set: |config, field| {
            if field.rest.is_empty() {
                return Err("name the resource after the dot, as in lxc.prlimit.nofile".into());
            }
            let limit = (field.rest.to_owned(), rlimit(field.value)?);
            let limit = Located::new(limit, field.origin.cloned());
            match config.prlimit.iter_mut().find(|limit| limit.0 == field.rest) {
                Some(earlier) => *earlier = limit,
                None => config.prlimit.push(limit),
            }
            Ok(())
        },
        clear: |config, rest| {
            config.prlimit.retain(|limit| !rest.is_empty() && limit.0 != rest);
        },
        get: |config, rest| {
            let mut limits = config.prlimit.iter().map(|limit| &limit.value);
            if rest.is_empty() {
                return Some(super::lines(limits.map(|(name, limit)| {
                    format!("lxc.prlimit.{name} = {}", print_rlimit(limit))
                })));
            }
            let limit = limits.find(|(name, _)| name == rest);
            Some(limit.map(|(_, limit)| print_rlimit(limit)).unwrap_or_default())
        },
        ..super::ROW
    }
    .form(Form::Other("SOFT[:HARD], each NUMBER | unlimited"))
    .example("nofile = 1024:4096"),
    Key {
        name: "lxc.sysctl.*",
        help: "A kernel setting of the container's namespaces, as in sysctl(8)",
        set: |config, field| {
            // Most are set once: no search then, there may be many.
            let is_set = config.origins.contains_key(&format!("lxc.sysctl.{}", field.rest));
            if is_set { replace(&mut config.sysctl, field) } else { add(&mut config.sysctl, field) }
        },
        clear: |config, rest| clear(&mut config.sysctl, rest),
        get: |config, rest| Some(show_one("lxc.sysctl", &config.sysctl, rest)),
        ..super::ROW
    }
    .example("net.ipv4.ip_forward = 1")
    .since("3.0"),
    Key {
        name: "lxc.proc.*",
        help: "A file in /proc/PID of init and what is written to it",
        set: |config, field| add(&mut config.proc, field),
        clear: |config, rest| clear(&mut config.proc, rest),
        get: |config, rest| Some(show_one("lxc.proc", &config.proc, rest)),
        ..super::ROW
    }
    .example("oom_score_adj = 10")
    .since("3.0"),
];

fn add(settings: &mut Settings, field: Field<'_>) -> Result<(), Refusal> {
    if field.rest.is_empty() || field.rest.contains('/') {
        return Err("name the file after the dot".into());
    }
    let setting = (field.rest.to_owned(), field.value.to_owned());
    settings.push(Located::new(setting, field.origin.cloned()));
    Ok(())
}

fn replace(settings: &mut Settings, field: Field<'_>) -> Result<(), Refusal> {
    match settings.iter_mut().find(|setting| setting.0 == field.rest) {
        Some(setting) => {
            let value = (field.rest.to_owned(), field.value.to_owned());
            *setting = Located::new(value, field.origin.cloned());
            Ok(())
        }
        None => add(settings, field),
    }
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

/// The same, without a newline after the values of one name.
fn show_one(family: &str, settings: &Settings, rest: &str) -> String {
    if rest.is_empty() {
        return show(family, settings, rest);
    }
    let settings = settings.iter().map(|setting| &setting.value);
    super::joined(settings.filter(|(name, _)| name == rest).map(|(_, value)| value.clone()))
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
