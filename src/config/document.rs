//! A configuration file: its text, kept as it is, and what it says.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::language::{self, Finding};
use super::model::Config;
use super::value::show_mac;
use super::whole::write_whole;
use crate::error::{Error, Result};
use crate::origin::Origin;

/// A configuration file and what it says. Changes are made to both: the text keeps its comments,
/// includes and order, and only what changed changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// What it says, includes and changes included.
    pub config: Config,
    text: Vec<u8>,
}

impl Document {
    /// Reads the file `path`.
    pub fn load(path: &Path) -> Result<Self> {
        let text = language::read(path)?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads `text`, which is of the file `file`. All that is wrong in it is one error.
    pub fn parse(text: impl AsRef<[u8]>, file: &str) -> Result<Self> {
        let text = text.as_ref();
        let mut config = Config::default();
        language::apply(&mut config, text, file)?;
        Ok(Self { config, text: text.to_owned() })
    }

    /// Adds what the file `path` says, as if it stood at the end. On failure nothing is added.
    pub fn add(&mut self, path: &Path) -> Result<()> {
        let text = language::read(path)?;
        let mut config = self.config.clone();
        language::apply(&mut config, &text, &path.display().to_string())?;
        self.config = config;
        self.end_line();
        self.text.extend(text);
        Ok(())
    }

    /// Reads the file `path` as far as it can be understood, and tells all that is wrong or looks
    /// wrong in it.
    pub fn check(path: &Path) -> Result<(Self, Vec<Finding>)> {
        let text = language::read(path)?;
        let mut config = Config::default();
        let findings = language::check(&mut config, &text, &path.display().to_string());
        Ok((Self { config, text }, findings))
    }

    /// The files that the file `path` includes, also through others, as far as it can be understood.
    pub fn included(path: &Path) -> Result<Vec<PathBuf>> {
        Ok(language::included(&language::read(path)?, &path.display().to_string()))
    }

    /// The text as it will be saved.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Sets `key` (an empty `value` clears it), as a line at the end of the file would. `source`
    /// names where the value comes from in errors, such as `-s`.
    pub fn set(&mut self, key: &str, value: &str, source: &str) -> Result<()> {
        let origin = Origin::new(source, 0, format!("{key} = {value}"));
        if [key, value].iter().any(|text| text.contains(['\n', '\r', '\0'])) {
            return Err(Error::new(format!("a line break in the value of {key}"))
                .hint("a value is one line: another one would be another key"));
        }
        match (key, value) {
            ("lxc.include", "") => {}
            // A file among others that has an error must not leave half of them.
            ("lxc.include", _) => {
                let mut config = self.config.clone();
                language::apply(&mut config, format!("{key} = {value}").as_bytes(), source)?;
                self.config = config;
            }
            _ => language::set(&mut self.config, key, value, &origin)?,
        }
        if value.is_empty() {
            self.remove_lines(key);
        } else {
            self.end_line();
            self.text.extend(format!("{key} = {value}\n").bytes());
        }
        Ok(())
    }

    /// Gives the list `key` the entries `values` instead of all that it has, from included files as well.
    pub fn replace_list(
        &mut self,
        key: &str,
        values: impl IntoIterator<Item = String>,
        source: &str,
    ) -> Result<()> {
        self.set(key, "", source)?;
        if !get(&Self::parse(&self.text, source)?.config, key)?.is_empty() {
            self.end_line();
            self.text.extend(format!("{key} =\n").bytes());
        }
        values.into_iter().try_for_each(|value| self.set(key, &value, source))
    }

    fn end_line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with(b"\n") {
            self.text.push(b'\n');
        }
    }

    fn remove_lines(&mut self, key: &str) {
        let is_of_key = |line: &[u8]| {
            let rest = line.strip_prefix(key.as_bytes());
            rest.and_then(<[u8]>::first).is_some_and(|next| matches!(next, b' ' | b'\t' | b'='))
        };
        let lines = self.text.split_inclusive(|byte| *byte == b'\n');
        self.text = lines.filter(|line| !is_of_key(line)).flatten().copied().collect();
    }

    /// Writes into the text the digits that were chosen for each `x` of its `lxc.net.N.hwaddr`: from
    /// then on they are the container's.
    pub fn keep_addresses(&mut self) {
        let chosen = |line: &[u8]| {
            let (key, value) = str::from_utf8(line).ok()?.split_once('=')?;
            let index = key.trim().strip_prefix("lxc.net.")?.strip_suffix(".hwaddr")?;
            let mac = self.config.net.get(&index.parse().ok()?)?.hwaddr?;
            let digits = show_mac(&mac);
            value.contains(['x', 'X']).then(|| format!("{key}= {digits}\n").into_bytes())
        };
        let lines = self.text.split_inclusive(|byte| *byte == b'\n');
        self.text = lines.flat_map(|line| chosen(line).unwrap_or_else(|| line.to_vec())).collect();
    }

    /// Writes the text to `path`: the file then has all of it, or is as it was.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_whole(path, &self.text)
    }
}

/// The value of `key` as `lxc-info -c` prints it.
pub fn get(config: &Config, key: &str) -> Result<String> {
    super::key::find(key)
        .and_then(|(row, rest)| (row.get)(config, rest))
        .ok_or_else(|| Error::new(format!("{key} invalid")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_replaced_wherever_it_comes_from() {
        let ids = |document: &Document| get(&document.config, "lxc.idmap").unwrap();
        let text = "lxc.idmap = u 0 1 1\n# mine\nlxc.idmap = g 0 1 1\n";
        let mut document = Document::parse(text, "f").unwrap();
        document.replace_list("lxc.idmap", ["u 0 5 5".to_owned()], "-s").unwrap();
        assert_eq!(document.text(), b"# mine\nlxc.idmap = u 0 5 5\n");
        let mut document = Document::parse(" lxc.idmap = u 0 1 1", "f").unwrap();
        document.replace_list("lxc.idmap", ["u 0 5 5".to_owned()], "-s").unwrap();
        assert_eq!(document.text(), b" lxc.idmap = u 0 1 1\nlxc.idmap =\nlxc.idmap = u 0 5 5\n");
        assert_eq!(ids(&document), "u 0 5 5");
        assert_eq!(Document::parse(document.text(), "f").unwrap().config.idmap.len(), 1);
    }

    #[test]
    fn changes_keep_the_rest_of_the_text() {
        let text = "# mine\nlxc.uts.name = a\n\n  lxc.uts.name = indented\n";
        let mut document = Document::parse(text, "f").unwrap();
        assert_eq!(document.text(), text.as_bytes());
        document.set("lxc.start.auto", "1", "-s").unwrap();
        assert_eq!(document.text(), format!("{text}lxc.start.auto = 1\n").as_bytes());
        document.set("lxc.uts.name", "", "-s").unwrap();
        assert_eq!(document.config.uts_name, None);
        let rest = "# mine\n\n  lxc.uts.name = indented\nlxc.start.auto = 1\n";
        assert_eq!(document.text(), rest.as_bytes());
    }

    #[test]
    fn cve_2026_23953_a_value_cannot_be_two_lines() {
        let mut document = Document::default();
        for value in ["a\nlxc.hook.start = /x", "a\rb", "a\0b"] {
            assert!(document.set("lxc.uts.name", value, "-s").is_err(), "{value:?}");
        }
        assert_eq!(document.text(), b"");
    }

    proptest::proptest! {
        /// What is read again is of no other key; blanks and quotes around a value are not part of it.
        #[test]
        fn cve_2026_23953_a_saved_value_is_one_line(
            key in proptest::sample::select(vec![
                "lxc.uts.name", "lxc.environment", "lxc.group", "lxc.mount.entry", "lxc.hook.start",
                "lxc.init.cmd", "lxc.apparmor.raw", "lxc.console.logfile", "lxc.net.0.name",
            ]),
            value in r#"[ -~\u{80}-\u{ff}\u{2028}\n\r\x00\x0b"'#=]{0,20}"#,
        ) {
            let mut document = Document::parse("lxc.net.0.type = empty\n", "f").unwrap();
            if document.set(key, &value, "-s").is_ok() {
                let again = Document::parse(document.text(), "f").unwrap();
                proptest::prop_assert!(document.text().split(|byte| *byte == b'\n').count() <= 3);
                let others = crate::config::key::all().map(|key| key.name);
                for key in others.filter(|other| !key.starts_with(other)) {
                    let values = [&document, &again].map(|one| get(&one.config, key).ok());
                    proptest::prop_assert_eq!(&values[0], &values[1], "{}", key);
                }
            }
        }
    }

    #[test]
    fn chosen_addresses_are_kept() {
        let text = "lxc.net.0.type = veth\nlxc.net.0.hwaddr = 00:16:3e:xx:xx:xx\nlxc.tty.max = 1\n";
        let mut document = Document::parse(text, "f").unwrap();
        document.keep_addresses();
        let again = Document::parse(document.text(), "f").unwrap();
        assert_eq!(again.config.net[&0].hwaddr, document.config.net[&0].hwaddr);
        let kept = String::from_utf8(document.text().to_vec()).unwrap();
        assert!(!kept.contains("xx") && kept.ends_with("lxc.tty.max = 1\n"));
    }

    #[test]
    fn a_file_is_included_by_a_key_like_any_other() {
        let path = std::env::temp_dir().join(format!("lxc-rs-included-{}", std::process::id()));
        std::fs::write(&path, "lxc.uts.name = b\n").unwrap();
        let mut document = Document::default();
        document.set("lxc.include", path.to_str().unwrap(), "-s").unwrap();
        assert_eq!(document.config.uts_name.as_deref(), Some("b"));
        assert_eq!(document.text(), format!("lxc.include = {}\n", path.display()).as_bytes());
        std::fs::write(&path, "lxc.uts.name = c\nlxc.nonsense = 1\n").unwrap();
        document.set("lxc.include", path.to_str().unwrap(), "-s").unwrap_err();
        assert_eq!(document.config.uts_name.as_deref(), Some("b"));
        std::fs::remove_file(&path).unwrap();
        document.set("lxc.include", path.to_str().unwrap(), "-s").unwrap_err();
        document.set("lxc.include", "", "-s").unwrap();
        assert_eq!(document.text(), b"");
    }

    #[test]
    fn a_file_is_added_as_a_whole_or_not_at_all() {
        let path = std::env::temp_dir().join(format!("lxc-rs-add-{}", std::process::id()));
        let mut document = Document::parse("lxc.uts.name = a", "f").unwrap();
        std::fs::write(&path, "lxc.uts.name = b\nlxc.nonsense = 1\n").unwrap();
        let before = document.clone();
        assert!(document.add(&path).is_err());
        assert_eq!(document, before);
        std::fs::write(&path, "lxc.start.auto = 1\n").unwrap();
        document.add(&path).unwrap();
        assert_eq!(document.text(), b"lxc.uts.name = a\nlxc.start.auto = 1\n");
        assert_eq!(document.config.uts_name.as_deref(), Some("a"));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn saving_replaces_the_file_as_a_whole() {
        use std::os::unix::fs::PermissionsExt;
        let dir = std::env::temp_dir().join(format!("lxc-rs-save-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (path, link) = (dir.join("config"), dir.join("link"));
        let document = Document::parse("# mine\nlxc.uts.name = a\n", "f").unwrap();
        document.save(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), document.text());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o604)).unwrap();
        std::os::unix::fs::symlink("config", &link).unwrap();
        Document::default().save(&link).unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o604);
        assert_eq!(dir.read_dir().unwrap().count(), 2);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
