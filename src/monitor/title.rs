//! The title of a monitor, which tools and people look for in the list of processes.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::security::rexec;
use crate::sys::exec;
use crate::sys::handed::{self, ROOM};

/// What all titles begin with.
const PREFIX: &str = "[lxc monitor] ";

/// That of the monitor of `identity`.
pub fn of(identity: &Identity) -> String {
    format!("{PREFIX}{} {}", identity.lxcpath.display(), identity.name)
}

/// That of the process that relays connections to `identity`. It is as long as the monitor's, whose copy the
/// process is.
pub fn of_relay(identity: &Identity) -> String {
    format!("[lxc forward] {} {}", identity.lxcpath.display(), identity.name)
}

/// That of a process that is going to be copied: with room for the titles of the copies.
pub fn with_room() -> String {
    format!("{PREFIX:<ROOM$}")
}

/// An argument that gives a process which is going to be the monitor of `identity` room for that title.
pub fn room_for(identity: &Identity) -> String {
    " ".repeat(of(identity).len())
}

/// A variable that, as the first of the environment, gives a program room for the title of a monitor, whatever its
/// arguments are.
pub fn room_variable() -> OsString {
    exec::variable(handed::ROOM_VARIABLE, OsStr::new(&" ".repeat(ROOM)))
}

/// Whether [`set`] has room for the title of `identity`.
pub fn has_room(identity: &Identity) -> bool {
    let title = of(identity);
    rexec::room() >= title.len()
        || std::env::args_os().skip(1).any(|argument| argument == *room_for(identity))
}

/// Whether a program with this first argument was executed as a monitor.
pub fn is_monitor(argv0: &OsStr) -> bool {
    argv0.as_encoded_bytes().starts_with(PREFIX.as_bytes())
}

/// Gives this process, which has a title with room or the [variable](room_variable), the title `title`.
///
/// The kernel shows the memory that the arguments are in; where its last byte is not a NUL any more, up
/// to the first one, which may be in that of the environment (proc_pid_cmdline(5)).
pub fn set(title: &str) -> Result<()> {
    let failed = || "cannot set the title of the monitor";
    let text = std::fs::read_to_string("/proc/self/stat").context(failed)?;
    let Area { start, end, environment } = Area::of(&text).ok_or_else(|| Error::new(failed()))?;
    let memory =
        OpenOptions::new().read(true).write(true).open("/proc/self/mem").context(failed)?;
    let arguments = usize::try_from(end.saturating_sub(start)).unwrap_or(0);
    let mut bytes = title.as_bytes().to_vec();
    bytes.push(0);
    if bytes.len() > arguments {
        let more = if environment == end { room_after(&memory, end) } else { 0 };
        if bytes.len() > arguments + more {
            return Err(Error::new(failed()).note(format!("it has {} bytes", title.len())));
        }
    } else if bytes.len() < arguments {
        bytes.resize(arguments, b' ');
    }
    memory.write_all_at(&bytes, start).context(failed)
}

/// How many bytes of the environment, which begins at `start`, are those of the [variable](room_variable).
fn room_after(memory: &File, start: u64) -> usize {
    // A title that is there already, in this process or in the one whose copy it is, has overwritten its name.
    static IS_OURS: AtomicBool = AtomicBool::new(false);
    let variable = room_variable();
    let mut found = vec![0; variable.len() + 1];
    if !IS_OURS.load(Ordering::Relaxed) {
        let is_read = memory.read_exact_at(&mut found, start).is_ok();
        if !is_read || found.strip_suffix(&[0]) != Some(variable.as_encoded_bytes()) {
            return 0;
        }
        IS_OURS.store(true, Ordering::Relaxed);
    }
    found.len()
}

/// Where the kernel looks for a process's title.
#[derive(Debug, PartialEq, Eq)]
struct Area {
    /// Where the arguments begin.
    start: u64,
    /// Where they end.
    end: u64,
    /// Where the environment begins.
    environment: u64,
}

impl Area {
    /// By the text of a `/proc/PID/stat` (fields 48 to 50 of proc_pid_stat(5)).
    fn of(text: &str) -> Option<Self> {
        // The name in parentheses may have both spaces and parentheses; the third field is after it.
        let (_, rest) = text.rsplit_once(") ")?;
        let mut fields = rest.split_whitespace().skip(48 - 3).map(str::parse);
        let mut next = || fields.next()?.ok();
        Some(Self { start: next()?, end: next()?, environment: next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_where_the_kernel_says() {
        let own = std::fs::read_to_string("/proc/self/stat").unwrap();
        let Area { start, end, .. } = Area::of(&own).unwrap();
        let line = std::fs::read("/proc/self/cmdline").unwrap();
        assert_eq!(end - start, line.len() as u64);
        let fields = (3..=52).map(|number| number.to_string()).collect::<Vec<_>>().join(" ");
        let area = Area { start: 48, end: 49, environment: 50 };
        assert_eq!(Area::of(&format!("7 (a) b) {fields}")), Some(area));
        assert_eq!(Area::of("7 (a) S 1"), None);
    }
}
