//! Security modules: the AppArmor profile or SELinux context that init and attached commands run
//! under.
//!
//! A process changes only its own label, through a file of /proc. That file is opened while /proc is
//! still the host's, so that no root filesystem can put another one in its place, and written when
//! the set-up needs nothing any more that the label forbids.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::{Context, Error, Result};

/// The profiles that packages of LXC load for containers.
const DEFAULT_PROFILE: &str = "lxc-container-default-cgns";
const NESTING_PROFILE: &str = "lxc-container-default-with-nesting";

/// The loaded AppArmor profiles, `NAME (MODE)` a line.
const LOADED: &str = "/sys/kernel/security/apparmor/profiles";

/// What a process is confined by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Label {
    /// An AppArmor profile; takes effect at once.
    AppArmor(String),
    /// An SELinux context; takes effect at the next exec.
    SeLinux(String),
}

/// The file through which this process changes its label.
#[derive(Debug)]
pub struct LabelChange {
    file: File,
    text: String,
}

/// Whether the kernel confines by AppArmor.
pub fn has_apparmor() -> bool {
    std::fs::read("/sys/module/apparmor/parameters/enabled")
        .is_ok_and(|flag| flag.starts_with(b"Y"))
        && Path::new("/sys/kernel/security/apparmor").is_dir()
}

/// Whether the kernel confines by SELinux.
pub fn has_selinux() -> bool {
    Path::new("/sys/fs/selinux/enforce").exists()
}

impl Label {
    /// The label that the configuration asks for on this host, checked; `None` for none.
    pub fn of_config(config: &Config) -> Result<Option<Self>> {
        if has_apparmor() {
            return apparmor_profile(config).map(|profile| profile.map(Self::AppArmor));
        }
        if has_selinux() {
            return Ok(config.selinux.context.clone().map(Self::SeLinux));
        }
        Ok(None)
    }

    /// The label of a process; `None` if it is not confined.
    pub fn of_process(pid: Pid) -> Result<Option<Self>> {
        let (paths, label): (&[&str], fn(String) -> Self) = if has_apparmor() {
            (&["attr/apparmor/current", "attr/current"], Self::AppArmor)
        } else if has_selinux() {
            (&["attr/current"], Self::SeLinux)
        } else {
            return Ok(None);
        };
        let text = paths
            .iter()
            .find_map(|path| std::fs::read_to_string(format!("/proc/{pid}/{path}")).ok())
            .ok_or_else(|| {
                Error::new(format!("cannot read the security label of process {pid}"))
            })?;
        let name = without_mode(text.trim_end_matches(['\n', '\0']));
        Ok((name != "unconfined" && !name.is_empty()).then(|| label(name.to_owned())))
    }

    /// Opens the file through which the calling process takes this label.
    pub fn prepare(&self) -> Result<LabelChange> {
        let (paths, text): (&[&str], String) = match self {
            Self::AppArmor(profile) => (
                &["/proc/self/attr/apparmor/current", "/proc/self/attr/current"],
                format!("changeprofile {profile}"),
            ),
            Self::SeLinux(context) => (&["/proc/self/attr/exec"], context.clone()),
        };
        let mut opened = Err(std::io::Error::from(std::io::ErrorKind::NotFound));
        for path in paths {
            opened = File::options().write(true).open(path);
            if opened.is_ok() {
                break;
            }
        }
        let file = opened.context(|| format!("cannot open {}", paths[0]))?;
        Ok(LabelChange { file, text })
    }
}

impl LabelChange {
    /// The file.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Takes the label.
    pub fn apply(mut self) -> Result<()> {
        // The kernel wants all of it in one write.
        self.file
            .write_all(self.text.as_bytes())
            .context(|| format!("cannot change the security label: {:?}", self.text))
    }
}

/// The name of a label without the mode that the kernel appends: `NAME (enforce)`.
fn without_mode(label: &str) -> &str {
    label.rsplit_once(" (").map_or(label, |(name, _)| name)
}

fn apparmor_profile(config: &Config) -> Result<Option<String>> {
    let settings = &config.apparmor;
    let origin = config.origin("lxc.apparmor.profile");
    let wanted = match settings.profile.as_deref() {
        Some("unchanged") => return Ok(None),
        Some("unconfined") => return Ok(Some("unconfined".into())),
        Some("generated") if settings.allow_nesting => NESTING_PROFILE,
        Some("generated") | None => DEFAULT_PROFILE,
        Some(name) => name,
    };
    let loaded = std::fs::read_to_string(LOADED).context(|| format!("cannot read {LOADED}"))?;
    if loaded.lines().any(|line| without_mode(line) == wanted) {
        return Ok(Some(wanted.to_owned()));
    }
    Err(Error::new(format!("the AppArmor profile {wanted} is not loaded"))
        .errno(Errno::ENOENT)
        .at(origin)
        .hint(
            "load it (apparmor_parser -r /etc/apparmor.d/lxc-containers), or run the container \
             without with: lxc.apparmor.profile = unconfined",
        ))
}

/// A security setting that has another effect on this host than it says.
pub fn warning(config: &Config) -> Option<String> {
    let settings = &config.apparmor;
    let profile = settings.profile.as_deref();
    if has_apparmor() {
        return (profile == Some("generated")).then(|| {
            let used = if settings.allow_nesting { NESTING_PROFILE } else { DEFAULT_PROFILE };
            let raw =
                if settings.raw.is_empty() { "" } else { ", and lxc.apparmor.raw has no effect" };
            format!("lxc.apparmor.profile = generated uses the loaded profile {used}{raw}")
        });
    }
    let names_one = !matches!(profile, None | Some("generated" | "unconfined" | "unchanged"));
    let context = config.selinux.context.is_some() && !has_selinux();
    match (names_one, context) {
        (true, _) => Some("lxc.apparmor.profile has no effect: this host has no AppArmor".into()),
        (_, true) => Some("lxc.selinux.context has no effect: this host has no SELinux".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_labels_mode_is_no_part_of_its_name() {
        assert_eq!(
            without_mode("lxc-container-default-cgns (enforce)"),
            "lxc-container-default-cgns"
        );
        assert_eq!(
            without_mode("lxc-a_</var/lib/lxc>//&:lxc-a:unconfined (mixed)"),
            "lxc-a_</var/lib/lxc>//&:lxc-a:unconfined"
        );
        assert_eq!(without_mode("unconfined"), "unconfined");
    }
}
