//! Freezing and thawing all processes of a container.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use crate::cgroup::Version;
use crate::cgroup::enter;
use crate::cgroup::freezer::{Freezer, is_part_of};
use crate::error::{Error, Kind, Result};
use crate::identity::Identity;
use crate::monitor::client::Client;
use crate::monitor::publish;
use crate::state::State;

/// How long all tasks may take to freeze, unless the caller says otherwise.
pub const WITHIN: Duration = Duration::from_secs(10);
/// The controller of v1.
const FREEZER: &str = "freezer";

/// Freezes the container. If that takes longer than `within` the error lists the tasks that would not
/// freeze.
/// On any failure the container is thawed again, and its monitor says RUNNING.
pub fn freeze(identity: &Identity, within: Duration) -> Result<()> {
    let client = Client::new(identity);
    with_freezer(identity, &client, |state, freezer| {
        if state == State::Frozen {
            return Ok(());
        }
        meanwhile(identity, &client, State::Freezing, || freezer.freeze(within))
            .and_then(|()| tell_final(identity, &client, freezer, State::Frozen))
            .map_err(|mut error| {
                let thawed = freezer.thaw(WITHIN);
                let told = tell_final(identity, &client, freezer, State::Running);
                let undone = [thawed, told];
                for problem in undone.into_iter().filter_map(Result::err) {
                    error = error.note(format!("thawing it again: {problem}"));
                }
                error
            })
    })
}

/// Thaws the container.
pub fn unfreeze(identity: &Identity) -> Result<()> {
    let client = Client::new(identity);
    with_freezer(identity, &client, |state, freezer| {
        if state == State::Running {
            // It may have been frozen without its monitor being told, or is just being frozen.
            freezer.thaw(WITHIN)?;
            if client.state()? == State::Running {
                return Ok(());
            }
        } else {
            meanwhile(identity, &client, State::Thawed, || freezer.thaw(WITHIN))?;
        }
        tell_final(identity, &client, freezer, State::Running)
    })
}

/// Tells the `state` that the container was brought to. If somebody else froze or thawed it meanwhile, the monitor may
/// have heard of both in the other order: what the kernel says is told then.
fn tell_final(
    identity: &Identity,
    client: &Client,
    freezer: Freezer<'_>,
    mut state: State,
) -> Result<()> {
    loop {
        tell(identity, client, state)?;
        let is = if freezer.is_to_freeze()? { State::Frozen } else { State::Running };
        if is == state {
            return Ok(());
        }
        state = is;
    }
}

/// Tells those who watch all containers, and the monitor, which tells those who wait for this one.
fn tell(identity: &Identity, client: &Client, state: State) -> Result<()> {
    meanwhile(identity, client, state, || Ok(()))
}

/// Like [`tell`], but acts while the monitor handles the message.
fn meanwhile(
    identity: &Identity,
    client: &Client,
    state: State,
    act: impl FnOnce() -> Result<()>,
) -> Result<()> {
    publish::state(identity, state);
    let asked = client.ask_serve_state(state)?;
    let acted = act();
    client.take_served(asked)?;
    acted
}

/// Acts on a container that runs, with its state and its freezer.
fn with_freezer(
    identity: &Identity,
    client: &Client,
    act: impl FnOnce(State, Freezer<'_>) -> Result<()>,
) -> Result<()> {
    let asked = client.ask_limit_cgroup(FREEZER);
    let state = client.state()?;
    if state == State::Stopped {
        return Err(Error::new(format!("{identity} is not running")).kind(Kind::NotRunning));
    }
    let (dir, version) = freezer_cgroup(client, client.take_limit_cgroup(asked?)?)?;
    act(state, Freezer::new(dir.as_fd(), version))
}

/// The cgroup to freeze, and its version.
pub(super) fn cgroup(client: &Client) -> Result<(OwnedFd, Version)> {
    freezer_cgroup(client, client.limit_cgroup(FREEZER)?)
}

/// The cgroup of the v1 freezer, if it was `found`, or that of v2.
fn freezer_cgroup(
    client: &Client,
    found: Option<(OwnedFd, Version)>,
) -> Result<(OwnedFd, Version)> {
    if let Some(found) = found {
        return Ok(found);
    }
    if let Some(dir) = client.limit_cgroup2()? {
        return Ok((dir, Version::V2));
    }
    // C LXC's monitor names neither cgroup if there is any v1 hierarchy in addition to the unified one.
    let dirs = client.cgroups()?;
    if dirs.is_empty() {
        return Err(Error::new("the container has no cgroup of its own"));
    }
    let unified = dirs.into_iter().find(|dir| enter::is_unified(dir.as_fd()));
    match unified.filter(|dir| is_part_of(dir.as_fd())) {
        Some(dir) => Ok((dir, Version::V2)),
        None => Err(Error::new("there is no freezer on this host").hint(
            "mount the v1 freezer hierarchy or the unified one (Linux 5.2) before the container starts",
        )),
    }
}
