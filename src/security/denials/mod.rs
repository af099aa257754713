//! What the kernel denied to a container, and which line of its configuration would allow it.
//!
//! [`sources`] reads the kernel's log and the audit daemon's file; [`record`] takes the audit records
//! out of them; [`subject`] knows which of them are about the container; [`apparmor`], [`selinux`] and
//! [`seccomp`] say what one means and what would allow it. What [`devices`] were denied, the device program
//! of cgroup v2 has counted. [`unseen`] says what all of this cannot show.
//!
//! Nothing in a record is believed that its process could have written: names in it are shown without
//! control characters, and become part of a line of configuration only where they can mean nothing else.

mod apparmor;
mod devices;
mod record;
mod seccomp;
mod selinux;
mod sources;
mod subject;
mod text;
mod unseen;

use std::path::Path;

use serde::Serialize;

use record::{Kind, Record};
use subject::Owner;
pub use subject::Subject;

use crate::cgroup::devices::denied::Denied;
use crate::error::Result;

/// How many kinds of denials are told apart; the record of one more is only counted.
const MOST_KINDS: usize = 256;
/// How many commands are named with a kind.
const MOST_COMMANDS: usize = 5;

/// What denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// An AppArmor profile.
    AppArmor,
    /// The SELinux policy.
    SeLinux,
    /// A seccomp filter.
    Seccomp,
    /// The device rules of cgroup v2.
    Devices,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// The call failed.
    Refused,
    /// The process or thread was killed.
    Killed,
    /// The process was sent SIGSYS.
    Trapped,
    /// Another program answered it.
    Notified,
    /// It was allowed, and only logged.
    Logged,
}

/// Where a line belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The container's configuration.
    Configuration,
    /// The seccomp profile.
    Profile,
    /// A module of the SELinux policy.
    Policy,
}

/// A line to add or to remove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Where it belongs.
    pub place: Place,
    /// Whether it is to be removed, not added.
    pub remove: bool,
    /// Its file; `None` for the container's configuration and for the policy.
    pub file: Option<String>,
    /// Its number there, of one to be removed.
    pub number: Option<u32>,
    /// The line.
    pub text: String,
}

impl Line {
    /// One to add to the container's configuration.
    fn add(text: impl Into<String>) -> Self {
        let place = Place::Configuration;
        Self { place, remove: false, file: None, number: None, text: text.into() }
    }
}

/// What one record says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Meaning {
    source: Source,
    effect: Effect,
    what: String,
    allow: Vec<Line>,
    note: Option<String>,
}

/// All records that say the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Denial {
    /// What denied it.
    pub source: Source,
    /// What came of it.
    pub effect: Effect,
    /// What was denied.
    pub what: String,
    /// How often.
    pub count: usize,
    /// Whether it is known to be of this container: else, of it or of another.
    pub certain: bool,
    /// Which commands did it, the first few.
    pub commands: Vec<String>,
    /// When it was first denied, in seconds since 1970.
    pub first: u64,
    /// When it was last denied.
    pub last: u64,
    /// The lines of which all together would allow it.
    pub allow: Vec<Line>,
    /// What else there is to say.
    pub note: Option<String>,
}

/// What is known of a container's denials.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Since when, in seconds since 1970; `None` for all the log.
    pub since: Option<u64>,
    /// The denials, as they first happened.
    pub denials: Vec<Denial>,
    /// Records beyond the bound of kinds.
    pub more: usize,
    /// What the log does not show, and why.
    pub unseen: Vec<String>,
}

/// What the log says about `subject`, and what its device program `denied`; `None` if nobody counted that.
pub fn report(subject: &Subject, denied: Option<&[Denied]>) -> Result<Report> {
    let logs = sources::read(Path::new(sources::KMSG), Path::new(sources::AUDIT_LOG))?;
    let mut report = Report {
        since: subject.started.map(|started| logs.clocks.to_unix(started)),
        denials: Vec::new(),
        more: 0,
        unseen: Vec::new(),
    };
    let filter = seccomp::Profile::of(subject);
    for record in &logs.records {
        let Some(certain) = certainty(subject, record, filter.as_ref()) else { continue };
        let meaning = match record.kind {
            Kind::Seccomp => seccomp::meaning(record, filter.as_ref()),
            Kind::AppArmor => apparmor::meaning(record, subject),
            Kind::SeLinux => selinux::meaning(record),
        };
        let Some(meaning) = meaning else { continue };
        let time = logs.clocks.to_unix(record.time);
        report.count(meaning, record.command(), time, certain);
    }
    let denied_devices = denied.unwrap_or_default().iter();
    report.denials.extend(denied_devices.map(|denied| devices::denial(denied, logs.clocks)));
    report.denials.sort_by_key(|denial| denial.first);
    report.unseen = unseen::list(subject, &logs, filter.as_ref(), denied.is_some());
    Ok(report)
}

/// Whether `record` is certainly about the container; `None` if it is about another one.
fn certainty(
    subject: &Subject,
    record: &Record,
    filter: Option<&seccomp::Profile>,
) -> Option<bool> {
    match subject.owns(record) {
        Owner::This => Some(true),
        Owner::Other => None,
        // Filters are everywhere: it counts only if the container's own one would deny this.
        Owner::Unknown if record.kind == Kind::Seccomp => {
            filter.is_some_and(|filter| filter.denies(record)).then_some(false)
        }
        Owner::Unknown => subject.has_label_of(record).then_some(false),
    }
}

impl Report {
    fn count(&mut self, meaning: Meaning, command: Option<String>, time: u64, certain: bool) {
        let same = |known: &&mut Denial| {
            known.certain == certain
                && known.source == meaning.source
                && known.effect == meaning.effect
                && known.what == meaning.what
        };
        if let Some(known) = self.denials.iter_mut().find(same) {
            known.count += 1;
            known.first = known.first.min(time);
            known.last = known.last.max(time);
            let new = command.filter(|command| !known.commands.contains(command));
            known.commands.extend(new.filter(|_| known.commands.len() < MOST_COMMANDS));
            return;
        }
        if self.denials.len() == MOST_KINDS {
            self.more += 1;
            return;
        }
        let Meaning { source, effect, what, allow, note } = meaning;
        self.denials.push(Denial {
            source,
            effect,
            what,
            count: 1,
            certain,
            commands: command.into_iter().collect(),
            first: time,
            last: time,
            allow,
            note,
        });
    }
}
