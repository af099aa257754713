//! The rows of the registry, by subject.

mod cgroup;
mod environment;
mod init;
mod mounts;
mod namespaces;
mod net;
mod security;
mod terminal;

use std::path::{Path, PathBuf};

use super::key::{Form, Key, Refusal};

/// All rows, by subject.
pub(super) const SUBJECTS: [(&str, &[Key]); 8] = [
    ("Init, start and log", init::KEYS),
    ("Environment and hooks", environment::KEYS),
    ("Console and devices", terminal::KEYS),
    ("Root filesystem and mounts", mounts::KEYS),
    ("Network", net::KEYS),
    ("Namespaces", namespaces::KEYS),
    ("Cgroups, limits and kernel settings", cgroup::KEYS),
    ("Capabilities, security modules and seccomp", security::KEYS),
];

/// What a row says if it says nothing else.
const ROW: Key = Key {
    name: "",
    help: "",
    form: Form::Text,
    example: "",
    default: "",
    is_list: false,
    since: "2.1",
    live: None,
    set: |_, _| Ok(()),
    clear: |_, _| (),
    get: |_, _| None,
};

/// A row for a plain value: how it is parsed, where it is kept, how it is printed.
macro_rules! scalar {
    ($name:expr, $($field:ident).+, $parse:expr, $print:expr, $help:literal) => {
        Key {
            name: $name,
            help: $help,
            set: |config, field| {
                config.$($field).+ = $parse(field.value)?;
                Ok(())
            },
            clear: |config, _| config.$($field).+ = Default::default(),
            get: |config, _| Some($print(&config.$($field).+)),
            ..super::ROW
        }
    };
}

/// A row for `0` or `1`.
macro_rules! switch {
    ($name:expr, $($field:ident).+, $help:literal) => {
        super::scalar!($name, $($field).+, super::super::value::flag, super::show_flag, $help)
            .form(super::Form::Flag)
            .default("0")
    };
}

/// A row for an optional value.
macro_rules! optional {
    ($name:expr, $($field:ident).+, $parse:expr, $print:expr, $help:literal) => {
        Key {
            name: $name,
            help: $help,
            set: |config, field| {
                config.$($field).+ = Some($parse(field.value)?);
                Ok(())
            },
            clear: |config, _| config.$($field).+ = None,
            get: |config, _| Some(config.$($field).+.as_ref().map($print).unwrap_or_default()),
            ..super::ROW
        }
    };
}

/// A row for a list that each line adds one value to.
macro_rules! list {
    ($name:expr, $($field:ident).+, $parse:expr, $print:expr, $help:literal) => {
        Key {
            name: $name,
            help: $help,
            set: |config, field| {
                let value = $parse(field.value)?;
                config.$($field).+.push(Located::new(value, field.origin.cloned()));
                Ok(())
            },
            clear: |config, _| config.$($field).+.clear(),
            get: |config, _| Some(super::lines(config.$($field).+.iter().map(|one| $print(&one.value)))),
            ..super::ROW
        }
        .list()
    };
}
use {list, optional, scalar, switch};

/// Each item with a newline after it, as lists are printed.
fn lines(items: impl Iterator<Item = String>) -> String {
    items.flat_map(|item| [item, "\n".to_owned()]).collect()
}

/// Items with newlines between them, as some lists are printed.
fn joined(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join("\n")
}

#[expect(clippy::unnecessary_wraps, reason = "one of the parsers that rows name")]
fn text(value: &str) -> Result<String, Refusal> {
    Ok(value.to_owned())
}

fn path(value: &str) -> Result<PathBuf, Refusal> {
    // PATH_MAX (linux/limits.h).
    if value.len() < 4096 { Ok(value.into()) } else { Err("the path is too long".into()) }
}

#[expect(clippy::ptr_arg, reason = "one of the printers that rows name")]
fn show_path(path: &PathBuf) -> String {
    Path::display(path).to_string()
}

fn show_flag(flag: &bool) -> String {
    u8::from(*flag).to_string()
}

/// One of `words`, as it is written.
fn one_of(words: &[&str], value: &str) -> Result<String, Refusal> {
    if words.contains(&value) {
        return Ok(value.to_owned());
    }
    Err(format!("write one of: {}", words.join(", ")).into())
}
