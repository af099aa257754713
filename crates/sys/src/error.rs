//! The one error of this crate.
//!
//! An error here crosses process boundaries: the container's side of a start reports to the monitor,
//! the monitor to the command that waits. So it is plain data: what failed, the errno, the line of the
//! configuration that asked for it, and how to fix it. The first cause stays first; what went wrong
//! while cleaning up is added as a note.
//!
//! ```
//! use lxc_sys::error::{Context, Error, Kind, Result};
//!
//! fn read(file: &str) -> Result<String> {
//!     std::fs::read_to_string(file).context(|| format!("cannot read {file}"))
//! }
//!
//! let error = read("/no/such/file").unwrap_err().hint("name another one");
//! assert_eq!(
//!     error.to_string(),
//!     "cannot read /no/such/file: ENOENT (No such file or directory)\n  hint: name another one"
//! );
//! assert_eq!(error.kind, Kind::Failed);
//! assert_eq!(Error::new("web is not running").kind(Kind::NotRunning).to_string(), "web is not running");
//! ```

use std::fmt;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use crate::origin::Origin;

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller may want to act on, beyond showing the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Nothing a caller treats specially.
    #[default]
    Failed,
    /// There is no container of that name.
    NotDefined,
    /// The container does not run.
    NotRunning,
    /// The container runs already.
    AlreadyRunning,
    /// The monitor refused because of the caller's uid or gid.
    Denied,
    /// Somebody who may not run the container holds its command socket.
    Impostor,
    /// A time limit ran out.
    TimedOut,
    /// Somebody asked for the end of a container while it was being started.
    Stopped,
}

/// A failure, with everything its reader needs to fix it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct Error {
    /// What failed, with its object: lower case, no full stop.
    pub what: String,
    /// The errno of the system call that failed, if one did.
    pub errno: Option<i32>,
    /// The configuration line that asked for it.
    pub origin: Option<Origin>,
    /// What the reader can do about it.
    pub hint: Option<String>,
    /// What else went wrong afterwards, such as while cleaning up.
    pub notes: Vec<String>,
    /// Other failures that were found at the same time, such as in other lines of a file.
    pub also: Vec<Self>,
    /// What a caller may want to act on.
    pub kind: Kind,
}

impl Error {
    /// An error that says `what` failed.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            errno: None,
            origin: None,
            hint: None,
            notes: Vec::new(),
            also: Vec::new(),
            kind: Kind::Failed,
        }
    }

    /// An error that says `what` failed with `error`.
    fn of(error: &std::io::Error, what: impl Into<String>) -> Self {
        match error.raw_os_error() {
            Some(raw) => Self::new(what).errno(Errno::from_raw(raw)),
            None => Self::new(format!("{}: {error}", what.into())),
        }
    }

    /// The same error with the errno of the failed system call.
    #[must_use]
    pub fn errno(mut self, errno: Errno) -> Self {
        self.errno = Some(errno as i32);
        self
    }

    /// The same error with the configuration line that asked for what failed.
    #[must_use]
    pub fn at(mut self, origin: Option<&Origin>) -> Self {
        if self.origin.is_none() {
            self.origin = origin.cloned();
        }
        self
    }

    /// The same error with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with something else that went wrong afterwards.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The same error of another kind.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Whether the failed system call returned `errno`.
    pub fn is(&self, errno: Errno) -> bool {
        self.errno == Some(errno as i32)
    }

    /// Whether it failed because this user may not (EACCES, EPERM).
    pub fn lacks_rights(&self) -> bool {
        self.is(Errno::EACCES) || self.is(Errno::EPERM)
    }
}

/// The name and text of an errno: `ENOENT (No such file or directory)`.
pub fn errno_text(raw: i32) -> String {
    let errno = Errno::from_raw(raw);
    if errno == Errno::UnknownErrno {
        return format!("errno {raw}");
    }
    format!("{errno:?} ({})", errno.desc())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(errno) = self.errno {
            write!(f, ": {}", errno_text(errno))?;
        }
        if let Some(origin) = &self.origin {
            write!(f, "\n{origin}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        for note in &self.notes {
            write!(f, "\n  note: {note}")?;
        }
        for other in &self.also {
            write!(f, "\n{other}")?;
        }
        Ok(())
    }
}

/// Adds to a failed system call what it was for.
pub trait Context<T> {
    /// Turns the failure into an [`Error`] that says `what` failed and keeps the errno.
    fn context<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T>;
}

impl<T> Context<T> for nix::Result<T> {
    fn context<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|errno| Error::new(what()).errno(errno))
    }
}

impl<T> Context<T> for std::io::Result<T> {
    fn context<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|error| Error::of(&error, what()))
    }
}

impl<T> Context<T> for std::result::Result<T, crate::mount::Refused> {
    fn context<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|refused| {
            let error = Error::of(&refused.error, what());
            match refused.said {
                Some(said) => error.hint(format!("the kernel says: {said}")),
                None => error,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_object_errno_line_and_fix_in_this_order() {
        let error = Error::new("cannot attach vethAbc to bridge br9")
            .errno(Errno::ENODEV)
            .at(Some(&Origin::new("/srv/c/config", 7, "lxc.net.0.link = br9").part("br9")))
            .hint("create the bridge")
            .note("removed link vethAbc");
        assert_eq!(
            error.to_string(),
            "cannot attach vethAbc to bridge br9: ENODEV (No such device)\n \
             --> /srv/c/config:7:18\n  |\n7 | lxc.net.0.link = br9\n  |                  ^^^\n  \
             hint: create the bridge\n  note: removed link vethAbc"
        );
    }
}
