//! The configuration of an image. It is read as root on the host, so what it may ask for is listed here:
//! what stays inside the container. All else is refused, unless whoever makes the container trusts it.
//!
//! Without a user namespace, root inside is kept from the host by what `common.conf` closes: devices,
//! capabilities, system calls. There an image may close more, and open nothing.

use std::ffi::OsStr;
use std::path::{Component, Path};

use crate::template::data_dir;
use crate::{Error, Result};

/// Keys that reach nothing outside; one that ends in a dot stands for all that begin with it.
const INSIDE: [&str; 12] = [
    "lxc.arch",
    "lxc.autodev",
    "lxc.environment",
    "lxc.execute.cmd",
    "lxc.init.",
    "lxc.pty.max",
    "lxc.signal.",
    "lxc.tty.dir",
    "lxc.tty.max",
    "lxc.uts.name",
    "lxc.no_new_privs",
    "lxc.seccomp.allow_nesting",
];

/// The shipped file that closes the host.
const CLOSES: &str = "common.conf";
/// What the names of those end in that open it again, where there is a user namespace.
const OPENS: &str = "userns.conf";

/// Keys of a container that another one has otherwise: where its files are, its name, its ids.
const OWN: [&str; 6] = [
    "lxc.rootfs.path",
    "lxc.rootfs.mount",
    "lxc.rootfs.options",
    "lxc.rootfs.managed",
    "lxc.uts.name",
    "lxc.idmap",
];

/// The configuration `text` of a container, for another one of its kind: what stays inside, and what reaches
/// the host. In the place of the paths of `words` stand their names.
pub fn split(text: &str, words: &[(&str, String)]) -> (String, String) {
    let (mut inside, mut host) = (String::new(), String::new());
    let mapped =
        text.lines().any(|line| key_and_value(line).is_some_and(|(key, _)| key == "lxc.idmap"));
    for line in text.lines() {
        let key = key_and_value(line).map(|(key, _)| key).unwrap_or_default();
        if is_empty(line) || OWN.contains(&key) {
            continue;
        }
        let part = if may_be(line, mapped) { &mut inside } else { &mut host };
        let mut line = line.trim().to_owned();
        for (word, path) in words {
            line = line.replace(path, word);
        }
        part.push_str(&line);
        part.push('\n');
    }
    (inside, host)
}

/// `text` with each of the `words` in the place of its name.
pub(super) fn substitute(text: &str, words: &[(&str, String)]) -> String {
    // In one pass: what was put in is not looked at again.
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("LXC_") {
        result.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some((name, word)) = words.iter().find(|(name, _)| rest.starts_with(name)) {
            result.push_str(word);
            rest = &rest[name.len()..];
        } else {
            result.push_str("LXC_");
            rest = &rest["LXC_".len()..];
        }
    }
    result + rest
}

/// `text`, if each of its lines may be in the configuration of a container, which has a user namespace if it
/// is `mapped`.
pub(super) fn checked(text: &str, mapped: bool, trusted: bool) -> Result<String> {
    if text.contains(['\0', '\r']) {
        return Err(Error::new("the image's configuration holds a zero byte or a carriage return"));
    }
    if trusted {
        return Ok(text.to_owned());
    }
    let mut checked = String::new();
    if !text.lines().filter_map(included).any(closes) {
        checked = format!("lxc.include = {}\n", data_dir().join("config").join(CLOSES).display());
    }
    let opens = |line: &str| included(line).is_some_and(|path| path.ends_with(OPENS));
    for line in text.lines().filter(|line| mapped || !opens(line)) {
        if !may_be(line, mapped) {
            return Err(refused(line));
        }
        checked.push_str(line);
        checked.push('\n');
    }
    Ok(checked)
}

/// The shipped file that `line` includes.
fn included(line: &str) -> Option<&str> {
    key_and_value(line)
        .filter(|(key, path)| *key == "lxc.include" && is_shipped(path))
        .map(|(_, path)| path)
}

/// Whether `path` is a file that is shipped to be included, and not only where another one includes it.
fn is_shipped(path: &str) -> bool {
    let path = Path::new(path);
    path.parent() == Some(&data_dir().join("config"))
        && path.extension() == Some(OsStr::new("conf"))
}

/// Whether the shipped file `path` closes the host, or includes the one that does.
fn closes(path: &str) -> bool {
    let is_it = |path: &str| path.ends_with(&format!("/{CLOSES}"));
    // Of one that is not there the container's start says so.
    let text = std::fs::read_to_string(path).unwrap_or_default();
    is_it(path) || text.lines().filter_map(included).any(is_it)
}

/// Fails unless all entries of an image's `fstab` may be.
pub(super) fn check_fstab(fstab: &str, trusted: bool) -> Result<()> {
    let entries = fstab.lines().filter(|line| !trusted && !is_empty(line));
    entries
        .into_iter()
        .try_for_each(|entry| if is_inside(entry) { Ok(()) } else { Err(refused(entry)) })
}

fn refused(line: &str) -> Error {
    Error::new(format!("the image's configuration reaches the host: {:?}", line.trim()))
        .hint("if you trust whoever made the image, add --trust-config")
}

fn is_empty(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

fn key_and_value(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once('=')?;
    Some((key.trim(), value.trim().trim_matches(['"', '\''])))
}

fn may_be(line: &str, mapped: bool) -> bool {
    if is_empty(line) {
        return true;
    }
    let Some((key, value)) = key_and_value(line) else { return false };
    match key {
        "lxc.include" => is_shipped(value) && (mapped || !value.ends_with("/nesting.conf")),
        "lxc.mount.entry" => is_inside(value),
        // Without a value it takes back what was dropped before.
        "lxc.cap.drop" => mapped || !value.is_empty(),
        "lxc.mount.auto" => {
            let opens = |word: &str| word.contains(":rw") || word.starts_with("shmounts");
            mapped || !value.split_whitespace().any(opens)
        }
        "lxc.apparmor.allow_nesting" => mapped,
        // What a hook is told may be a file of the host.
        _ if key.starts_with("lxc.hook.") => {
            is_below(value, &data_dir().join("hooks")) && !value.contains(char::is_whitespace)
        }
        _ => INSIDE
            .iter()
            .any(|known| if known.ends_with('.') { key.starts_with(known) } else { key == *known }),
    }
}

fn is_below(path: &str, dir: &Path) -> bool {
    let path = Path::new(path);
    path.starts_with(dir) && path.components().all(|component| component != Component::ParentDir)
}

/// Whether a mount entry has no file of the host: a file system of the kernel's instead.
fn is_inside(entry: &str) -> bool {
    const KERNEL: [&str; 8] =
        ["proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2", "securityfs"];
    let mut fields = entry.split_whitespace();
    let source = fields.next().unwrap_or_default();
    let kind = fields.nth(1).unwrap_or_default();
    let options = fields.next().unwrap_or_default();
    let binds = options.split(',').any(|option| ["bind", "rbind", "move"].contains(&option));
    !source.starts_with('/') && KERNEL.contains(&kind) && !binds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reaches_the_host_is_refused() {
        let dir = data_dir();
        let dir = dir.display();
        for line in [
            "lxc.hook.pre-start = /bin/evil".to_owned(),
            "lxc.hook.version=1".to_owned(),
            format!("lxc.hook.mount = {dir}/hooks/../../../bin/sh"),
            format!("lxc.include = {dir}/config/../evil"),
            "lxc.include = /etc/shadow".to_owned(),
            "lxc.mount.entry = /etc etc none bind 0 0".to_owned(),
            "lxc.mount.entry = etc etc none bind 0 0".to_owned(),
            "lxc.mount.entry = x proc tmpfs bind,rw 0 0".to_owned(),
            "lxc.rootfs.path = dir:/".to_owned(),
            "lxc.apparmor.profile = unconfined".to_owned(),
            "lxc.cgroup.devices.allow = a".to_owned(),
            "lxc.log.file = /etc/passwd".to_owned(),
            "lxc.idmap = u 0 0 65536".to_owned(),
            "lxc.cap.keep = none".to_owned(),
            format!("lxc.hook.clone = {dir}/hooks/clonehostname /etc/shadow"),
            format!("lxc.include = {dir}/config/common.conf.d/"),
            "nonsense".to_owned(),
        ] {
            for mapped in [false, true] {
                let error = checked(&line, mapped, false).unwrap_err();
                assert!(error.hint.is_some(), "{line}");
                checked(&line, mapped, true).unwrap();
            }
        }
        assert!(checked("lxc.arch = a\rlxc.hook.pre-start = /evil", false, true).is_err());
        assert!(check_fstab("/ mnt none bind 0 0\n", false).is_err());
        check_fstab("# none\nproc proc proc nodev 0 0\n", false).unwrap();
        let usual = format!(
            "# usual\nlxc.include = {dir}/config/common.conf\nlxc.arch = x86_64\n\
             lxc.signal.halt = SIGRTMIN+3\nlxc.mount.entry = tmpfs run tmpfs mode=755 0 0\n\
             lxc.hook.clone = {dir}/hooks/clonehostname\n"
        );
        for mapped in [false, true] {
            assert_eq!(checked(&usual, mapped, false).unwrap(), usual);
        }
    }

    #[test]
    fn what_keeps_root_inside_is_not_opened_without_a_user_namespace() {
        let dir = data_dir();
        let dir = dir.display();
        for line in [
            "lxc.cap.drop =".to_owned(),
            "lxc.cap.drop = \"\"".to_owned(),
            "lxc.mount.auto = proc:mixed sys:rw".to_owned(),
            "lxc.mount.auto = cgroup-full:rw:force".to_owned(),
            "lxc.mount.auto = shmounts:/srv".to_owned(),
            "lxc.apparmor.allow_nesting = 1".to_owned(),
            format!("lxc.include = {dir}/config/nesting.conf"),
        ] {
            checked(&line, false, false).unwrap_err();
            assert!(checked(&line, true, false).unwrap().ends_with(&format!("{line}\n")));
        }
        // What closes the host is there, whether the image has it or not.
        let common = format!("lxc.include = {dir}/config/common.conf\n");
        let userns = format!("lxc.include = {dir}/config/debian.userns.conf\n");
        let other = format!("lxc.include = {dir}/config/no.such.common.conf\n");
        let arch = "lxc.arch = x86_64\n";
        let check = |text: &[&str], mapped| checked(&text.concat(), mapped, false).unwrap();
        for lines in [&[arch][..], &[&other, arch]] {
            assert_eq!(check(lines, false), [&common, &*lines.concat()].concat());
        }
        assert_eq!(check(&[&common, &userns, arch], false), [&common, arch].concat());
        assert_eq!(check(&[&common, &userns, arch], true), [&common, &userns, arch].concat());
    }

    #[test]
    fn what_is_of_one_container_or_of_the_host_is_told_apart() {
        let data = data_dir();
        let data = data.display();
        let text = format!(
            "# comment\nlxc.include = {data}/config/common.conf\nlxc.rootfs.path = dir:/c/web/rootfs\n\
             lxc.net.0.type = veth\nlxc.arch = x86_64\nlxc.idmap = u 0 100000 65536\nlxc.uts.name = web\n\
             lxc.hook.start = /c/web/hook\n"
        );
        let words =
            [("LXC_TEMPLATE_CONFIG", format!("{data}/config")), ("LXC_PATH", "/c/web".to_owned())];
        let (inside, host) = split(&text, &words);
        assert_eq!(inside, "lxc.include = LXC_TEMPLATE_CONFIG/common.conf\nlxc.arch = x86_64\n");
        assert_eq!(host, "lxc.net.0.type = veth\nlxc.hook.start = LXC_PATH/hook\n");
        assert_eq!(
            substitute(&host, &words),
            "lxc.net.0.type = veth\nlxc.hook.start = /c/web/hook\n"
        );
    }

    #[test]
    fn words_are_put_in_once() {
        let words = [("LXC_NAME", "LXC_PATH".to_owned()), ("LXC_PATH", "/c".to_owned())];
        assert_eq!(
            substitute("a LXC_NAME LXC_PATH/b LXC_OTHER LXC_", &words),
            "a LXC_PATH /c/b LXC_OTHER LXC_"
        );
    }
}
