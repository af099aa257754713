//! Lines of a container's configuration with values from strangers.

use std::fmt::{self, Write};

use crate::{Error, Result};

/// Lines to add.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines(String);

impl Lines {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `key = value`. A value with a line break or a zero byte is refused: what follows it would be
    /// a line of its own.
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        if value.contains(['\n', '\r', '\0']) {
            return Err(Error::new(format!(
                "refusing a value of {key} with a line break: {value:?}"
            )));
        }
        // A pair of quotes around a value is taken away, and so are blanks.
        let bare = value.trim() == value && !value.starts_with(['"', '\'']);
        let quote = if bare { "" } else { "'" };
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{key} = {quote}{value}{quote}");
        Ok(())
    }

    /// Adds a comment of one line.
    pub fn comment(&mut self, text: &str) {
        let _ = writeln!(self.0, "# {}", text.replace(char::is_control, "?"));
    }

    /// Adds lines that are known to be sound.
    pub fn push(&mut self, text: &str) {
        self.0.push_str(text);
        if !text.ends_with('\n') {
            self.0.push('\n');
        }
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A word of a command, as one that is split at blanks and has quotes gets it back.
pub fn quote(word: &str) -> String {
    let is_plain =
        |character: char| character.is_alphanumeric() || "%+,-./:=@_^~".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    // Nothing is special between single quotes but themselves.
    format!("'{}'", word.replace('\'', "'\"'\"'"))
}

/// The words of a command, at whose blanks it is split unless they are quoted.
pub fn unquote(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in command.chars() {
        if quote == Some(character) {
            quote = None;
        } else if quote.is_none() && "'\"".contains(character) {
            quote = Some(character);
            word.get_or_insert_default();
        } else if quote.is_none() && character.is_whitespace() {
            words.extend(word.take());
        } else {
            word.get_or_insert_default().push(character);
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_one_line() {
        let mut lines = Lines::new();
        lines.set("lxc.environment", "A=b c").unwrap();
        lines.set("lxc.execute.cmd", "'a b' c").unwrap();
        lines.comment("x\ny");
        assert_eq!(
            lines.to_string(),
            "lxc.environment = A=b c\nlxc.execute.cmd = ''a b' c'\n# x?y\n"
        );
        for value in ["a\nlxc.hook.pre-start = /bin/evil", "a\rb", "a\0"] {
            assert!(lines.set("lxc.environment", value).is_err());
        }
    }

    #[test]
    fn words_are_quoted() {
        assert_eq!(quote("/bin/sh"), "/bin/sh");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("daemon off;"), "'daemon off;'");
        assert_eq!(quote("it's"), "'it'\"'\"'s'");
        for words in [vec!["/bin/sh", "-c", "a \"b\"; it's"], vec!["a", "", "b c"], vec![]] {
            let line = words.iter().map(|word| quote(word)).collect::<Vec<_>>().join("  ");
            assert_eq!(unquote(&line), words);
        }
    }
}
