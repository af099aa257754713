//! Freezing and thawing all processes of a container.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use crate::cgroup::Version;
use crate::cgroup::tree::{read_file, write_file};
use crate::error::{Context, Error, Kind, Result};
use crate::identity::Identity;
use crate::monitor::client::Client;
use crate::monitor::listeners::publish;
use crate::state::State;

/// How long all tasks may take to freeze. Those in an uninterruptible wait never do.
const FROZEN_WITHIN: Duration = Duration::from_secs(10);

/// Freezes the container. On failure it is thawed again, and the error lists who would not freeze.
pub fn freeze(identity: &Identity) -> Result<()> {
    change(identity, State::Freezing, State::Frozen, true)
}

/// Thaws the container.
pub fn unfreeze(identity: &Identity) -> Result<()> {
    change(identity, State::Thawed, State::Running, false)
}

fn change(identity: &Identity, begin: State, end: State, freeze: bool) -> Result<()> {
    let client = Client::new(identity);
    let state = client.state()?;
    if state == State::Stopped {
        return Err(Error::new(format!("{identity} is not running")).kind(Kind::NotRunning));
    }
    if (state == State::Frozen) == freeze {
        return Ok(());
    }
    let tell = |state: State| {
        publish(identity, state);
        client.serve_state(state)
    };
    tell(begin)?;
    let result = match client.limit_cgroup("freezer")? {
        Some((dir, Version::V1)) => change_v1(dir.as_fd(), freeze),
        Some((dir, Version::V2)) => change_v2(dir.as_fd(), freeze),
        None => match client.limit_cgroup2()? {
            Some(dir) => change_v2(dir.as_fd(), freeze),
            None => Err(Error::new("there is no freezer on this host")),
        },
    };
    match result {
        Ok(()) => tell(end),
        Err(error) => {
            if freeze {
                tell(State::Running)?;
            }
            Err(error)
        }
    }
}

/// cgroup v1 (kernel: freezer-subsystem.rst).
fn change_v1(dir: BorrowedFd<'_>, freeze: bool) -> Result<()> {
    let (wanted, other) = if freeze { ("FROZEN", "THAWED") } else { ("THAWED", "FROZEN") };
    let write =
        |value| write_file(dir, "freezer.state", value).what(|| "cannot write freezer.state");
    write(wanted)?;
    let deadline = Instant::now() + FROZEN_WITHIN;
    let mut pause = Duration::from_micros(100);
    loop {
        let state = read_file(dir, "freezer.state").what(|| "cannot read freezer.state")?;
        if state.trim() == wanted {
            return Ok(());
        }
        if Instant::now() > deadline {
            write(other)?;
            return Err(would_not(dir));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
        // The kernel freezes tasks that were forked meanwhile only when asked again.
        write(wanted)?;
    }
}

/// cgroup v2: the kernel tells when it is done.
fn change_v2(dir: BorrowedFd<'_>, freeze: bool) -> Result<()> {
    use nix::fcntl::OFlag;
    use nix::poll::{PollFd, PollFlags, poll};
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let events = nix::fcntl::openat(dir, "cgroup.events", flags, nix::sys::stat::Mode::empty())
        .what(|| "cannot open cgroup.events")?;
    let write =
        |value| write_file(dir, "cgroup.freeze", value).what(|| "cannot write cgroup.freeze");
    write(if freeze { "1" } else { "0" })?;
    let wanted = if freeze { "frozen 1" } else { "frozen 0" };
    let deadline = Instant::now() + FROZEN_WITHIN;
    loop {
        let mut buffer = [0; 256];
        let len =
            nix::sys::uio::pread(&events, &mut buffer, 0).what(|| "cannot read cgroup.events")?;
        if String::from_utf8_lossy(&buffer[..len]).lines().any(|line| line == wanted) {
            return Ok(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            write(if freeze { "0" } else { "1" })?;
            return Err(would_not(dir));
        }
        let millis = u16::try_from(left.as_millis()).unwrap_or(u16::MAX);
        let mut fds = [PollFd::new(events.as_fd(), PollFlags::POLLPRI)];
        // An interrupted wait only looks again.
        let _ = poll(&mut fds, millis);
    }
}

fn would_not(dir: BorrowedFd<'_>) -> Error {
    let pids = read_file(dir, "cgroup.procs").unwrap_or_default();
    let stuck: Vec<String> = pids
        .lines()
        .filter_map(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let state = stat.rsplit_once(") ")?.1.chars().next()?;
            (state == 'D').then(|| pid.to_owned())
        })
        .collect();
    let error = Error::new("not all processes froze in time; they are thawed again");
    if stuck.is_empty() {
        error
    } else {
        error.note(format!("stuck in the kernel: {}", stuck.join(" ")))
    }
}
