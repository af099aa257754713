//! All that a bug report about a container needs, in one archive (`lxc-rs report`).
//!
//! What cannot be read says so in its place. Every text loses its [`secrets`].

mod secrets;
mod source;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use nix::unistd::geteuid;
use serde::Serialize;

use crate::config::{Document, Finding};
use crate::container::report::Report;
use crate::container::{check, denials};
use crate::error::{Context, Result};
use crate::identity::Identity;
use crate::{paths, version};
use source::Source;

/// Files of the host, with their names in the archive.
const HOST: [(&str, &str); 16] = [
    ("os-release", "/etc/os-release"),
    ("version", "/proc/version"),
    ("cmdline", "/proc/cmdline"),
    ("uptime", "/proc/uptime"),
    ("meminfo", "/proc/meminfo"),
    ("filesystems", "/proc/filesystems"),
    ("mountinfo", "/proc/self/mountinfo"),
    ("cgroups", "/proc/cgroups"),
    ("cgroup-of-init", "/proc/1/cgroup"),
    ("cgroup-of-shell", "/proc/self/cgroup"),
    ("lsm", "/sys/kernel/security/lsm"),
    ("subuid", "/etc/subuid"),
    ("subgid", "/etc/subgid"),
    ("lxc-usernet", "/etc/lxc/lxc-usernet"),
    ("lxc-net", "/etc/default/lxc-net"),
    ("links", "/proc/net/dev"),
];
/// What the kernel says of a container's init.
const INIT: [&str; 5] = ["status", "mountinfo", "cgroup", "limits", "uid_map"];
/// How many of the files that a configuration includes are shown at most.
const INCLUDES: usize = 100;

/// One file of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its path in the archive.
    pub path: String,
    /// Its size, in bytes.
    pub bytes: usize,
    #[serde(skip)]
    content: Vec<u8>,
}

/// The archive's content.
#[derive(Debug, Default)]
pub struct Bundle {
    /// Its files.
    pub entries: Vec<Entry>,
    /// How many secrets were removed.
    pub removed: usize,
}

impl Bundle {
    /// Of the container `identity`. Starts containers as [`super::examine`] does.
    pub fn of(identity: &Identity) -> Self {
        let mut bundle = Self::default();
        bundle.text("lxc-rs.txt", about(identity));
        let doctor = super::examine(&identity.lxcpath, &paths::default_config());
        bundle.json("doctor.json", doctor);
        bundle.container(identity);
        for (name, path) in HOST {
            bundle.source(&format!("host/{name}"), &Source::of_system(path));
        }
        for path in [paths::default_config(), paths::system_config()] {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            bundle.source(&format!("host/{name}"), &Source::of_system(&path));
        }
        bundle
    }

    /// What is known of the container itself.
    fn container(&mut self, identity: &Identity) {
        let dir = identity.dir();
        let file = identity.config_file();
        self.text("container/files.txt", source::listing(&dir));
        self.source("container/config", &Source::of_owner(&file, &dir));
        let included = Document::included(&file).unwrap_or_default();
        for path in included.into_iter().collect::<BTreeSet<_>>().iter().take(INCLUDES) {
            self.source(&format!("included{}", path.display()), &Source::of_owner(path, &dir));
        }
        self.text("container/check.txt", checked(&file, &dir));
        self.json("container/denials.json", denials::find(identity));
        let config = Document::load(&file).map(|document| document.config);
        let logs =
            config.as_ref().map(|config| (config.log.file.clone(), config.console.logfile.clone()));
        let (log, console) = logs.unwrap_or_default();
        let log = log.unwrap_or_else(|| paths::default_log(identity));
        self.source("container/log", &Source::of_owner(&log, &dir));
        if let Some(console) = console {
            self.source("container/console-log", &Source::of_owner(&console, &dir));
        }
        match Report::of(identity) {
            Ok(report) => self.running(&report),
            Err(error) => self.text("container/state.txt", format!("{error}\n")),
        }
    }

    /// The state, and what the kernel says of init.
    fn running(&mut self, report: &Report) {
        let pid = report.pid();
        let shown = pid.map_or_else(String::new, |pid| format!(", init has the pid {pid}"));
        self.text("container/state.txt", format!("{}{shown}\n", report.state.word()));
        let Some(pid) = pid else { return };
        for name in INIT {
            let path = PathBuf::from(format!("/proc/{pid}/{name}"));
            self.source(&format!("container/init/{name}"), &Source::of_system(path));
        }
        self.json(
            "container/statistics.json",
            Ok(report.statistics(crate::cgroup::statistics::Part::ALL)),
        );
    }

    fn source(&mut self, path: &str, source: &Source) {
        match source.read() {
            // Most of these need not be there.
            Ok(None) => {}
            Ok(Some(content)) => self.add(path, &content),
            Err(error) => self.text(path, format!("(not read: {error})\n")),
        }
    }

    fn json<T: Serialize>(&mut self, path: &str, value: Result<T>) {
        let text = value.and_then(|value| {
            serde_json::to_string_pretty(&value)
                .map_err(|error| crate::Error::new(error.to_string()))
        });
        match text {
            Ok(text) => self.text(path, text + "\n"),
            Err(error) => self.text(path, format!("(failed: {error})\n")),
        }
    }

    fn text(&mut self, path: &str, text: impl AsRef<str>) {
        self.add(path, text.as_ref().as_bytes());
    }

    fn add(&mut self, path: &str, content: &[u8]) {
        let (content, removed) = secrets::removed(content);
        self.removed += removed;
        self.entries.push(Entry { path: path.to_owned(), bytes: content.len(), content });
    }

    /// The archive, a compressed tar(5), below one directory `top`.
    pub fn archive(&self, top: &str) -> Result<Vec<u8>> {
        let failed = || "cannot make the archive";
        let compressed = GzEncoder::new(Vec::new(), Compression::default());
        let mut archive = tar::Builder::new(compressed);
        for entry in &self.entries {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o600);
            header.set_size(entry.content.len() as u64);
            let path = Path::new(top).join(&entry.path);
            archive.append_data(&mut header, path, entry.content.as_slice()).context(failed)?;
        }
        archive.into_inner().and_then(GzEncoder::finish).context(failed)
    }
}

/// The first lines of all.
fn about(identity: &Identity) -> String {
    let mut text = format!("lxc-rs {} (LXC {})\n", version::OWN, version::LXC_RELEASE);
    let _ = writeln!(text, "container {} in {}", identity.name, identity.lxcpath.display());
    let _ = writeln!(text, "by the user with the id {}", geteuid());
    text
}

/// What `lxc-rs check` says of the configuration `file`.
fn checked(file: &Path, dir: &Path) -> String {
    // It shows lines of the files that a configuration includes.
    if dir.metadata().is_ok_and(|dir| dir.uid() != geteuid().as_raw()) {
        return "(not done: the container belongs to another user, who can: lxc-rs check)\n".into();
    }
    let found = match check::check(file) {
        Ok(found) => found,
        Err(error) => return format!("(failed: {error})\n"),
    };
    let line = |one: &Finding| format!("{:?}: {}\n", one.severity, one.error);
    found.iter().map(line).collect::<Vec<_>>().concat()
}
