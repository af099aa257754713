//! The one error: what failed, on what, the kernel's reason, and what to do about it.

use std::fmt;
use std::io;

/// A result with a [`Failure`].
pub type Result<T> = std::result::Result<T, Failure>;

/// A failure, as its reader gets it.
#[derive(Debug)]
pub struct Failure {
    what: String,
    cause: Option<io::Error>,
    hint: Option<String>,
}

impl Failure {
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), cause: None, hint: None }
    }

    /// The same with the kernel's reason.
    #[must_use]
    pub fn because(mut self, cause: io::Error) -> Self {
        self.cause = Some(cause);
        self
    }

    /// The same with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether the kernel's reason is `errno`.
    pub fn is(&self, errno: i32) -> bool {
        self.cause.as_ref().and_then(io::Error::raw_os_error) == Some(errno)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(cause) = &self.cause {
            let text = cause.to_string();
            let text = text.split(" (os error").next().unwrap_or_default();
            write!(f, ": {text}")?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Says of a failed call what it was for.
pub trait Context<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Failure::new(what()).because(error))
    }
}
