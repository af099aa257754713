//! Security modules: the AppArmor profile or SELinux context that init and attached commands run
//! under.
//!
//! A process changes only its own label, through a file of /proc. That file is opened while /proc is
//! still the host's, so that no root filesystem can put another one in its place, and written when
//! the set-up needs nothing any more that the label forbids.

use std::fmt::Display;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};

use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::apparmor::{self, Choice, Generated};
use super::selinux;
use crate::config::Config;
use crate::error::{Context, Error, Result};
use crate::identity::Identity;

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

/// What a container is to be confined by.
#[derive(Debug, Default)]
pub struct Confinement {
    /// The label of its processes; `None` for the caller's.
    pub label: Option<Label>,
    /// The profile to be loaded before.
    pub profile: Option<Generated>,
}

impl Confinement {
    /// What the configuration of a container asks for on this host, checked.
    pub fn of_config(config: &Config, identity: &Identity) -> Result<Self> {
        if apparmor::is_enabled() {
            return Ok(match apparmor::choose(config, identity)? {
                Choice::Unchanged => Self::default(),
                Choice::Named(name) => Self { label: Some(Label::AppArmor(name)), profile: None },
                Choice::Generated(made) => {
                    Self { label: Some(Label::AppArmor(made.label())), profile: Some(*made) }
                }
            });
        }
        let context = if selinux::is_enabled() { selinux::context(config)? } else { None };
        Ok(Self { label: context.map(Label::SeLinux), profile: None })
    }
}

impl Label {
    /// The label of a process; `None` if it is not confined.
    pub fn of_process(pid: Pid) -> Result<Option<Self>> {
        let (paths, label): (_, fn(String) -> Self) = if apparmor::is_enabled() {
            (apparmor::CURRENT, Self::AppArmor)
        } else if selinux::is_enabled() {
            (selinux::CURRENT, Self::SeLinux)
        } else {
            return Ok(None);
        };
        let name = current(pid, paths).ok_or_else(|| {
            Error::new(format!("cannot read the security label of process {pid}"))
        })?;
        Ok((!apparmor::is_unconfined(&name)).then(|| label(name)))
    }

    /// The files through the first of which that is there the calling process takes this label, and what is
    /// written to it.
    pub fn own(&self) -> (&'static [&'static str], String) {
        match self {
            Self::AppArmor(profile) => (apparmor::OWN, format!("changeprofile {profile}")),
            Self::SeLinux(context) => (selinux::OWN, context.clone()),
        }
    }

    /// Opens the file through which the calling process takes this label.
    pub fn prepare(&self) -> Result<LabelChange> {
        let (paths, text) = self.own();
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

/// The label of `process`, without its mode, in the first of the files `paths` below its directory in /proc that
/// can be read.
pub(super) fn current(process: impl Display, paths: &[&str]) -> Option<String> {
    let read = |path: &&str| std::fs::read_to_string(format!("/proc/{process}/{path}")).ok();
    let text = paths.iter().find_map(read)?;
    Some(apparmor::without_mode(text.trim_end_matches(['\n', '\0'])).to_owned())
}

/// A security setting that has another effect on this host than it says.
pub fn warning(config: &Config) -> Option<String> {
    apparmor::warning(config).or_else(|| selinux::warning(config))
}
