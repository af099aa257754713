//! What the running kernel can do for containers, found by trying it; and what another kernel's
//! configuration file says.
//!
//! [`features`] is the list, [`mod@probe`] the trials, each in a process and namespaces of its own, which
//! leave nothing; [`configuration`] reads the file. Only what nothing but a program that is not
//! installed could try is looked up in the running kernel's own configuration.

mod configuration;
mod features;
mod probe;

use std::path::Path;

use nix::errno::Errno;
use serde::Serialize;

use crate::error::{Error, Result, errno_text};
use configuration::Configuration;
pub use features::SECTIONS;
use features::{FEATURES, Feature};
pub use probe::mount_points;

/// What a trial found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It works.
    Present,
    /// It does not, for this reason.
    Absent(Option<Errno>),
    /// It cannot be tried here.
    Unknown,
}

/// Whether a feature is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is.
    Enabled,
    /// It is not.
    Missing,
    /// Nothing told.
    Unknown,
}

/// Where a [`State`] is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// It was tried.
    Probe,
    /// From a kernel's configuration file.
    Configuration,
}

/// What is known of one feature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The section it stands in.
    pub section: &'static str,
    /// Its name, as LXC prints it.
    pub name: &'static str,
    /// Whether it is there.
    pub state: State,
    /// Whether no container works without it.
    pub required: bool,
    /// Where that is known from.
    pub source: Source,
    /// Why it is missing.
    pub reason: Option<String>,
    /// What to do about it.
    pub hint: Option<&'static str>,
    /// Whether its module is loaded; `None` if it has none, or the kernel has no modules.
    pub loaded: Option<bool>,
}

/// Everything known of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The release of the running kernel; `None` for a configuration file.
    pub kernel: Option<String>,
    /// Whether nothing that is required is missing.
    pub usable: bool,
    /// The features, in order of their sections.
    pub checks: Vec<Check>,
}

/// Tries all features of the running kernel.
pub fn probe() -> Result<Report> {
    let own = Configuration::of_running();
    let modules = std::fs::read_to_string("/proc/modules").ok();
    let checks = FEATURES.iter().map(|feature| {
        let mut check = feature.try_it().unwrap_or_else(|| {
            let state = own.as_ref().map_or(State::Unknown, |own| feature.state_by(own));
            feature.check(state, Source::Configuration)
        });
        check.loaded = match (&modules, feature.module) {
            (Some(modules), Some(module)) => Some(is_loaded(modules, module)),
            _ => None,
        };
        check
    });
    let release = nix::sys::utsname::uname()
        .map(|uname| uname.release().to_string_lossy().into_owned())
        .map_err(|errno| Error::new("cannot ask the kernel for its release").errno(errno))?;
    Ok(Report::new(Some(release), checks.collect()))
}

/// What the configuration file `path` of a kernel says, plain or compressed by gzip. What no option
/// stands for is tried.
pub fn read(path: &Path) -> Result<Report> {
    let configuration = Configuration::read(path)?;
    let checks = FEATURES.iter().filter(|feature| !feature.is_beyond_options());
    let checks = checks.map(|feature| match feature.symbol {
        Some(_) => feature.check(feature.state_by(&configuration), Source::Configuration),
        None => {
            feature.try_it().unwrap_or_else(|| feature.check(State::Unknown, Source::Configuration))
        }
    });
    Ok(Report::new(None, checks.collect()))
}

fn is_loaded(modules: &str, name: &str) -> bool {
    modules.lines().any(|line| line.split(' ').next() == Some(name))
}

impl Report {
    fn new(kernel: Option<String>, checks: Vec<Check>) -> Self {
        let usable = checks.iter().all(|check| !check.required || check.state != State::Missing);
        Self { kernel, usable, checks }
    }
}

impl Feature {
    fn check(&self, state: State, source: Source) -> Check {
        Check {
            section: self.section,
            name: self.name,
            state,
            required: self.required,
            source,
            reason: None,
            hint: self.hint.filter(|_| state == State::Missing),
            loaded: None,
        }
    }

    /// `None` if it cannot be tried here.
    fn try_it(&self) -> Option<Check> {
        match (self.probe)() {
            Answer::Present => Some(self.check(State::Enabled, Source::Probe)),
            Answer::Absent(errno) => {
                let mut check = self.check(State::Missing, Source::Probe);
                check.reason = errno.map(|errno| errno_text(errno as i32));
                Some(check)
            }
            Answer::Unknown => None,
        }
    }

    fn state_by(&self, configuration: &Configuration) -> State {
        match self.symbol.map(|symbol| configuration.has(symbol)) {
            Some(true) => State::Enabled,
            Some(false) => State::Missing,
            None => State::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_by_their_whole_name() {
        let modules = "nf_tables_set 1 0 - Live 0x0\nveth 45056 0 - Live 0x0\n";
        assert!(is_loaded(modules, "veth"));
        assert!(!is_loaded(modules, "nf_tables"));
    }

    #[test]
    fn missing_is_fatal_only_where_required() {
        let check = |required, state| Check {
            section: "Misc",
            name: "x",
            state,
            required,
            source: Source::Probe,
            reason: None,
            hint: None,
            loaded: None,
        };
        let usable = |checks: &[Check]| Report::new(None, checks.to_vec()).usable;
        assert!(usable(&[check(false, State::Missing), check(true, State::Unknown)]));
        assert!(!usable(&[check(true, State::Missing)]));
    }
}
