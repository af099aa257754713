//! Starting, stopping and rebooting the containers of a host in their order (lxc-autostart(1)).

use std::sync::Mutex;
use std::thread::Builder;
use std::time::Duration;

use serde::Serialize;

use super::list::{active, defined, is_defined};
use super::report::Report;
use super::running;
use super::start::{self, Zygote};
use super::stop;
use crate::config::{Document, Start};
use crate::error::{Error, Kind, Result};
use crate::identity::Identity;
use crate::state::State;

/// What to do with each container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start those that do not run.
    Start,
    /// Reboot those that run.
    Reboot,
    /// Shut down those that run, the last in order first; kill what is still there after the timeout.
    Shutdown,
    /// Kill those that run, the last in order first.
    Kill,
}

/// Which containers, and in what order.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The directory of the containers.
    pub lxcpath: std::path::PathBuf,
    /// Groups, one after the other; an empty name means containers without a group. `None` for all
    /// containers, whatever their groups.
    pub groups: Option<Vec<String>>,
    /// Take containers without `lxc.start.auto` too.
    pub ignore_auto: bool,
}

/// A container that has its turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Turn {
    /// The container.
    #[serde(skip)]
    pub identity: Identity,
    /// Its name.
    pub name: String,
    /// `lxc.start.order`.
    pub order: i32,
    /// `lxc.start.delay`, seconds to wait after starting this container before the next one.
    pub delay: u32,
    /// The group as whose member it is taken; `None` without a group, or if groups do not matter.
    pub group: Option<String>,
}

/// The result of a selection.
#[derive(Debug, Default)]
pub struct Selected {
    /// The containers to act on, in the order in which they are reached.
    pub turns: Vec<Turn>,
    /// Containers of which nothing is known, with the reason.
    pub unknown: Vec<(Identity, Error)>,
    /// Containers whose configuration cannot be read, although the action does not need it: they do not
    /// run, or their monitors know enough.
    pub unreadable: Vec<(Identity, Error)>,
}

impl Action {
    /// Whether the container is asked to run, and others wait for its delay.
    fn brings_up(self) -> bool {
        matches!(self, Self::Start | Self::Reboot)
    }

    fn concerns(self, state: State) -> bool {
        (state == State::Stopped) == (self == Self::Start)
    }
}

impl Selection {
    /// The containers that `action` concerns, in the order in which it reaches them.
    pub fn select(&self, action: Action) -> Result<Selected> {
        let mut candidates = Vec::new();
        let mut selected = Selected::default();
        let mut names = defined(&self.lxcpath)?;
        if action != Action::Start {
            // The configuration of a running container may be gone.
            names.extend(active(&self.lxcpath)?);
        }
        for name in names {
            let identity = Identity::new(&self.lxcpath, name);
            if let Some(start) = selected.settings(&identity, action)?
                && (self.ignore_auto || start.auto)
            {
                candidates.push((identity, start));
            }
        }
        candidates.sort_by_key(|(_, start)| start.order);
        if !action.brings_up() {
            candidates.reverse();
        }
        let mut turns = Vec::new();
        match &self.groups {
            None => {
                for (identity, start) in candidates {
                    turns.push(Turn::new(identity, &start, None));
                }
            }
            Some(groups) => {
                for group in groups {
                    let is_member = |own: &[String]| match group.as_str() {
                        "" => own.is_empty(),
                        group => own.iter().any(|own| own == group),
                    };
                    let (members, rest): (Vec<_>, Vec<_>) =
                        candidates.into_iter().partition(|(_, start)| is_member(&start.groups));
                    candidates = rest;
                    for (identity, start) in members {
                        turns.push(Turn::new(identity, &start, Some(group)));
                    }
                }
            }
        }
        let identities: Vec<Identity> = turns.iter().map(|turn| turn.identity.clone()).collect();
        for (turn, report) in turns.into_iter().zip(Report::of_all(&identities)) {
            match report.map(|report| report.state) {
                Ok(state) if action.concerns(state) => selected.turns.push(turn),
                Ok(_) => {}
                Err(error) => selected.unknown.push((turn.identity, error)),
            }
        }
        Ok(selected)
    }
}

impl Selected {
    /// When the container starts and stops: according to its file or, if it runs and the file cannot be
    /// read, to its monitor. `None` if neither can tell, or if there is nothing to do for the container.
    fn settings(&mut self, identity: &Identity, action: Action) -> Result<Option<Start>> {
        let error = match Document::load(&identity.config_file()) {
            Ok(Document { config, .. }) => return Ok(Some(config.start)),
            Err(error) => error,
        };
        if action == Action::Start {
            self.unknown.push((identity.clone(), error));
            return Ok(None);
        }
        match running::configuration(identity) {
            Ok(config) => {
                if is_defined(identity)? {
                    self.unreadable.push((identity.clone(), error));
                }
                Ok(config.map(|config| config.start))
            }
            Err(of_monitor) => {
                let error = error.note(of_monitor.to_string());
                self.unknown.push((identity.clone(), error));
                Ok(None)
            }
        }
    }
}

impl Turn {
    fn new(identity: Identity, start: &Start, group: Option<&str>) -> Self {
        let group = group.filter(|group| !group.is_empty()).map(str::to_owned);
        Self {
            name: identity.name.as_str().to_owned(),
            identity,
            order: start.order,
            delay: start.delay,
            group,
        }
    }
}

/// The turns that may be taken at once: those of one group and one `lxc.start.order`. If others wait for
/// a container's delay, none of them starts together with it.
fn batches(turns: &[Turn], action: Action) -> Vec<&[Turn]> {
    let together = |a: &Turn, b: &Turn| {
        let waits = action.brings_up() && a.delay > 0;
        !waits && a.order == b.order && a.group == b.group
    };
    turns.chunk_by(together).collect()
}

/// Takes the `turns`, up to `jobs` at once; `failed` gets each that failed. Returns how many did.
///
/// `timeout` is how long a container may take to shut down or reboot; zero to not wait.
pub fn run(
    turns: &[Turn],
    action: Action,
    jobs: usize,
    timeout: Option<Duration>,
    failed: impl Fn(&Turn, &Error) + Sync,
) -> usize {
    let mut failures = 0;
    // One for each worker, for all containers that it starts.
    let mut zygotes = Vec::new();
    zygotes.resize_with(jobs.clamp(1, turns.len().max(1)), Zygote::default);
    for batch in batches(turns, action) {
        let queue = Mutex::new((batch.iter(), 0));
        let work = |zygote: &Zygote| {
            loop {
                // No holder of the lock can panic.
                let Ok(mut held) = queue.lock() else { return };
                let Some(turn) = held.0.next() else { return };
                drop(held);
                if let Err(error) = take(&turn.identity, action, zygote, timeout) {
                    failed(turn, &error);
                    if let Ok(mut held) = queue.lock() {
                        held.1 += 1;
                    }
                }
            }
        };
        match &mut zygotes[..jobs.clamp(1, batch.len())] {
            [] => {}
            [own, others @ ..] => std::thread::scope(|scope| {
                for zygote in others {
                    // If no more threads can be made, fewer threads do all the work.
                    let _ = Builder::new().spawn_scoped(scope, move || work(zygote));
                }
                work(own);
            }),
        }
        failures += queue.into_inner().map_or(batch.len(), |(_, failures)| failures);
        if let Some(last) = batch.last().filter(|last| action.brings_up() && last.delay > 0) {
            std::thread::sleep(Duration::from_secs(last.delay.into()));
        }
    }
    failures
}

fn take(
    identity: &Identity,
    action: Action,
    zygote: &Zygote,
    timeout: Option<Duration>,
) -> Result<()> {
    let ended = |result: Result<()>| match result {
        // The container ended on its own since it was listed.
        Err(error) if error.kind == Kind::NotRunning => Ok(()),
        result => result,
    };
    match action {
        Action::Start => match start::start_by(zygote, &start::Request::of(identity.clone())) {
            Err(error) if error.kind == Kind::AlreadyRunning => Ok(()),
            result => result.map(drop),
        },
        Action::Reboot => stop::reboot(identity, timeout).and_then(|runs| {
            if runs {
                return Ok(());
            }
            Err(Error::new("it does not run again").kind(Kind::TimedOut))
        }),
        Action::Shutdown => ended(stop::shut_down(identity, timeout).and_then(|stopped| {
            if stopped || timeout == Some(Duration::ZERO) {
                return Ok(());
            }
            stop::kill(identity)
        })),
        Action::Kill => ended(stop::kill(identity)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::ContainerName;

    fn turn(name: &str, order: i32, delay: u32, group: Option<&str>) -> Turn {
        let start = Start { delay, order, ..Default::default() };
        let identity = Identity::new("/srv", ContainerName::new(name).unwrap());
        Turn::new(identity, &start, group)
    }

    fn names(turns: &[Turn], action: Action) -> Vec<String> {
        let name = |turn: &Turn| turn.name.clone();
        let line = |batch: &&[Turn]| batch.iter().map(name).collect::<Vec<_>>().join(" ");
        batches(turns, action).iter().map(line).collect()
    }

    #[test]
    fn what_may_go_at_once_is_of_one_order_and_one_group() {
        let turns = [
            turn("a", 0, 0, Some("g")),
            turn("b", 0, 3, Some("g")),
            turn("c", 0, 0, Some("g")),
            turn("d", 1, 0, Some("g")),
            turn("e", 1, 0, None),
            turn("f", 1, 0, None),
        ];
        assert_eq!(names(&turns, Action::Start), ["a b", "c", "d", "e f"]);
        assert_eq!(names(&turns, Action::Shutdown), ["a b c", "d", "e f"]);
        assert_eq!(batches(&[], Action::Start).len(), 0);
    }
}
