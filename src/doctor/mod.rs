//! What this host can do for containers, and what to do about what it cannot (`lxc-rs doctor`).
//!
//! What can be tried is tried: containers are started that run true(1) over the host's own files and are
//! gone again, and files are made in the directory of containers. The rest is read from the kernel.

mod bundle;
mod cgroups;
mod kernel;
mod limits;
mod network;
mod programs;
mod security;
mod storage;
mod trial;
mod users;

use std::path::Path;

use serde::Serialize;

pub use bundle::Bundle;

use crate::container::copy::ephemeral::random_name;
use crate::error::{Error, Result};
use crate::identity::{ContainerName, Identity};
use crate::version;

/// What became of one examination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All is well.
    Ok,
    /// Something that containers can do without is missing or scarce.
    Limited,
    /// Containers do not work, or not as they are configured.
    Fails,
}

/// One thing that was examined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it belongs to, a word.
    pub topic: &'static str,
    /// What was examined.
    pub what: String,
    /// What became of it.
    pub verdict: Verdict,
    /// What was found: the first cause where it is not good.
    pub found: String,
    /// What to do about it.
    pub fix: Option<String>,
}

/// Everything that was examined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The version of this program.
    pub version: &'static str,
    /// The release of the kernel.
    pub kernel: String,
    /// Whether nothing is [failed](Verdict::Fails).
    pub usable: bool,
    /// The findings, by topic.
    pub findings: Vec<Finding>,
}

/// Examines the host for containers in `lxcpath` that begin with the configuration `default_config`.
/// Leaves nothing behind.
pub fn examine(lxcpath: &Path, default_config: &Path) -> Result<Report> {
    let kernel = crate::kernel::probe()?;
    // Of a container that nobody has.
    let identity = Identity::new(lxcpath, random_name(&ContainerName::new("doctor")?)?);
    let mut findings = trial::examine(&identity, default_config);
    findings.extend(kernel::examine(&kernel));
    findings.extend(cgroups::examine());
    findings.extend(security::examine(&identity));
    findings.extend(users::examine());
    findings.extend(network::examine());
    findings.extend(storage::examine(lxcpath));
    findings.extend(limits::examine());
    findings.extend(programs::examine());
    Ok(Report {
        version: version::OWN,
        kernel: kernel.kernel.unwrap_or_default(),
        usable: findings.iter().all(|finding| finding.verdict != Verdict::Fails),
        findings,
    })
}

impl Finding {
    fn ok(topic: &'static str, what: impl Into<String>, found: impl Into<String>) -> Self {
        let (what, found) = (what.into(), found.into());
        Self { topic, what, verdict: Verdict::Ok, found, fix: None }
    }

    fn limited(
        topic: &'static str,
        what: impl Into<String>,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        let fix = Some(fix.into());
        Self { verdict: Verdict::Limited, fix, ..Self::ok(topic, what, found) }
    }

    /// From an error: its cause, with the line of a configuration, and its hint as what to do.
    fn of_error(
        topic: &'static str,
        what: impl Into<String>,
        verdict: Verdict,
        error: Error,
    ) -> Self {
        let line = error.origin.as_ref().map(|origin| match origin.line {
            0 => format!(" ({})", origin.file),
            line => format!(" ({}, line {line})", origin.file),
        });
        let fix = error.hint.clone();
        let cause = Error { hint: None, origin: None, ..error };
        let found = format!("{cause}{}", line.unwrap_or_default());
        Self { verdict, fix, ..Self::ok(topic, what, found) }
    }
}
