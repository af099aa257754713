//! Freezing all processes of a cgroup (kernel: cgroup-v1/freezer-subsystem.rst, cgroup-v2.rst).

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, poll};

use super::file;
use super::layout::Version;
use super::walk::{Visitor, walk};
use crate::error::{Context, Error, Kind, Result};
use crate::sys::deadline::poll_timeout;
use crate::table;

/// Longest pause between two looks at a v1 freezer, which tells nobody when it is done.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);
/// How long thawed tasks get to go on: tasks that still wait in the kernel after that are the ones that
/// would not freeze. Before the thaw a frozen task looks the same.
const SETTLED_WITHIN: Duration = Duration::from_millis(50);
/// How many tasks a message names.
const NAMED: usize = 10;

/// Whether the cgroup `dir` of v2 has a freezer: the root of the hierarchy has none, nor has any cgroup
/// on older kernels.
pub fn is_part_of(dir: BorrowedFd<'_>) -> bool {
    let flag = nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW;
    nix::sys::stat::fstatat(dir, "cgroup.freeze", flag).is_ok()
}

/// The freezer of one cgroup.
#[derive(Clone, Copy, Debug)]
pub struct Freezer<'fd> {
    dir: BorrowedFd<'fd>,
    version: Version,
}

impl<'fd> Freezer<'fd> {
    /// The freezer of the cgroup `dir`: of the v1 freezer hierarchy, or of v2.
    pub fn new(dir: BorrowedFd<'fd>, version: Version) -> Self {
        Self { dir, version }
    }

    /// Freezes all that is in it. If that takes longer than `within` it is thawed again, and the
    /// error, [`Kind::TimedOut`], names the tasks that would not freeze: those in an uninterruptible
    /// wait never do.
    pub fn freeze(&self, within: Duration) -> Result<()> {
        if self.change(true, within)? {
            return Ok(());
        }
        self.write(false)?;
        std::thread::sleep(SETTLED_WITHIN);
        let stuck = self.stuck();
        let seconds = within.as_secs_f64();
        let error =
            Error::new(format!("not all processes froze in {seconds} s; they are thawed again"));
        let error = error.kind(Kind::TimedOut);
        Err(if stuck.is_empty() {
            error
        } else {
            error.note(format!("would not freeze: {}", stuck.join(", ")))
        })
    }

    /// Thaws all that is in it.
    pub fn thaw(&self, within: Duration) -> Result<()> {
        if self.change(false, within)? {
            return Ok(());
        }
        Err(Error::new("the processes stay frozen")
            .kind(Kind::TimedOut)
            .hint("a cgroup above the container's is frozen: thaw that"))
    }

    /// Whether the kernel was last asked to freeze the tasks, and not to thaw them.
    pub fn is_to_freeze(&self) -> Result<bool> {
        let file = match self.version {
            Version::V1 => "freezer.self_freezing",
            Version::V2 => "cgroup.freeze",
        };
        let value = file::read(self.dir, file).context(|| format!("cannot read {file}"))?;
        Ok(value.trim() != "0")
    }

    /// Asks the kernel to freeze or thaw, without waiting.
    fn write(&self, freeze: bool) -> Result<()> {
        let (file, value) = match (self.version, freeze) {
            (Version::V1, true) => ("freezer.state", "FROZEN"),
            (Version::V1, false) => ("freezer.state", "THAWED"),
            (Version::V2, true) => ("cgroup.freeze", "1"),
            (Version::V2, false) => ("cgroup.freeze", "0"),
        };
        file::write(self.dir, file, value).context(|| format!("cannot write {value} to {file}"))
    }

    /// Asks the kernel to freeze or thaw, and waits; says whether it was done in time.
    fn change(&self, freeze: bool, within: Duration) -> Result<bool> {
        let deadline = Instant::now() + within;
        match self.version {
            Version::V1 => self.change_v1(freeze, deadline),
            Version::V2 => self.change_v2(freeze, deadline),
        }
    }

    fn change_v1(&self, freeze: bool, deadline: Instant) -> Result<bool> {
        let wanted = if freeze { "FROZEN" } else { "THAWED" };
        let mut pause = Duration::from_micros(100);
        loop {
            // Asked again each time: tasks that were forked meanwhile are frozen only then.
            self.write(freeze)?;
            let state =
                file::read(self.dir, "freezer.state").context(|| "cannot read freezer.state")?;
            if state.trim() == wanted {
                return Ok(true);
            }
            if Instant::now() > deadline {
                return Ok(false);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn change_v2(&self, freeze: bool, deadline: Instant) -> Result<bool> {
        let events = file::open(self.dir, "cgroup.events", OFlag::O_RDONLY)
            .context(|| "cannot open cgroup.events")?;
        self.write(freeze)?;
        let wanted = if freeze { "frozen 1" } else { "frozen 0" };
        loop {
            let mut buffer = [0; 256];
            let len = nix::sys::uio::pread(&events, &mut buffer, 0)
                .context(|| "cannot read cgroup.events")?;
            if String::from_utf8_lossy(&buffer[..len]).lines().any(|line| line == wanted) {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            let mut fds = [PollFd::new(events.as_fd(), PollFlags::POLLPRI)];
            // An interrupted wait only looks again.
            let _ = poll(&mut fds, poll_timeout(deadline));
        }
    }

    /// The tasks that wait in the kernel, for nothing that a signal ends, as `PID (NAME)`.
    fn stuck(&self) -> Vec<String> {
        let mut stuck: Vec<String> =
            tasks_below(self.dir).iter().filter_map(|task| if_stuck(task)).collect();
        if stuck.len() > NAMED {
            let more = stuck.len() - NAMED;
            stuck.truncate(NAMED);
            stuck.push(format!("and {more} more"));
        }
        stuck
    }
}

fn if_stuck(task: &str) -> Option<String> {
    let stat = table::read(format!("/proc/{task}/stat")).ok()?;
    let (before, after) = stat.rsplit_once(") ")?;
    let name = before.split_once('(')?.1;
    after.starts_with('D').then(|| format!("{task} ({name})"))
}

/// The ids of all threads in the cgroup `dir` and below, as far as they can be read.
fn tasks_below(dir: BorrowedFd<'_>) -> Vec<String> {
    struct Tasks(Vec<String>);
    impl Visitor for Tasks {
        fn inside(&mut self, dir: BorrowedFd<'_>) {
            let text = file::read(dir, "tasks").or_else(|_| file::read(dir, "cgroup.threads"));
            self.0.extend(text.unwrap_or_default().lines().map(str::to_owned));
        }
    }
    let mut found = Tasks(Vec::new());
    if let Err(errno) = walk(dir, &mut found) {
        log::debug!("cannot see all tasks of the cgroup: {errno}");
    }
    found.0
}
