//! The configuration of an image. It is read as root on the host, so what it may ask for is listed here:
//! what stays inside the container. All else is refused, unless whoever makes the container trusts it.

use std::path::{Component, Path};

use crate::template::data_dir;
use crate::{Error, Result};

/// Keys that reach nothing outside; one that ends in a dot stands for all that begin with it.
const INSIDE: [&str; 15] = [
    "lxc.arch",
    "lxc.autodev",
    "lxc.cap.drop",
    "lxc.environment",
    "lxc.execute.cmd",
    "lxc.init.",
    "lxc.mount.auto",
    "lxc.pty.max",
    "lxc.signal.",
    "lxc.tty.dir",
    "lxc.tty.max",
    "lxc.uts.name",
    "lxc.no_new_privs",
    "lxc.seccomp.allow_nesting",
    "lxc.apparmor.allow_nesting",
];

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
    for line in text.lines() {
        let key = line.split_once('=').map(|(key, _)| key.trim()).unwrap_or_default();
        if is_empty(line) || OWN.contains(&key) {
            continue;
        }
        let part = if may_be(line) { &mut inside } else { &mut host };
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

/// `text`, if each of its lines may be.
pub(super) fn checked(text: &str, trusted: bool) -> Result<String> {
    if text.contains(['\0', '\r']) {
        return Err(Error::new("the image's configuration holds a zero byte or a carriage return"));
    }
    if !trusted {
        text.lines().try_for_each(|line| if may_be(line) { Ok(()) } else { Err(refused(line)) })?;
    }
    Ok(text.to_owned())
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

fn may_be(line: &str) -> bool {
    if is_empty(line) {
        return true;
    }
    let Some((key, value)) = line.split_once('=') else { return false };
    let (key, value) = (key.trim(), value.trim().trim_matches(['"', '\'']));
    let data = data_dir();
    if key == "lxc.include" {
        return is_below(value, &data.join("config"));
    }
    if key == "lxc.mount.entry" {
        return is_inside(value);
    }
    if key.starts_with("lxc.hook.") {
        return is_below(value.split_whitespace().next().unwrap_or_default(), &data.join("hooks"));
    }
    INSIDE.iter().any(
        |known| {
            if known.ends_with('.') { key.starts_with(known) } else { key == *known }
        },
    )
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
            "nonsense".to_owned(),
        ] {
            let error = checked(&line, false).unwrap_err();
            assert!(error.hint.is_some(), "{line}");
            checked(&line, true).unwrap();
        }
        assert!(checked("lxc.arch = a\rlxc.hook.pre-start = /evil", true).is_err());
        assert!(check_fstab("/ mnt none bind 0 0\n", false).is_err());
        check_fstab("# none\nproc proc proc nodev 0 0\n", false).unwrap();
        let usual = format!(
            "# usual\nlxc.include = {dir}/config/common.conf\nlxc.arch = x86_64\n\
             lxc.signal.halt = SIGRTMIN+3\nlxc.mount.entry = tmpfs run tmpfs mode=755 0 0\n\
             lxc.hook.clone = {dir}/hooks/clonehostname\n"
        );
        assert_eq!(checked(&usual, false).unwrap(), usual);
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
