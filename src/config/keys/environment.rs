//! Environment and hooks.

use super::super::hook::HookStage;
use super::super::key::{Field, Form, Key};
use crate::origin::Located;

/// A row for a list of variables.
macro_rules! variables {
    ($name:literal, $field:ident, $help:literal) => {
        Key {
            name: $name,
            help: $help,
            set: |config, field| {
                config.$field.push(variable(field));
                Ok(())
            },
            clear: |config, _| config.$field.clear(),
            get: |config, _| Some(super::lines(config.$field.iter().map(|one| one.value.clone()))),
            ..super::ROW
        }
        .list()
        .form(Form::Other("NAME=VALUE | NAME"))
        .example("LANG=C.UTF-8")
    };
}

/// A row for the commands of a stage.
macro_rules! hook {
    ($stage:ident, $name:literal, $help:literal) => {
        Key {
            name: concat!("lxc.hook.", $name),
            help: $help,
            set: |config, field| {
                let command = Located::new(field.value.to_owned(), field.origin.cloned());
                config.hooks.entry(HookStage::$stage).or_default().push(command);
                Ok(())
            },
            clear: |config, _| drop(config.hooks.remove(&HookStage::$stage)),
            get: |config, _| {
                let commands = config.hooks.get(&HookStage::$stage).into_iter().flatten();
                Some(super::lines(commands.map(|one| one.value.clone())))
            },
            ..super::ROW
        }
        .list()
        .form(Form::Command)
        .example("/usr/local/lib/hook --quick")
    };
}

pub(super) const KEYS: &[Key] = &[
    variables!(
        "lxc.environment",
        environment,
        "Variable for programs and hooks inside; a NAME alone takes the caller's value"
    ),
    variables!(
        "lxc.environment.runtime",
        environment_runtime,
        "Variable for programs inside, not for hooks"
    )
    .since("7.0"),
    variables!(
        "lxc.environment.hooks",
        environment_hooks,
        "Variable for hooks that run inside, not for programs"
    )
    .since("7.0"),
    Key {
        name: "lxc.hook.version",
        help: "How hooks get their arguments: 0 as words, 1 as variables",
        set: |config, field| {
            config.hook_version = super::super::value::flag(field.value)?.into();
            Ok(())
        },
        clear: |config, _| config.hook_version = 0,
        get: |config, _| Some(config.hook_version.to_string()),
        ..super::ROW
    }
    .form(Form::Flag)
    .default("0")
    .since("3.0"),
    Key {
        name: "lxc.hook",
        help: "Empty, forgets the commands of all stages",
        set: |_, _| Err("name the stage, as in lxc.hook.start; empty clears all stages".into()),
        clear: |config, _| config.hooks.clear(),
        get: |_, _| None,
        ..super::ROW
    }
    .form(Form::Other("(empty)")),
    hook!(PreStart, "pre-start", "Command on the host before anything is set up"),
    hook!(PreMount, "pre-mount", "Command in the new namespaces before the root is mounted"),
    hook!(
        Mount,
        "mount",
        "Command in the new namespaces after the mounts, before the root changes"
    ),
    hook!(
        Autodev,
        "autodev",
        "Command in the new namespaces when /dev is made, if lxc.autodev is 1"
    ),
    hook!(StartHost, "start-host", "Command on the host when all is set up, before init runs")
        .since("3.0"),
    hook!(Start, "start", "Command inside right before init"),
    hook!(Stop, "stop", "Command on the host after init's end, namespaces still open"),
    hook!(PostStop, "post-stop", "Command on the host when all is gone"),
    hook!(Clone, "clone", "Command on the new root filesystem in lxc-copy"),
    hook!(Destroy, "destroy", "Command on the host in lxc-destroy"),
];

/// Kept as written: the value of a NAME alone is looked up by the start.
fn variable(field: Field<'_>) -> Located<String> {
    Located::new(field.value.to_owned(), field.origin.cloned())
}
