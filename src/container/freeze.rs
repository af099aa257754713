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

/// Freezes the container. If that takes longer than `within` the error lists the tasks that would not
/// freeze.
/// On any failure the container is thawed again, and its monitor says RUNNING.
pub fn freeze(identity: &Identity, within: Duration) -> Result<()> {
    let client = Client::new(identity);
    if running_state(identity, &client)? == State::Frozen {
        return Ok(());
    }
    with_freezer(&client, |freezer| {
        tell(identity, &client, State::Freezing)
            .and_then(|()| freezer.freeze(within))
            .and_then(|()| tell_final(identity, &client, freezer, State::Frozen))
            .map_err(|mut error| {
                let told = tell_final(identity, &client, freezer, State::Running);
                let undone = [freezer.thaw(WITHIN), told];
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
    let state = running_state(identity, &client)?;
    with_freezer(&client, |freezer| {
        if state == State::Running {
            // It may have been frozen without its monitor being told, or is just being frozen.
            freezer.thaw(WITHIN)?;
            if client.state()? == State::Running {
                return Ok(());
            }
        } else {
            tell(identity, &client, State::Thawed)?;
            freezer.thaw(WITHIN)?;
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
    state: State,
) -> Result<()> {
    let mut state = state;
    loop {
        tell(identity, client, state)?;
        let is = if freezer.is_to_freeze()? { State::Frozen } else { State::Running };
        if is == state {
            return Ok(());
        }
        state = is;
    }
}

fn running_state(identity: &Identity, client: &Client) -> Result<State> {
    match client.state()? {
        State::Stopped => {
            Err(Error::new(format!("{identity} is not running")).kind(Kind::NotRunning))
        }
        state => Ok(state),
    }
}

/// Tells those who watch all containers, and the monitor, which tells those who wait for this one.
fn tell(identity: &Identity, client: &Client, state: State) -> Result<()> {
    publish::state(identity, state);
    client.serve_state(state)
}

fn with_freezer(client: &Client, act: impl FnOnce(Freezer<'_>) -> Result<()>) -> Result<()> {
    let (dir, version) = cgroup(client)?;
    act(Freezer::new(dir.as_fd(), version))
}

/// The cgroup to freeze, and its version.
pub(super) fn cgroup(client: &Client) -> Result<(OwnedFd, Version)> {
    if let Some(found) = client.limit_cgroup("freezer")? {
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
