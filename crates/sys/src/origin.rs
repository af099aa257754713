//! Where a configuration value came from.
//!
//! ```
//! use lxc_sys::origin::{Located, Origin};
//!
//! let origin = Origin::new("/srv/lxc/web/config", 7, "lxc.net.0.link = br9");
//! let link = Located::new("br9".to_owned(), Some(origin.part("br9")));
//! assert_eq!(link.len(), 3);
//! assert_eq!(link.origin.as_ref().map(Origin::column), Some(18));
//! ```

use std::fmt;
use std::ops::{Deref, DerefMut, Range};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::{Deserialize, Serialize};

/// How much of a line is kept to be shown, bytes: keys and what goes wrong with them are at its
/// start, and a line may be a megabyte long.
const SHOWN: usize = 512;

/// A line of a configuration file (or an option of the command line, then line 0).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The file as it was named, or the option, such as `-s`.
    pub file: Arc<str>,
    /// The line, counted from 1; 0 where `file` is not a file.
    pub line: u32,
    /// The line's text, as far as it is shown.
    pub text: String,
    /// The part of the text that is meant, in bytes.
    span: Range<usize>,
}

impl Origin {
    /// Line `line` of `file`, which reads `text`; all of it is meant.
    pub fn new(file: impl Into<Arc<str>>, line: u32, text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        let shown = &text[..boundary(text, SHOWN)];
        let start = shown.len() - shown.trim_start().len();
        let origin = Self { file: file.into(), line, text: shown.to_owned(), span: 0..0 };
        origin.at(start..shown.trim_end().len().max(start))
    }

    /// The same line, of which the part `span` (bytes) is meant.
    #[must_use]
    pub fn at(mut self, span: Range<usize>) -> Self {
        let bound = |at: usize| boundary(&self.text, at);
        self.span = bound(span.start)..bound(span.end.max(span.start));
        self
    }

    /// The same line, of which `part` is meant, if it is found after the start of what was.
    #[must_use]
    pub fn part(self, part: &str) -> Self {
        let from = self.span.start;
        match self.text[from..].find(part).filter(|_| !part.is_empty()) {
            Some(at) => self.at(from + at..from + at + part.len()),
            None => self,
        }
    }

    /// The same line, of which the key before the `=` is meant.
    #[must_use]
    pub fn key(self) -> Self {
        let key = self.text.split('=').next().unwrap_or_default();
        let start = key.len() - key.trim_start().len();
        let end = key.trim_end().len();
        self.at(start..end.max(start))
    }

    /// The same line, of which the value after the `=`, or its part `value`, is meant.
    #[must_use]
    pub fn value(&self, value: &str) -> Self {
        let Some(equals) = self.text.find('=') else {
            return self.clone();
        };
        let rest = &self.text[equals + 1..];
        let start = equals + 1 + (rest.len() - rest.trim_start().len());
        let value = &value[..boundary(value, SHOWN)];
        self.clone().at(start..self.text.trim_end().len()).part(value)
    }

    /// The column where the part that is meant begins: characters, from 1.
    pub fn column(&self) -> usize {
        self.text[..self.span.start].chars().count() + 1
    }

    /// The length of the part that is meant, characters.
    pub fn width(&self) -> usize {
        self.text[self.span.clone()].chars().count()
    }
}

/// The last place in `text`, up to `at`, where a character begins or the text ends.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

impl fmt::Display for Origin {
    /// The line, and below it what is meant:
    ///
    /// ```text
    ///  --> /var/lib/lxc/c1/config:7:18
    ///   |
    /// 7 | lxc.net.0.link = br9
    ///   |                  ^^^
    /// ```
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return write!(f, "  --> {}: {}", self.file, self.text.trim());
        }
        let snippet = Snippet::source(&self.text)
            .path(&*self.file)
            .line_start(usize::try_from(self.line).unwrap_or(usize::MAX))
            .annotation(AnnotationKind::Primary.span(self.span.clone()));
        let group = Group::with_level(Level::ERROR).element(snippet);
        f.write_str(&Renderer::plain().term_width(100).render(&[group]))
    }
}

/// A value and the line it came from; `None` where the program set it.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_is_underlined() {
        let origin = Origin::new("c", 3, "\tlxc.cap.drop = ä sys_adm x").part("sys_adm");
        assert_eq!((origin.column(), origin.width()), (19, 7));
        let shown = "\n  |\n3 |     lxc.cap.drop = ä sys_adm x\n  |                      ^^^^^^^";
        assert_eq!(origin.to_string(), format!(" --> c:3:19{shown}"));
    }

    #[test]
    fn endless_and_odd_lines_can_be_shown() {
        let long = format!("lxc.mount.entry = {}", "ä".repeat(1 << 20));
        let shown = Origin::new("c", u32::MAX, &long).to_string();
        assert!(shown.len() < 1000 && shown.lines().count() == 4, "{shown}");
        for text in ["", " ", "\0", "\u{202e}abc", "a\tb", "日本"] {
            for span in [0..0, 0..9, 600..700, 1..2] {
                assert!(Origin::new("c", 1, text).at(span).to_string().contains("c:1:"));
            }
        }
    }
}
