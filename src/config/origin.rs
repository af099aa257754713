//! Where a configuration value came from.

use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};

/// A line of a configuration file (or an option of the command line, then line 0).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The file as it was named, or the option, such as `-s`.
    pub file: String,
    /// The line, counted from 1; 0 where `file` is no file.
    pub line: u32,
    /// The line's text, trimmed.
    pub text: String,
}

impl Origin {
    /// Line `line` of `file`, which reads `text`.
    pub fn new(file: impl Into<String>, line: u32, text: impl Into<String>) -> Self {
        Self { file: file.into(), line, text: text.into() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.file, self.text)
        } else {
            write!(f, "{}:{}: {}", self.file, self.line, self.text)
        }
    }
}

/// A value and the line it came from; `None` where the program set it by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// The line that set it.
    pub origin: Option<Origin>,
}

impl<T> Located<T> {
    /// `value`, set by the line `origin`.
    pub fn new(value: T, origin: Option<Origin>) -> Self {
        Self { value, origin }
    }
}

impl<T> Deref for Located<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Located<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
