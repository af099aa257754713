//! What is not an error, but probably does not say what it means.

use super::model::Config;
use crate::error::Error;
use crate::origin::Origin;

/// A line that says nothing, although it is not a comment.
pub(super) fn foreign_line(line: &[u8], file: &std::sync::Arc<str>, number: u32) -> Option<Error> {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return None;
    }
    let text = String::from_utf8_lossy(line);
    let origin = Origin::new(file.clone(), number, &text);
    let error = Error::new("a line without meaning: it does not begin with lxc.").at(Some(&origin));
    let plain = text.trim_start_matches(|character: char| !character.is_ascii_alphanumeric());
    let name = plain.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
    Some(if super::key::find(&name).is_some() {
        error.hint(format!("write {name}: small letters, nothing before them"))
    } else if super::key::find(&format!("lxc.{name}")).is_some() {
        error.hint(format!("write lxc.{name}"))
    } else if line.starts_with(b"[") {
        error.hint("there are no sections; remove the line")
    } else {
        error.hint("remove it, or put a # before it")
    })
}

/// What looks odd in a value, quotes included.
pub(super) fn value(name: &str, value: &str, origin: &Origin) -> Vec<Error> {
    let mut warnings = Vec::new();
    let mut warn = |what: &str, part: &str, hint: &str| {
        let at = origin.value(value).part(part);
        warnings.push(Error::new(what).at(Some(&at)).hint(hint));
    };
    let is_command = name.starts_with("lxc.hook.") || name.contains(".script.");
    if !is_command && let Some(at) = value.find(" #") {
        let comment = &value[at + 1..];
        warn(
            "a # after a value starts no comment",
            comment,
            "put the comment on a line of its own",
        );
    }
    if let Some(quote) = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))
        && (value.len() < 2 || !value.ends_with(quote))
    {
        let what = format!("the quote {quote} is not closed, so it is part of the value");
        warn(&what, &quote.to_string(), "close it at the value's end, or leave it out");
    }
    if value.ends_with('\\') {
        let hint = "write the value on one line";
        warn("a backslash does not continue a line", "\\", hint);
    }
    if name == "lxc.include" {
        if value.is_empty() {
            warn("includes nothing", "", "name a file or a directory");
        } else if !value.trim_matches(['"', '\'']).starts_with('/') {
            let hint = "write an absolute path";
            warn("a relative path depends on where the command is run", value, hint);
        }
    }
    warnings
}

/// A type of a link that forgets what was set of it before.
pub(super) fn forgotten(config: &Config, name: &str, origin: &Origin) -> Option<Error> {
    let index = name.strip_prefix("lxc.net.")?.strip_suffix(".type")?;
    let net = config.net.get(&index.parse().ok()?)?;
    let (key, first) = net.origins.iter().min_by_key(|(_, origin)| origin.line)?;
    let what =
        format!("the type makes a new link: lxc.net.{index}.{key} and all else is forgotten");
    Some(
        Error::new(what)
            .at(Some(&origin.clone().part(name)))
            .hint("write the type first")
            .note(format!("lxc.net.{index}.{key} was set at {}:{}", first.file, first.line)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(line: &str) -> Vec<String> {
        let origin = Origin::new("c", 1, line);
        let (name, value) = line.split_once('=').unwrap();
        let warnings = super::value(name.trim(), value.trim(), &origin);
        warnings.into_iter().filter_map(|warning| warning.hint).collect()
    }

    #[test]
    fn odd_values_are_told() {
        assert!(hints("lxc.uts.name = a#b").is_empty());
        assert!(hints("lxc.uts.name = \"a\"").is_empty());
        assert!(hints("lxc.hook.start = /bin/x # really a comment of the shell").is_empty());
        assert_eq!(hints("lxc.uts.name = a # b").len(), 1);
        assert_eq!(hints("lxc.uts.name = \"a").len(), 1);
        assert_eq!(hints("lxc.uts.name = a \\").len(), 1);
        assert_eq!(hints("lxc.include = x.conf").len(), 1);
    }

    #[test]
    fn lines_that_were_meant_are_recognised() {
        let hint = |line: &str| foreign_line(line.as_bytes(), &"c".into(), 1)?.hint;
        assert_eq!(hint("  # comment"), None);
        assert_eq!(hint(""), None);
        assert!(hint("uts.name = x").unwrap().contains("write lxc.uts.name"));
        assert!(hint("LXC.UTS.NAME = x").unwrap().contains("write lxc.uts.name"));
        assert!(hint("\u{a0}lxc.arch = x").unwrap().contains("write lxc.arch"));
        assert!(hint("[network]").unwrap().contains("no sections"));
        assert!(hint("hello").unwrap().contains('#'));
    }
}
