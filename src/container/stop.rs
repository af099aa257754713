//! Stopping: by the halt signal that init understands, by force, or by a reboot.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::freeze;
use crate::cgroup::freezer::Freezer;
use crate::channel::wait_readable;
use crate::config::{Config, Document};
use crate::error::{Context, Error, Kind, Result};
use crate::identity::Identity;
use crate::monitor::client::{Client, Init, Waiting, receive_state};
use crate::monitor::protocol::StateRequest;
use crate::state::State;
use crate::sys::process;

/// How long to wait for a container to stop; `None` for ever.
pub type Patience = Option<Duration>;

/// Kills the container; returns when it is stopped. Fails with [`Kind::NotRunning`] if it does not
/// run.
pub fn kill(identity: &Identity) -> Result<()> {
    let client = Client::new(identity);
    client.init_pid()?;
    let frozen = match client.state()? {
        State::Frozen => Some(freeze::cgroup(&client)?),
        _ => None,
    };
    // A frozen process dies only when it is thawed. C LXC's monitor thaws the cgroup that init is in,
    // which does not help if it is one above that is frozen (lxc.cgroup.dir.container.inner).
    let thaw = || {
        if let Some((dir, version)) = &frozen {
            // The cgroup may be gone with the container.
            let _ = Freezer::new(dir.as_fd(), *version).thaw(freeze::WITHIN);
        }
    };
    match client.stop(thaw) {
        Err(error) if error.kind == Kind::NotRunning => Ok(()),
        result => result,
    }
}

/// Asks init to shut down, and waits up to `patience`; says whether the container is stopped.
pub fn shut_down(identity: &Identity, patience: Patience) -> Result<bool> {
    let client = Client::new(identity);
    let Init { pid: init, pidfd, .. } = client.init()?;
    let signal = match client.config_item("lxc.signal.halt")?.and_then(|text| text.parse().ok()) {
        Some(signal) if signal > 0 => signal,
        _ => halt_signal(&configuration(identity), init),
    };
    let waiting = client.add_state_client(StateRequest::of(&[State::Stopped]))?;
    send(&pidfd, signal)?;
    wake(identity, &client)?;
    let Waiting::Told(connection) = waiting else { return Ok(true) };
    if patience == Some(Duration::ZERO) {
        return Ok(false);
    }
    stopped_within(&connection, patience)
}

/// Asks init to reboot, and waits up to `patience` for the next life; says whether it runs.
pub fn reboot(identity: &Identity, patience: Patience) -> Result<bool> {
    let client = Client::new(identity);
    let pidfd = client.init()?.pidfd;
    let configured = client.config_item("lxc.signal.reboot")?.and_then(|text| text.parse().ok());
    let signal = configured.filter(|signal| *signal > 0).unwrap_or(libc::SIGINT);
    let waiting = client.add_state_client(StateRequest::after_reboot())?;
    send(&pidfd, signal)?;
    wake(identity, &client)?;
    let Waiting::Told(connection) = waiting else { return Ok(true) };
    if patience == Some(Duration::ZERO) {
        return Ok(true);
    }
    match receive_state(&connection, patience) {
        Ok(state) => Ok(state == State::Running),
        Err(error) if error.kind == Kind::TimedOut => Ok(false),
        Err(error) => Err(error),
    }
}

fn configuration(identity: &Identity) -> Config {
    // A container started with another file has none, and then the defaults hold.
    Document::load(&identity.config_file()).map(|document| document.config).unwrap_or_default()
}

fn send(pidfd: &OwnedFd, signal: i32) -> Result<()> {
    match process::pidfd_send_signal(pidfd.as_fd(), signal) {
        // It has just ended by itself.
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        result => result.what(|| format!("cannot send signal {signal} to the container's init")),
    }
}

/// A frozen container cannot do what it was asked.
fn wake(identity: &Identity, client: &Client) -> Result<()> {
    if client.state()? != State::Frozen {
        return Ok(());
    }
    match freeze::unfreeze(identity) {
        // It was frozen with the signal on its way, and is gone now.
        Err(error) if error.kind == Kind::NotRunning => Ok(()),
        result => result,
    }
}

/// Waits for the end of the stream that means STOPPED.
fn stopped_within(connection: &OwnedFd, patience: Patience) -> Result<bool> {
    let deadline = patience.map(|patience| Instant::now() + patience);
    match wait_readable(connection, deadline) {
        Ok(()) => receive_state(connection, None).map(|state| state == State::Stopped),
        Err(error) if error.kind == Kind::TimedOut => Ok(false),
        Err(error) => Err(error),
    }
}

/// The signal that asks init to halt: the configured one, else SIGRTMIN+3 where init blocks that to
/// wait for it, as systemd does (systemd(1), "SIGNALS"), else SIGPWR.
fn halt_signal(config: &Config, init: Pid) -> i32 {
    config.signal_halt.unwrap_or_else(|| {
        let systemd = libc::SIGRTMIN() + 3;
        if blocks(init, systemd) { systemd } else { libc::SIGPWR }
    })
}

fn blocks(pid: Pid, signal: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (signal - 1)) != 0
}

/// Fails with [`Kind::NotRunning`] unless a monitor answers.
pub fn require_running(identity: &Identity) -> Result<()> {
    match Client::new(identity).state()? {
        State::Stopped => {
            Err(Error::new(format!("{identity} is not running")).kind(Kind::NotRunning))
        }
        _ => Ok(()),
    }
}
