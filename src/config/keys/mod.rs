//! The rows of the registry, by family.

mod cgroup;
mod general;
mod mounts;
mod net;
mod security;
mod terminal;

use super::key::Key;

/// All rows.
pub(super) const FAMILIES: [&[Key]; 6] =
    [general::KEYS, terminal::KEYS, mounts::KEYS, net::KEYS, cgroup::KEYS, security::KEYS];

/// A row for a plain value: how it is parsed, where it is kept, how it is printed.
macro_rules! scalar {
    ($name:literal, $($field:ident).+, $parse:expr, $print:expr, $help:literal) => {
        Key {
            name: $name,
            help: $help,
            set: |config, field| {
                config.$($field).+ = $parse(field.value)?;
                Ok(())
            },
            clear: |config, _| config.$($field).+ = Default::default(),
            get: |config, _| Some($print(&config.$($field).+)),
        }
    };
}

/// A row for an optional value.
macro_rules! optional {
    ($name:literal, $($field:ident).+, $parse:expr, $print:expr, $help:literal) => {
        Key {
            name: $name,
            help: $help,
            set: |config, field| {
                config.$($field).+ = Some($parse(field.value)?);
                Ok(())
            },
            clear: |config, _| config.$($field).+ = None,
            get: |config, _| Some(config.$($field).+.as_ref().map($print).unwrap_or_default()),
        }
    };
}

/// A row for a list that each line adds one value to.
macro_rules! list {
    ($name:literal, $($field:ident).+, $parse:expr, $print:expr, $help:literal) => {
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
        }
    };
}
use {list, optional, scalar};

use super::key::Refusal;
use std::path::{Path, PathBuf};

/// Each item with a newline behind it, as lists are printed.
fn lines(items: impl Iterator<Item = String>) -> String {
    items.flat_map(|item| [item, "\n".to_owned()]).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "one of the parsers that rows name")]
fn text(value: &str) -> Result<String, Refusal> {
    Ok(value.to_owned())
}

fn path(value: &str) -> Result<PathBuf, Refusal> {
    const PATH_MAX: usize = 4096;
    if value.len() < PATH_MAX { Ok(value.into()) } else { Err("the path is too long".into()) }
}

#[expect(clippy::ptr_arg, reason = "one of the printers that rows name")]
fn show_path(path: &PathBuf) -> String {
    Path::display(path).to_string()
}

fn show_flag(flag: &bool) -> String {
    u8::from(*flag).to_string()
}
