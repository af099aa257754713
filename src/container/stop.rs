//! Stopping: by the halt signal that init understands, by force, or by a reboot.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::unistd::Pid;

use super::freeze;
use crate::cgroup::freezer::Freezer;
use crate::channel::wait_readable;
use crate::config::{Config, Document};
use crate::error::{Context, Error, Kind, Result};
use crate::identity::Identity;
use crate::monitor::client::{Client, Init, Waiting, receive_message, receive_state};
use crate::monitor::protocol::StateRequest;
use crate::state::State;
use crate::sys::process;
use crate::table;

/// How long to wait for a container to stop; `None` for ever.
pub type Timeout = Option<Duration>;

/// How long init may live on after its monitor: the kernel kills it then.
const AFTER_MONITOR: Duration = Duration::from_secs(5);

/// How long the destruction of an ephemeral container is waited for.
const DESTROYED_WITHIN: Duration = Duration::from_secs(5);

/// Stops the container by `stop`, which says whether it did. One that is ephemeral is destroyed by its monitor after that,
/// and is waited for.
pub fn to_its_end(identity: &Identity, stop: impl FnOnce() -> Result<bool>) -> Result<bool> {
    let client = Client::new(identity);
    let is_ephemeral =
        client.config_item("lxc.ephemeral").is_ok_and(|it| it.as_deref() == Some("1"));
    let monitor = is_ephemeral.then(|| client.until_its_end().ok()).flatten();
    let stopped = stop()?;
    if let Some(monitor) = monitor.filter(|_| stopped) {
        // The container has stopped, even if its destruction takes longer.
        let _ = wait_readable(&monitor, Some(Instant::now() + DESTROYED_WITHIN));
    }
    Ok(stopped)
}

/// Kills the container; returns when it is stopped. Fails with [`Kind::NotRunning`] if it does not
/// run.
pub fn kill(identity: &Identity) -> Result<()> {
    let client = Client::new(identity);
    let asked = client.ask_init_pid();
    let state = client.state()?;
    let init = match asked.and_then(|asked| client.take_init_pid(asked)) {
        // It is being started, or at its end.
        Err(error) if error.is(Errno::ESRCH) => None,
        result => process::pidfd_open(result?).ok(),
    };
    let frozen = (state == State::Frozen).then(|| freeze::cgroup(&client)).transpose()?;
    // A frozen process dies only when it is thawed. C LXC's monitor thaws the cgroup that init is in,
    // which does not help if it is one above that is frozen (lxc.cgroup.dir.container.inner).
    let thaw = || {
        if let Some((dir, version)) = &frozen {
            // The cgroup may be gone with the container.
            let _ = Freezer::new(dir.as_fd(), *version).thaw(freeze::WITHIN);
        }
    };
    match client.stop(thaw) {
        Err(error) if error.kind == Kind::NotRunning => {}
        result => result?,
    }
    // The end of the connection is also that of a monitor that was killed.
    let deadline = Instant::now() + AFTER_MONITOR;
    match init.map_or(Ok(()), |init| wait_readable(&init, Some(deadline))) {
        Err(error) if error.kind == Kind::TimedOut => {
            Err(Error::new(format!("the monitor of {identity} is gone, its init is still running")))
        }
        result => result,
    }
}

/// Asks init to shut down, and waits up to `timeout`; says whether the container is stopped. One that
/// reboots instead is asked again.
pub fn shut_down(identity: &Identity, timeout: Timeout) -> Result<bool> {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let client = Client::new(identity);
    let mut waiting = ask_to_halt(identity, &client, deadline)?;
    if timeout == Some(Duration::ZERO) {
        return Ok(matches!(waiting, Some(Waiting::Already)));
    }
    while let Some(Waiting::Told(connection)) = waiting {
        match receive_message(&connection, deadline.map(left)) {
            Ok(None) => return Ok(true),
            Err(error) if error.kind == Kind::TimedOut => return Ok(false),
            result => drop(result?),
        }
        waiting = match ask_to_halt(identity, &client, deadline) {
            Err(error) if error.kind == Kind::NotRunning => return Ok(true),
            result => result?,
        };
    }
    Ok(waiting.is_some())
}

/// The time until `deadline`.
fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// Sends init the signal to shut down; returns the connection that tells when the container is STOPPED,
/// or `None` if there was no init before `deadline`.
fn ask_to_halt(
    identity: &Identity,
    client: &Client,
    deadline: Option<Instant>,
) -> Result<Option<Waiting>> {
    let Some(Init { pid, pidfd, .. }) = init_of(client, deadline)? else { return Ok(None) };
    let signal = match client.config_item("lxc.signal.halt")?.and_then(|text| text.parse().ok()) {
        Some(signal) if signal > 0 => signal,
        _ => halt_signal(&configuration(identity), pid),
    };
    let waiting = client.add_state_client(StateRequest::of(&[State::Stopped]))?;
    send(&pidfd, signal)?;
    wake(identity, client)?;
    Ok(Some(waiting))
}

/// The container's init. While the container is being started, waits for it up to `deadline`; `None`
/// if there is none by then.
fn init_of(client: &Client, deadline: Option<Instant>) -> Result<Option<Init>> {
    loop {
        match client.init() {
            Err(error) if error.is(Errno::ESRCH) => {}
            result => return result.map(Some),
        }
        let ready = StateRequest::of(&[State::Running, State::Stopped]);
        if let Waiting::Told(connection) = client.add_state_client(ready)? {
            match receive_state(&connection, deadline.map(left)) {
                Err(error) if error.kind == Kind::TimedOut => return Ok(None),
                result => drop(result?),
            }
        }
    }
}

/// Asks init to reboot, and waits up to `timeout` until another init runs; says whether one does.
/// With a timeout of zero it does not wait.
pub fn reboot(identity: &Identity, timeout: Timeout) -> Result<bool> {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let client = Client::new(identity);
    let init = client.init()?.pidfd;
    let configured = client.config_item("lxc.signal.reboot")?.and_then(|text| text.parse().ok());
    let signal = configured.filter(|signal| *signal > 0).unwrap_or(libc::SIGINT);
    send(&init, signal)?;
    wake(identity, &client)?;
    if timeout == Some(Duration::ZERO) {
        return Ok(true);
    }
    runs_again(&client, &init, deadline)
}

/// Waits up to `deadline` until another init runs than that of the pidfd `init`; says whether one does.
pub(super) fn runs_again(
    client: &Client,
    init: &OwnedFd,
    deadline: Option<Instant>,
) -> Result<bool> {
    loop {
        let waiting = match client.add_state_client(StateRequest::after_reboot()) {
            // It stopped instead.
            Err(error) if error.kind == Kind::NotRunning => return Ok(false),
            result => result?,
        };
        // RUNNING alone says little: whoever thaws the container publishes that, too.
        if is_dead(init) && runs(client)? {
            return Ok(true);
        }
        let Waiting::Told(connection) = waiting else { return Ok(false) };
        match receive_state(&connection, deadline.map(left)) {
            Ok(State::Running) => {}
            Ok(_) => return Ok(false),
            Err(error) if error.kind == Kind::TimedOut => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

/// Whether the process of `pidfd` is dead.
fn is_dead(pidfd: &OwnedFd) -> bool {
    wait_readable(pidfd, Some(Instant::now())).is_ok()
}

/// Whether the container has an init that is alive.
fn runs(client: &Client) -> Result<bool> {
    if client.state()? != State::Running {
        return Ok(false);
    }
    match client.init() {
        Ok(init) => Ok(!is_dead(&init.pidfd)),
        Err(error) if error.is(Errno::ESRCH) || error.kind == Kind::NotRunning => Ok(false),
        Err(error) => Err(error),
    }
}

fn configuration(identity: &Identity) -> Config {
    // A container started with another file has none, and then the defaults hold.
    Document::load(&identity.config_file()).map(|document| document.config).unwrap_or_default()
}

fn send(pidfd: &OwnedFd, signal: i32) -> Result<()> {
    match process::pidfd_send_signal(pidfd.as_fd(), signal) {
        // It has just ended on its own.
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        result => result.context(|| format!("cannot send signal {signal} to the container's init")),
    }
}

/// Thaws the container, as a frozen one cannot do what it was asked.
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

/// The signal that asks init to halt: the configured one, else SIGRTMIN+3 where init blocks that to
/// wait for it, as systemd does (systemd(1), "SIGNALS"), else SIGPWR.
fn halt_signal(config: &Config, init: Pid) -> i32 {
    config.signal_halt.unwrap_or_else(|| {
        let systemd = libc::SIGRTMIN() + 3;
        if blocks(init, systemd) { systemd } else { libc::SIGPWR }
    })
}

fn blocks(pid: Pid, signal: i32) -> bool {
    let status = table::read(format!("/proc/{pid}/status")).unwrap_or_default();
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
