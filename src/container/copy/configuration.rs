//! The configuration of a copy: the source's text, changed where it names the source.

use std::path::{Path, PathBuf};

use crate::config::{Config, mac, show_mac};
use crate::error::{Error, Result};
use crate::identity::Identity;
use crate::mount::Roots;

/// The changes to the configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    pub(super) source: &'a Identity,
    pub(super) target: &'a Identity,
    /// The new `lxc.rootfs.path`.
    pub(super) rootfs: &'a str,
    pub(super) keep_name: bool,
    pub(super) keep_mac: bool,
}

/// A file of the source, of which the copy gets one of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
}

impl Change<'_> {
    /// The text of the copy's configuration.
    pub(super) fn apply(&self, text: &[u8], config: &Config) -> Result<Vec<u8>> {
        let mut copy = Vec::new();
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            // What is not UTF-8 is a comment.
            let line = match str::from_utf8(line) {
                Ok(text) => self.line(text, config)?.map(String::into_bytes),
                Err(_) => Some(line.to_owned()),
            };
            copy.extend(line.into_iter().flat_map(|line| [line, b"\n".to_vec()]).flatten());
        }
        let mut keys = format!("lxc.rootfs.path = {}\n", self.rootfs);
        if !self.keep_name {
            keys.push_str(&format!("lxc.uts.name = {}\n", self.target.name));
        }
        if let Some(File { to, .. }) = self.fstab(config)? {
            keys.push_str(&format!("lxc.mount.fstab = {}\n", to.display()));
        }
        copy.extend(keys.into_bytes());
        Ok(copy)
    }

    /// The line as the copy has it; `None` if the copy goes without it. Only keys in the first column
    /// were written by lxc-create or another tool; an indented line is left alone.
    fn line(&self, line: &str, config: &Config) -> Result<Option<String>> {
        let Some((key, value)) = line.split_once('=') else { return Ok(Some(line.to_owned())) };
        let key = key.trim_end();
        let dropped = match key {
            "lxc.rootfs.path" => true,
            "lxc.uts.name" => !self.keep_name,
            "lxc.mount.fstab" => config.mount_fstab.is_some(),
            _ => false,
        };
        if dropped {
            return Ok(None);
        }
        let is_mac = key.starts_with("lxc.net.") && key.ends_with(".hwaddr");
        if is_mac && !self.keep_mac && !value.trim().is_empty() {
            let blank = &value[..value.len() - value.trim_start().len()];
            let before = &line[..line.len() - value.len()];
            return Ok(Some(format!("{before}{blank}{}", random_mac()?)));
        }
        let is_layer = |word: &str| word.starts_with("upperdir=") || word.starts_with("workdir=");
        let (old, new) = (self.source.dir(), self.target.dir());
        if key.starts_with("lxc.hook.") {
            let value = value.trim_start();
            if let Some(rest) = below(value, &old) {
                let before = &line[..line.len() - value.len()];
                return Ok(Some(format!("{before}{}{rest}", new.display())));
            }
        } else if key == "lxc.mount.entry" && line.contains("overlay") {
            let words = line.split_inclusive([' ', '\t', ',']).map(|word| {
                let path = word.split_once('=').filter(|_| is_layer(word));
                let rest = path.and_then(|(option, path)| Some((option, below(path, &old)?)));
                rest.map_or_else(
                    || word.to_owned(),
                    |(option, rest)| format!("{option}={}{rest}", new.display()),
                )
            });
            return Ok(Some(words.collect()));
        }
        Ok(Some(line.to_owned()))
    }

    /// `lxc.mount.fstab`, wherever it lies.
    fn fstab(&self, config: &Config) -> Result<Option<File>> {
        let Some(from) = &config.mount_fstab else { return Ok(None) };
        let name = from.file_name().ok_or_else(|| {
            Error::new(format!("{} names no file", from.display()))
                .at(config.origin("lxc.mount.fstab"))
        })?;
        Ok(Some(File { from: from.clone(), to: self.target.dir().join(name) }))
    }

    /// The files of which the copy gets its own: the fstab, and hooks in the source's directory. Files in
    /// the root filesystem were copied with it, and are not accessed by path.
    pub(super) fn files(&self, config: &Config) -> Result<Vec<File>> {
        let mut files: Vec<File> = self.fstab(config)?.into_iter().collect();
        let own = self.source.dir();
        let roots = Roots::of(config);
        for hook in config.hooks.values().flatten() {
            let program = hook.value.split_whitespace().next().unwrap_or_default();
            if let Some(rest) = below(program, &own).filter(|_| !roots.hold(Path::new(program))) {
                let to = self.target.dir().join(rest.trim_start_matches('/'));
                let file = File { from: program.into(), to };
                if !files.contains(&file) {
                    files.push(file);
                }
            }
        }
        Ok(files)
    }
}

/// What is after `dir` in the path that `text` begins with, the slash included.
fn below<'t>(text: &'t str, dir: &Path) -> Option<&'t str> {
    text.strip_prefix(dir.to_str()?).filter(|rest| rest.starts_with('/'))
}

/// A MAC address of the range that LXC takes for its containers.
fn random_mac() -> Result<String> {
    let mac = mac("00:16:3e:xx:xx:xx").map_err(|refusal| Error::new(refusal.hint))?;
    Ok(show_mac(&mac))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Document;
    use crate::identity::ContainerName;

    fn copied(text: &str, keep: bool) -> (String, Vec<File>) {
        let identity = |name| Identity::new("/c", ContainerName::new(name).unwrap());
        let (source, target) = (identity("old"), identity("new"));
        let rootfs = "dir:/c/new/rootfs";
        let change =
            Change { source: &source, target: &target, rootfs, keep_name: keep, keep_mac: keep };
        let config = Document::parse(text, "config").unwrap().config;
        let copy = String::from_utf8(change.apply(text.as_bytes(), &config).unwrap()).unwrap();
        (copy, change.files(&config).unwrap())
    }

    #[test]
    fn what_names_the_source_is_changed_and_the_rest_stays() {
        let text = "# mine\n\nlxc.rootfs.path = dir:/c/old/rootfs\nlxc.uts.name = old\n\
            lxc.hook.start = /c/old/hooks/x y\nlxc.hook.start = /c/older/x\n\
            lxc.hook.stop = /c/old/rootfs/bin/x\n\
            lxc.net.0.type = veth\nlxc.net.0.hwaddr=00:16:3e:01:02:03\nlxc.mount.fstab = /f/tab\n\
            lxc.mount.entry = /s mnt overlay lowerdir=/s,upperdir=/c/old/d,workdir=/c/old/w 0 0\n\
            lxc.environment = A=/c/old/x\n";
        let (copy, files) = copied(text, false);
        let lines: Vec<&str> = copy.lines().collect();
        assert_eq!(
            lines[..4],
            [
                "# mine",
                "lxc.hook.start = /c/new/hooks/x y",
                "lxc.hook.start = /c/older/x",
                "lxc.hook.stop = /c/new/rootfs/bin/x",
            ]
        );
        assert!(
            lines[5].starts_with("lxc.net.0.hwaddr=00:16:3e:") && !lines[5].ends_with("01:02:03")
        );
        assert_eq!(
            lines[6..],
            [
                "lxc.mount.entry = /s mnt overlay lowerdir=/s,upperdir=/c/new/d,workdir=/c/new/w 0 0",
                "lxc.environment = A=/c/old/x",
                "lxc.rootfs.path = dir:/c/new/rootfs",
                "lxc.uts.name = new",
                "lxc.mount.fstab = /c/new/tab",
            ]
        );
        let file = |from: &str, to: &str| File { from: from.into(), to: to.into() };
        assert_eq!(files, [file("/f/tab", "/c/new/tab"), file("/c/old/hooks/x", "/c/new/hooks/x")]);
    }

    #[test]
    fn name_and_addresses_can_be_kept() {
        let text =
            "lxc.uts.name = old\nlxc.net.0.type = veth\nlxc.net.0.hwaddr = 00:16:3e:01:02:03\n";
        let (copy, _) = copied(text, true);
        assert_eq!(copy, format!("{text}lxc.rootfs.path = dir:/c/new/rootfs\n"));
    }
}
