//! Capabilities, AppArmor, SELinux, seccomp.

use super::super::key::{Field, Key, Refusal};
use super::super::origin::Located;
use super::super::value::flag;
use super::{list, optional, path, scalar, show_flag, show_path, text};

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "lxc.cap.drop",
        help: "Capabilities the container does not have",
        set: |config, field| {
            config.cap_drop.extend(capabilities(field, "none")?);
            Ok(())
        },
        clear: |config, _| {
            config.cap_drop.clear();
            config.cap_keep = None;
        },
        get: |config, _| Some(super::lines(config.cap_drop.iter().map(|one| one.value.clone()))),
    },
    Key {
        name: "lxc.cap.keep",
        help: "The only capabilities the container has; none for no one",
        set: |config, field| {
            let names = capabilities(field, "")?;
            let kept = config.cap_keep.get_or_insert_default();
            for name in names {
                if name.value == "none" { kept.clear() } else { kept.push(name) }
            }
            Ok(())
        },
        clear: |config, _| {
            config.cap_drop.clear();
            config.cap_keep = None;
        },
        get: |config, _| {
            let kept = config.cap_keep.as_deref().unwrap_or_default();
            Some(super::lines(kept.iter().map(|one| one.value.clone())))
        },
    },
    optional!(
        "lxc.apparmor.profile",
        apparmor.profile,
        text,
        String::clone,
        "AppArmor profile: a name, generated, unconfined or unchanged"
    ),
    scalar!(
        "lxc.apparmor.allow_incomplete",
        apparmor.allow_incomplete,
        flag,
        show_flag,
        "Start also where AppArmor cannot control mounts"
    ),
    scalar!(
        "lxc.apparmor.allow_nesting",
        apparmor.allow_nesting,
        flag,
        show_flag,
        "Let the generated profile allow containers inside"
    ),
    list!(
        "lxc.apparmor.raw",
        apparmor.raw,
        text,
        String::clone,
        "A rule for the generated profile"
    ),
    optional!(
        "lxc.selinux.context",
        selinux.context,
        text,
        String::clone,
        "SELinux context of init"
    ),
    optional!(
        "lxc.selinux.context.keyring",
        selinux.keyring,
        text,
        String::clone,
        "SELinux context of the session keyring"
    ),
    optional!(
        "lxc.seccomp.profile",
        seccomp.profile,
        path,
        show_path,
        "File with the seccomp rules"
    ),
    scalar!(
        "lxc.seccomp.allow_nesting",
        seccomp.allow_nesting,
        flag,
        show_flag,
        "Load the rules also where a filter is active"
    ),
    optional!(
        "lxc.seccomp.notify.proxy",
        seccomp.notify_proxy,
        proxy,
        String::clone,
        "Socket of the program that handles notified calls"
    ),
    optional!(
        "lxc.seccomp.notify.cookie",
        seccomp.notify_cookie,
        text,
        String::clone,
        "Words sent along with each notification"
    ),
];

/// Names, or numbers; whether the kernel has them is seen at the start. `refused`: a word that has
/// no meaning here.
fn capabilities(field: Field<'_>, refused: &str) -> Result<Vec<Located<String>>, Refusal> {
    field
        .value
        .split_whitespace()
        .map(|word| {
            let known = word == "none" || crate::security::caps::number(word).is_some();
            if !known || word == refused {
                return Err(format!("{word} is no capability; see capabilities(7)"));
            }
            Ok(Located::new(word.to_owned(), field.origin.cloned()))
        })
        .collect()
}

fn proxy(value: &str) -> Result<String, Refusal> {
    if value.starts_with("unix:") { text(value) } else { Err("write unix:/path/of/socket".into()) }
}
