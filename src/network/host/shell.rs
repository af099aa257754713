//! Assignments to variables, as a file that sh(1) reads has them. Nothing is run.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// The variables that were assigned so far.
pub(super) type Variables = BTreeMap<String, String>;

/// An assignment of a line: the variable, and its value where that is plain.
pub(super) type Assignment<'a> = (&'a str, Result<String>);

/// The assignments of `line`, in order; `variables` are what it can name, and get what it assigns.
/// What else a line does says nothing.
pub(super) fn assignments<'a>(line: &'a str, variables: &mut Variables) -> Vec<Assignment<'a>> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some((name, text)) = assignment(rest) {
        let value = value(name, text, variables);
        variables.remove(name);
        let plain = value.map(|(plain, after)| {
            variables.insert(name.to_owned(), plain.clone());
            rest = after;
            plain
        });
        let is_plain = plain.is_ok();
        found.push((name, plain));
        if !is_plain {
            break;
        }
        let after = rest.trim_start_matches([' ', '\t']);
        // Another word that is not an assignment is a command, and the variable its own.
        if !(after.is_empty() || after.starts_with(['#', ';']) || assignment(after).is_some()) {
            for (name, value) in &mut found {
                variables.remove(*name);
                *value =
                    Err(Error::new(format!("{name} has more than one value"))
                        .hint("quote the value"));
            }
        }
        rest = after.trim_start_matches([' ', '\t', ';']);
    }
    found
}

/// The name at the start of `text`, and what follows the `=` after it.
fn assignment(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let exported = text.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t']));
    let (name, value) = exported.map_or(text, str::trim_start).split_once('=')?;
    (!name.is_empty() && name_len(name) == name.len()).then_some((name, value))
}

/// How long the name of a variable at the start of `text` is.
fn name_len(text: &str) -> usize {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return 0;
    }
    let is_other = |one: char| !(one.is_ascii_alphanumeric() || one == '_');
    text.find(is_other).unwrap_or(text.len())
}

/// The word at the start of `text`, which is assigned to `name`, and what follows it.
fn value<'a>(name: &str, text: &'a str, variables: &Variables) -> Result<(String, &'a str)> {
    let not_plain = || {
        Error::new(format!("{name} is not a plain value"))
            .hint("write the value itself: a shell's commands are not run here")
    };
    let mut value = String::new();
    let mut quote = None;
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let after = &rest[next.len_utf8()..];
        match (quote, next) {
            (None, ' ' | '\t' | ';') => break,
            (None, '&' | '|' | '<' | '>' | '(' | ')') | (None | Some('"'), '`') => {
                return Err(not_plain());
            }
            (None, '\'' | '"') => quote = Some(next),
            (Some(open), close) if open == close => quote = None,
            (None | Some('"'), '\\') => {
                let escaped = after.chars().next().ok_or_else(not_plain)?;
                if quote.is_some() && !matches!(escaped, '$' | '`' | '"' | '\\') {
                    value.push('\\');
                }
                value.push(escaped);
                rest = &after[escaped.len_utf8()..];
                continue;
            }
            (None | Some('"'), '$') => {
                let (named, after) = reference(after).ok_or_else(not_plain)?;
                value.push_str(variables.get(named).ok_or_else(|| {
                    Error::new(format!("{name} needs {named}, which has no plain value above it"))
                        .hint("write the value itself")
                })?);
                rest = after;
                continue;
            }
            (_, '\0' | '\u{fffd}') => {
                return Err(
                    Error::new(format!("{name} is not UTF-8 text")).hint("save the file in UTF-8")
                );
            }
            _ => value.push(next),
        }
        rest = after;
    }
    match quote {
        Some(_) => Err(Error::new(format!("a quote of {name} is not closed"))
            .hint("close it on the same line")),
        None => Ok((value, rest)),
    }
}

/// The name after a `$`, with or without braces, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = match text.strip_prefix('{') {
        Some(inner) => inner.split_once('}')?,
        None => text.split_at(name_len(text)),
    };
    (!name.is_empty() && name_len(name) == name.len()).then_some((name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What sh(1) has in the variables after the lines; `None`: an error.
    fn read(text: &str) -> Vec<(&str, Option<String>)> {
        let mut variables = Variables::new();
        let all = text.lines().flat_map(|line| assignments(line, &mut variables));
        all.map(|(name, value)| (name, value.ok())).collect()
    }

    #[test]
    fn values_are_those_of_a_shell() {
        for (text, wanted) in [
            ("A=x", "x"),
            ("  export\tA=x", "x"),
            ("A=", ""),
            ("A= # c", ""),
            ("A=x # the host's \"bridge\" `x` $(y)", "x"),
            ("A=x#y", "x#y"),
            ("A=x; # c", "x"),
            ("A='x y'\"z\"w", "x yzw"),
            ("A=\"a\\\"b\\c\\$\"'\\d'\\e", "a\"b\\c$\\de"),
            ("A='$B'", "$B"),
            ("A=é", "é"),
        ] {
            assert_eq!(read(text), [("A", Some(wanted.to_owned()))], "{text}");
        }
        let two = [("A", Some("1".to_owned())), ("B", Some("1.2".to_owned()))];
        for text in ["A=1\nB=$A.2", "A=1; B=\"${A}.2\" # c", "A=1 B=1.2", "export A=1 B=$A.2"] {
            assert_eq!(read(text), two, "{text}");
        }
    }

    #[test]
    fn what_a_shell_would_run_is_refused() {
        for text in [
            "A=$(id)",
            "A=`id`",
            "A=\"`id`\"",
            "A=${B%.*}",
            "A=$B",
            "A=$1",
            "A='x",
            "A=\"x",
            "A=x\\",
            "A=x y",
            "A=x && y",
            "A=x|y",
            "A=\"a\0\"",
            "A=\u{fffd}",
        ] {
            assert_eq!(read(text), [("A", None)], "{text}");
        }
        assert_eq!(read("A=1\nA=$(id)\nB=$A").last(), Some(&("B", None)));
        for text in ["[ ! -f /x ] || . /x", "# A=x", "A", "1A=x", "A B=x", "if [ $A = 1 ]; then"] {
            assert_eq!(read(text), [], "{text}");
        }
    }
}
