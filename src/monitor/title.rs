//! The title of a monitor, which tools and people look for in the list of processes.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use crate::error::{Context, Error, Result};
use crate::identity::Identity;

/// What all titles begin with.
const PREFIX: &str = "[lxc monitor] ";
/// Room for every directory and name of a container (NAME_MAX after a path of some length).
const ROOM: usize = 1024;

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

/// Whether a program with this first argument was executed as a monitor.
pub fn is_monitor(argv0: &OsStr) -> bool {
    argv0.as_encoded_bytes().starts_with(PREFIX.as_bytes())
}

/// Gives this process, which has a title with room, the title `title`.
///
/// The kernel shows the memory that the arguments are in; where its last byte is not a NUL any more, up
/// to the first one (proc_pid_cmdline(5)).
pub fn set(title: &str) -> Result<()> {
    let failed = || "cannot set the title of the monitor";
    let text = std::fs::read_to_string("/proc/self/stat").context(failed)?;
    let (start, end) = arguments(&text).ok_or_else(|| Error::new(failed()))?;
    let room = usize::try_from(end.saturating_sub(start)).unwrap_or(0);
    // As long as the last one, or shorter, with a byte that is not a NUL at the end.
    if title.len() + 2 > room && title.len() + 1 != room {
        return Err(Error::new(failed()).note(format!("it has {} bytes", title.len())));
    }
    let mut bytes = vec![b' '; room];
    bytes[..title.len()].copy_from_slice(title.as_bytes());
    bytes[title.len()] = 0;
    OpenOptions::new()
        .write(true)
        .open("/proc/self/mem")
        .and_then(|memory| memory.write_all_at(&bytes, start))
        .context(failed)
}

/// Where the arguments begin and end, by the text of a `/proc/PID/stat` (fields 48 and 49 of
/// proc_pid_stat(5)).
fn arguments(text: &str) -> Option<(u64, u64)> {
    // The name in parentheses may have both spaces and parentheses; the third field is after it.
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split_whitespace().skip(48 - 3).map(str::parse);
    Some((fields.next()?.ok()?, fields.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_where_the_kernel_says() {
        let own = std::fs::read_to_string("/proc/self/stat").unwrap();
        let (start, end) = arguments(&own).unwrap();
        let line = std::fs::read("/proc/self/cmdline").unwrap();
        assert_eq!(end - start, line.len() as u64);
        let fields = (3..=52).map(|number| number.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(arguments(&format!("7 (a) b) {fields}")), Some((48, 49)));
        assert_eq!(arguments("7 (a) S 1"), None);
    }
}
