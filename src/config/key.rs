//! The registry of keys: one row a key, with all there is to know about it.
//!
//! Parsing, printing, clearing, help, the manual and "did you mean" read these rows; a key without a
//! row does not exist. The rows are in `keys`, by subject.
//!
//! ```
//! use lxc_rs::config::key;
//!
//! # fn main() -> Result<(), &'static str> {
//! let (row, index) = key::find("lxc.net.0.link").ok_or("there is such a key")?;
//! assert_eq!((row.name, index), ("lxc.net.N.link", "0"));
//! assert_eq!(key::nearest("lxc.uts.nam").as_deref(), Some("lxc.uts.name"));
//! assert!(key::all().any(|key| key.is_list));
//! # Ok(())
//! # }
//! ```

use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

use super::keys;
use super::model::Config;
use crate::origin::Origin;

/// What a line says for a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'line> {
    /// The part of the key that its row leaves open: `memory.max` of `lxc.cgroup2.memory.max`, `0` of
    /// `lxc.net.0.link`.
    pub rest: &'line str,
    /// The value, without quotes; never empty.
    pub value: &'line str,
    /// The line.
    pub origin: Option<&'line Origin>,
}

/// Why a value is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What to write instead.
    pub hint: String,
    /// The part of the value that is wrong, if it is not all of it.
    pub part: Option<String>,
}

impl Refusal {
    /// A refusal of `part` of the value.
    pub fn of(part: &str, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), part: Some(part.to_owned()) }
    }
}

impl<S: Into<String>> From<S> for Refusal {
    fn from(hint: S) -> Self {
        Self { hint: hint.into(), part: None }
    }
}

/// What the values of a key look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `0` or `1`.
    Flag,
    /// A decimal number of 32 bits, not negative.
    Number,
    /// A decimal number of 32 bits.
    Integer,
    /// A signal by number or name.
    Signal,
    /// Bytes, with an optional unit.
    Size,
    /// A path.
    Path,
    /// A shell command line.
    Command,
    /// Any text.
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Some of these words, blank separated.
    SomeOf(&'static [&'static str]),
    /// Something else, described by these words.
    Other(&'static str),
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("0 | 1"),
            Self::Number | Self::Integer => f.write_str("NUMBER"),
            Self::Signal => f.write_str("NUMBER | SIGNAME | SIGRTMIN+N | SIGRTMAX-N"),
            Self::Size => f.write_str("BYTES | N kB | N MB | N GB | auto"),
            Self::Path => f.write_str("PATH"),
            Self::Command => f.write_str("COMMAND"),
            Self::Text => f.write_str("TEXT"),
            Self::OneOf(words) => f.write_str(&words.join(" | ")),
            Self::SomeOf(words) => write!(f, "[{}]...", words.join(" | ")),
            Self::Other(form) => f.write_str(form),
        }
    }
}

/// What a row says of a key that LXC does not have, instead of a release.
pub const OWN: &str = "none";

/// A key, or a family of keys.
#[derive(Debug, serde::Serialize)]
pub struct Key {
    /// The full name; a family ends in `.*`, and has an `N` where the index of a link stands.
    pub name: &'static str,
    /// What it is for: one line.
    pub help: &'static str,
    /// What its values look like.
    #[serde(serialize_with = "shown")]
    pub form: Form,
    /// A value that means something; of a family `REST = VALUE`.
    pub example: &'static str,
    /// What holds where it is not set; empty if nothing does.
    pub default: &'static str,
    /// Whether lines add to its values, instead of replacing them.
    pub is_list: bool,
    /// The release of LXC that has it first; `2.1` for what is older, since all names changed then; [`OWN`] for
    /// what LXC does not have.
    pub since: &'static str,
    /// The command that changes it for a running container; without one it is read at the start.
    pub live: Option<&'static str>,
    /// Takes a value.
    #[serde(skip)]
    pub(super) set: fn(&mut Config, Field<'_>) -> Result<(), Refusal>,
    /// Forgets all values (of the open part, if it is not empty).
    #[serde(skip)]
    pub(super) clear: fn(&mut Config, &str),
    /// Prints the values as `lxc-info -c` does; `None` if the open part names nothing.
    #[serde(skip)]
    pub(super) get: fn(&Config, &str) -> Option<String>,
}

fn shown<S: serde::Serializer>(form: &Form, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(form)
}

impl Key {
    pub(super) const fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    pub(super) const fn example(mut self, example: &'static str) -> Self {
        self.example = example;
        self
    }

    pub(super) const fn default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    pub(super) const fn since(mut self, release: &'static str) -> Self {
        self.since = release;
        self
    }

    pub(super) const fn list(mut self) -> Self {
        self.is_list = true;
        self
    }

    pub(super) const fn live(mut self, command: &'static str) -> Self {
        self.live = Some(command);
        self
    }

    /// A value that means something, also where the row names none because its form says it all.
    pub fn sample(&self) -> &'static str {
        match self.form {
            _ if !self.example.is_empty() => self.example,
            Form::Flag => "1",
            Form::Number | Form::Integer => "16",
            Form::Signal => "SIGRTMIN+3",
            Form::Size => "64 kB",
            Form::Path => "/srv/web1",
            Form::Command => "/bin/sh -c 'exec /bin/web'",
            Form::OneOf(words) | Form::SomeOf(words) => words[0],
            Form::Text | Form::Other(_) => "",
        }
    }

    /// A line that sets the key; none where a value means nothing.
    pub fn sample_line(&self) -> Option<String> {
        let sample = Some(self.sample()).filter(|sample| !sample.is_empty())?;
        Some(match self.name.strip_suffix(".*") {
            Some(stem) => format!("{stem}.{sample}"),
            None => format!("{} = {sample}", self.name.replace(".N.", ".0.")),
        })
    }

    /// Whether the row is a family, whose names go on after a dot.
    pub fn is_family(&self) -> bool {
        self.name.ends_with(".*")
    }
}

/// All keys.
pub fn all() -> impl Iterator<Item = &'static Key> {
    by_subject().iter().flat_map(|(_, keys)| keys.iter())
}

/// All keys, under the title of what they are about.
pub fn by_subject() -> &'static [(&'static str, &'static [Key])] {
    &keys::SUBJECTS
}

/// The row of `name`, and the part of the name that the row leaves open.
pub fn find(name: &str) -> Option<(&'static Key, &str)> {
    static EXACT: OnceLock<HashMap<&str, &Key>> = OnceLock::new();
    let exact = EXACT.get_or_init(|| {
        // Of its size at once: it is made in each short command.
        let mut exact = HashMap::with_capacity(all().count());
        exact.extend(all().map(|key| (key.name, key)));
        exact
    });
    if let Some(key) = exact.get(name) {
        return Some((key, ""));
    }
    if let Some((pattern, index)) = without_index(name) {
        return exact.get(pattern.as_str()).map(|key| (*key, index));
    }
    all().filter(|key| key.is_family()).find_map(|key| Some((key, open_part(key.name, name)?)))
}

/// `lxc.net.3.link` as `lxc.net.N.link` and `3`.
fn without_index(name: &str) -> Option<(String, &str)> {
    let rest = name.strip_prefix("lxc.net.")?;
    let index = rest.split('.').next().filter(|index| !index.is_empty())?;
    let digits = index.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| (format!("lxc.net.N{}", &rest[index.len()..]), index))
}

fn open_part<'name>(family: &str, name: &'name str) -> Option<&'name str> {
    let stem = family.strip_suffix(".*")?;
    let rest = name.strip_prefix(stem)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') }
}

/// The names of all keys; families without their open part.
pub fn names() -> Vec<&'static str> {
    let mut seen = std::collections::HashSet::new();
    all()
        .map(|key| match key.name.split_once(".N.") {
            Some((stem, _)) => stem,
            None => key.name.strip_suffix(".*").unwrap_or(key.name),
        })
        .filter(|name| seen.insert(*name))
        .collect()
}

/// What can stand after `name` and a dot in the names of keys that `config` can have a value for.
pub fn names_below(config: &Config, name: &str) -> Vec<&'static str> {
    let (pattern, index) = without_index(name).unwrap_or_else(|| (name.to_owned(), ""));
    all()
        .filter_map(|key| Some((key, key.name.strip_prefix(&*pattern)?.strip_prefix('.')?)))
        .filter(|(key, rest)| *rest != "*" && (key.get)(config, index).is_some())
        .map(|(_, rest)| rest.strip_suffix(".*").unwrap_or(rest))
        .collect()
}

/// The known key that is nearest to `name`, if one is near.
pub fn nearest(name: &str) -> Option<String> {
    let (pattern, index) = match without_index(name) {
        Some((pattern, index)) => (pattern, Some(index)),
        None => (name.to_owned(), None),
    };
    all()
        .map(|key| {
            let Some(stem) = key.name.strip_suffix(".*") else {
                return (strsim::osa_distance(&pattern, key.name), key.name.to_owned());
            };
            // A family is compared as far as its name goes.
            let dots = stem.matches('.').count();
            let end = pattern.match_indices('.').nth(dots).map_or(pattern.len(), |(at, _)| at);
            let distance = strsim::osa_distance(&pattern[..end], stem);
            (distance, format!("{stem}{}", &pattern[end..]))
        })
        .min()
        .filter(|(distance, known)| *distance <= 3.max(known.len() / 5))
        .map(|(_, known)| match index {
            Some(index) => known.replacen(".N", &format!(".{index}"), 1),
            None => known,
        })
}

/// The one of `known` that is nearest to `name`, if one is near.
pub fn nearest_of<'known>(name: &str, known: &[&'known str]) -> Option<&'known str> {
    let all = known.iter().map(|one| (strsim::osa_distance(name, one), *one));
    all.min().filter(|(distance, _)| *distance <= 3).map(|(_, near)| near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_unique_and_has_help() {
        let mut names: Vec<&str> = all().map(|key| key.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for key in all() {
            assert!(key.name.starts_with("lxc."), "{}", key.name);
            assert!(!key.help.is_empty() && !key.help.ends_with('.'), "{}", key.name);
            assert!(!key.form.to_string().is_empty(), "{}", key.name);
            assert!(["2.1", "3.0", "3.1", "3.2", "4.0", "5.0", "7.0", OWN].contains(&key.since));
        }
    }

    #[test]
    fn exact_keys_come_before_families() {
        assert_eq!(find("lxc.cgroup.dir").unwrap().0.name, "lxc.cgroup.dir");
        let (family, rest) = find("lxc.cgroup.cpu.shares").unwrap();
        assert_eq!((family.name, rest), ("lxc.cgroup.*", "cpu.shares"));
        let (link, index) = find("lxc.net.12.veth.pair").unwrap();
        assert_eq!((link.name, index), ("lxc.net.N.veth.pair", "12"));
        for name in ["lxc.cgroups", "lxc.net.x.type", "lxc.net.-1.type", "lxc.net.0.nothing"] {
            assert!(find(name).is_none(), "{name}");
        }
    }

    #[test]
    fn names_are_listed_by_what_they_begin_with() {
        assert!(names().contains(&"lxc.init.cmd") && names().contains(&"lxc.cgroup2"));
        assert_eq!(names().iter().filter(|name| **name == "lxc.net").count(), 1);
        let document = super::super::Document::parse("lxc.net.3.type = macvlan\n", "f").unwrap();
        let below = |name| names_below(&document.config, name);
        assert!(below("lxc.net.3").contains(&"macvlan.mode"));
        assert!(!below("lxc.net.3").contains(&"veth.pair"));
        assert!(below("lxc.hook").contains(&"pre-start"));
        for nothing in ["lxc.net.4", "lxc.net", "lxc.uts.name", "lxc.nonsense", ""] {
            assert_eq!(below(nothing), Vec::<&str>::new(), "{nothing}");
        }
    }

    #[test]
    fn typos_find_their_key() {
        for (typo, key) in [
            ("lxc.uts.nam", "lxc.uts.name"),
            ("lxc.rootfs.pat", "lxc.rootfs.path"),
            ("lxc.net.2.lnik", "lxc.net.2.link"),
            ("lxc.prlimt.nofile", "lxc.prlimit.nofile"),
            ("lxc.cgroups2.memory.max", "lxc.cgroup2.memory.max"),
        ] {
            assert_eq!(nearest(typo).as_deref(), Some(key));
        }
        assert_eq!(nearest("something.else.entirely"), None);
    }

    #[test]
    fn every_key_has_an_example_that_it_takes() {
        for key in all().filter(|key| key.form.to_string() != "(empty)") {
            let line = key.sample_line().unwrap_or_else(|| panic!("{}: no example", key.name));
            let kind = ["veth", "vlan", "macvlan", "ipvlan"]
                .into_iter()
                .find(|kind| key.name.starts_with(&format!("lxc.net.N.{kind}.")));
            let text = match kind {
                Some(kind) => format!("lxc.net.0.type = {kind}\n{line}\n"),
                None => format!("{line}\n"),
            };
            let parsed = crate::config::Document::parse(text, "example");
            assert!(parsed.is_ok(), "{}", parsed.unwrap_err());
        }
    }
}
