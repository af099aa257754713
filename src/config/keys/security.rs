//! Capabilities, AppArmor, SELinux, seccomp.

use super::super::key::{Field, Form, Key, Refusal};
use super::super::value;
use super::{list, optional, path, show_path, switch, text};
use crate::origin::Located;

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "lxc.cap.drop",
        help: "Capabilities the container does not have",
        set: |config, field| {
            if config.cap_keep.is_some() {
                return Err(exclusive("lxc.cap.keep"));
            }
            config.cap_drop.extend(capabilities(field, "none")?);
            Ok(())
        },
        clear: |config, _| {
            config.cap_drop.clear();
            config.cap_keep = None;
        },
        get: |config, _| Some(super::lines(config.cap_drop.iter().map(|one| one.value.clone()))),
        ..super::ROW
    }
    .list()
    .form(Form::Other("CAPABILITY..."))
    .example("sys_module sys_time"),
    Key {
        name: "lxc.cap.keep",
        help: "The only capabilities the container has; none for no one",
        set: |config, field| {
            if !config.cap_drop.is_empty() {
                return Err(exclusive("lxc.cap.drop"));
            }
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
        ..super::ROW
    }
    .list()
    .form(Form::Other("CAPABILITY... | none"))
    .example("net_bind_service 21"),
    optional!(
        "lxc.apparmor.profile",
        apparmor.profile,
        text,
        String::clone,
        "AppArmor profile of init"
    )
    .form(Form::Other("NAME | generated | unconfined | unchanged"))
    .example("generated")
    .default("lxc-container-default-cgns"),
    switch!(
        "lxc.apparmor.allow_incomplete",
        apparmor.allow_incomplete,
        "Start also where AppArmor cannot control mounts"
    ),
    switch!(
        "lxc.apparmor.allow_nesting",
        apparmor.allow_nesting,
        "Let the generated profile allow containers inside"
    )
    .since("3.1"),
    list!(
        "lxc.apparmor.raw",
        apparmor.raw,
        text,
        String::clone,
        "A rule for the generated profile"
    )
    .example("deny /proc/latency_stats r,")
    .since("3.1"),
    optional!(
        "lxc.selinux.context",
        selinux.context,
        text,
        String::clone,
        "SELinux context of init"
    )
    .example("unconfined_u:unconfined_r:lxc_t:s0-s0:c0.c1023"),
    optional!(
        "lxc.selinux.context.keyring",
        selinux.keyring,
        text,
        String::clone,
        "SELinux context of the session keyring"
    )
    .example("system_u:system_r:lxc_t:s0:c62,c86")
    .default("that of lxc.selinux.context")
    .since("4.0"),
    optional!(
        "lxc.seccomp.profile",
        seccomp.profile,
        path,
        show_path,
        "File with the seccomp rules"
    )
    .form(Form::Path),
    switch!(
        "lxc.seccomp.allow_nesting",
        seccomp.allow_nesting,
        "Load the rules also where a filter is active"
    )
    .since("3.2"),
    optional!(
        "lxc.seccomp.notify.proxy",
        seccomp.notify_proxy,
        proxy,
        show_proxy,
        "Socket of the program that handles notified calls"
    )
    .form(Form::Other("unix:PATH"))
    .example("unix:/run/seccomp.sock")
    .since("3.2"),
    optional!(
        "lxc.seccomp.notify.cookie",
        seccomp.notify_cookie,
        text,
        String::clone,
        "Words sent along with each notification"
    )
    .example("web1")
    .since("3.2"),
];

fn exclusive(other: &str) -> Refusal {
    format!("{other} is set as well: remove one of them, or clear both with an empty value").into()
}

/// Names, or numbers; whether the kernel has them is seen at the start. `refused`: a word that has
/// no meaning here.
fn capabilities(field: Field<'_>, refused: &str) -> Result<Vec<Located<String>>, Refusal> {
    field
        .value
        .split_whitespace()
        .map(|word| {
            let known = word == "none" || value::capability(word).is_some();
            if !known || word == refused {
                return Err(Refusal::of(word, hint(word)));
            }
            Ok(Located::new(word.to_owned(), field.origin.cloned()))
        })
        .collect()
}

fn hint(word: &str) -> String {
    let lower = word.to_ascii_lowercase();
    let name = lower.strip_prefix("cap_").unwrap_or(&lower);
    if value::capability(name).is_some() {
        format!("write {name}: small letters, without CAP_")
    } else {
        "there is no such capability; see capabilities(7)".to_owned()
    }
}

fn proxy(value: &str) -> Result<String, Refusal> {
    if value.starts_with("unix:") { text(value) } else { Err("write unix:/path/of/socket".into()) }
}

#[expect(clippy::ptr_arg, reason = "one of the printers that rows name")]
fn show_proxy(address: &String) -> String {
    address.strip_prefix("unix:").unwrap_or(address).to_owned()
}
