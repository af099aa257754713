//! Namespaces, clock offsets, id maps.

use super::super::key::{Form, Key, Refusal};
use super::super::namespace::Namespace;
use super::super::value::{self, time_offset};
use crate::origin::Located;

const NAMES: [&str; 8] = ["user", "mnt", "pid", "uts", "ipc", "net", "cgroup", "time"];

/// A row for the namespace of one kind of somebody else.
macro_rules! share {
    ($kind:ident, $name:literal) => {
        Key {
            name: concat!("lxc.namespace.share.", $name),
            help: concat!(
                "Whose ",
                $name,
                " namespace to join: a pid, a container's name, or its path"
            ),
            set: |config, field| {
                let whose = Located::new(field.value.to_owned(), field.origin.cloned());
                config.namespace_share.insert(Namespace::$kind, whose);
                Ok(())
            },
            clear: |config, _| drop(config.namespace_share.remove(&Namespace::$kind)),
            get: |config, _| {
                let whose = config.namespace_share.get(&Namespace::$kind);
                Some(whose.map(|one| one.value.clone()).unwrap_or_default())
            },
            ..super::ROW
        }
        .form(Form::Other("PID | NAME | PATH"))
        .example("c2")
        .since("3.0")
    };
}

/// A row for a set of namespaces.
macro_rules! set {
    ($name:literal, $field:ident, $other:literal, $of:ident, $help:literal) => {
        Key {
            name: $name,
            help: $help,
            set: |config, field| {
                if config.$of.is_some() {
                    return Err(concat!($other, " is set as well: remove one of them").into());
                }
                let kinds = config.$field.get_or_insert_default();
                for kind in namespaces(field.value)? {
                    if !kinds.contains(&kind) {
                        kinds.push(kind);
                    }
                }
                kinds.sort_unstable();
                Ok(())
            },
            clear: |config, _| config.$field = None,
            get: |config, _| {
                let kinds = config.$field.iter().flatten();
                Some(super::lines(kinds.map(|kind| kind.name().to_owned())))
            },
            ..super::ROW
        }
        .list()
        .form(Form::SomeOf(&NAMES))
        .since("3.0")
    };
}

/// A row for the offset of a clock; one that is not set reads as 0ns.
macro_rules! offset {
    ($name:literal, $field:ident, $help:literal) => {
        Key {
            name: $name,
            help: $help,
            set: |config, field| {
                config.$field = Some(time_offset(field.value)?);
                Ok(())
            },
            clear: |config, _| config.$field = None,
            get: |config, _| Some(show_offset(config.$field.unwrap_or(0))),
            ..super::ROW
        }
        .form(Form::Other("NUMBER h|m|s|ms|us|ns"))
        .example("-7 m")
        .default("0")
        .since("5.0")
    };
}

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "lxc.idmap",
        help: "Ids of the user namespace: users or groups, first inside, first outside, how many",
        set: |config, field| {
            let map = value::idmap(field.value)?;
            config.idmap.push(Located::new(map, field.origin.cloned()));
            Ok(())
        },
        clear: |config, _| config.idmap.clear(),
        get: |config, _| Some(super::joined(config.idmap.iter().map(|one| one.value.to_string()))),
        ..super::ROW
    }
    .list()
    .form(Form::Other("u|g INSIDE OUTSIDE COUNT"))
    .example("u 0 100000 65536")
    .default("none: the container is privileged"),
    set!(
        "lxc.namespace.clone",
        namespace_clone,
        "lxc.namespace.keep",
        namespace_keep,
        "The only namespaces that the container gets new"
    )
    .default("all that the kernel has"),
    set!(
        "lxc.namespace.keep",
        namespace_keep,
        "lxc.namespace.clone",
        namespace_clone,
        "Namespaces that the container does not get new"
    ),
    share!(User, "user"),
    share!(Mnt, "mnt"),
    share!(Pid, "pid"),
    share!(Uts, "uts"),
    share!(Ipc, "ipc"),
    share!(Net, "net"),
    share!(Cgroup, "cgroup"),
    share!(Time, "time"),
    offset!("lxc.time.offset.boot", time_boot, "Offset of the boot time clock"),
    offset!("lxc.time.offset.monotonic", time_monotonic, "Offset of the monotonic clock"),
];

fn namespaces(value: &str) -> Result<Vec<Namespace>, Refusal> {
    let find =
        |word: &str| Namespace::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(word));
    value
        .split_whitespace()
        .map(|word| {
            find(word).ok_or_else(|| Refusal::of(word, format!("there are: {}", NAMES.join(", "))))
        })
        .collect()
}

fn show_offset(nanoseconds: i64) -> String {
    if nanoseconds != 0 && nanoseconds % 1_000_000_000 == 0 {
        format!("{}s", nanoseconds / 1_000_000_000)
    } else {
        format!("{nanoseconds}ns")
    }
}
