//! Everything that decides what a profile is compiled to: its text, and the files that it includes
//! (apparmor.d(5), "#include mechanism").
//!
//! What is read here must be what the compiler reads. Where that is not certain there is no answer,
//! and the profile is compiled anew.

use std::path::{Path, PathBuf};

/// The directory of profiles, in which the compiler looks for `<FILE>`.
pub const BASE: &str = "/etc/apparmor.d";
/// What may tell the compiler to look elsewhere.
const SETTINGS: &str = "/etc/apparmor/parser.conf";
/// More files, or includes within each other, than any profile has.
const MOST: usize = 1000;

/// `text` and the files that it includes, those with the directory `base` as their origin.
pub fn of(text: &str, base: &Path) -> Option<Vec<u8>> {
    let settings = std::fs::read_to_string(SETTINGS).unwrap_or_default();
    let is_set = |line: &str| !line.is_empty() && !line.starts_with('#');
    let others = ["include", "base", "subdomainfs"];
    let mut set = settings.lines().map(|line| line.trim().to_ascii_lowercase());
    if set.any(|line| is_set(&line) && others.iter().any(|word| line.contains(word))) {
        return None;
    }
    let mut sources = Sources { base, bytes: Vec::new(), files: 0 };
    sources.add(b"settings", Some(settings.as_bytes()));
    sources.add(b"profile", Some(text.as_bytes()));
    sources.follow(text)?;
    Some(sources.bytes)
}

struct Sources<'a> {
    base: &'a Path,
    bytes: Vec<u8>,
    files: usize,
}

impl Sources<'_> {
    /// Notes that `name` has this content, or is not there.
    fn add(&mut self, name: &[u8], content: Option<&[u8]>) {
        let len = content.map_or("none".into(), |content| content.len().to_string());
        self.bytes
            .extend([name, b"\n", len.as_bytes(), b"\n", content.unwrap_or_default()].concat());
        self.bytes.push(b'\n');
    }

    /// Adds the files that `text` includes.
    fn follow(&mut self, text: &str) -> Option<()> {
        for line in text.lines() {
            match directive(line) {
                Directive::None => {}
                Directive::Unclear => return None,
                Directive::Include(path) => self.include(&self.base.join(path))?,
            }
        }
        Some(())
    }

    fn include(&mut self, path: &Path) -> Option<()> {
        self.files += 1;
        if self.files > MOST {
            return None;
        }
        let name = path.as_os_str().as_encoded_bytes();
        match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.add(name, None),
            Ok(meta) if meta.is_dir() => {
                let entries = std::fs::read_dir(path).ok()?;
                let mut paths: Vec<PathBuf> =
                    entries.map(|entry| Some(entry.ok()?.path())).collect::<Option<_>>()?;
                paths.sort();
                self.add(name, Some(b"directory"));
                for path in paths {
                    self.include(&path)?;
                }
            }
            Ok(meta) if meta.is_file() => {
                let text = std::fs::read_to_string(path).ok()?;
                self.add(name, Some(text.as_bytes()));
                self.follow(&text)?;
            }
            Err(_) | Ok(_) => return None,
        }
        Some(())
    }
}

#[derive(Debug, PartialEq)]
enum Directive<'text> {
    None,
    /// What the line includes.
    Include(&'text str),
    /// The line may include something.
    Unclear,
}

/// What the compiler reads because of `line`; it takes `abi` from a file as well.
fn directive(line: &str) -> Directive<'_> {
    let line = line.trim();
    let words = line.strip_prefix("#include").or_else(|| line.strip_prefix("include"));
    if words.is_none() && line.starts_with('#') {
        return Directive::None;
    }
    let file = match words.map(str::trim_start) {
        Some(rest) => {
            let exists = rest.strip_prefix("if").map(str::trim_start);
            exists.and_then(|rest| rest.strip_prefix("exists")).unwrap_or(rest)
        }
        None => {
            line.strip_prefix("abi").and_then(|rest| rest.strip_suffix(',')).unwrap_or_default()
        }
    };
    let file = file.trim();
    let within = |open, close| file.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    // A quoted name is one below the working directory, unless it is a whole path.
    let named = within('<', '>').or_else(|| within('"', '"').filter(|name| name.starts_with('/')));
    match named {
        Some(name) if !name.contains(['<', '>', '"', '\\', '@', '#']) => Directive::Include(name),
        _ if words.is_some() || may_name_a_file(line) => Directive::Unclear,
        _ => Directive::None,
    }
}

/// Whether a word of the line could be one that names a file.
fn may_name_a_file(line: &str) -> bool {
    let follows = |word: &str| {
        line.match_indices(word).any(|(at, _)| {
            let after = line[at + word.len()..].chars().next();
            after.is_none_or(|after| after.is_whitespace() || after == '<' || after == '"')
        })
    };
    follows("include") || follows("abi")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_line_includes() {
        for (line, file) in [
            ("include <abstractions/base>", "abstractions/base"),
            ("  #include <a>  ", "a"),
            ("include if exists <local/x>", "local/x"),
            ("#include \"/etc/x y\"", "/etc/x y"),
            ("abi <abi/3.0>,", "abi/3.0"),
        ] {
            assert_eq!(directive(line), Directive::Include(file), "{line}");
        }
        for line in
            ["# include <a>", "/usr/include/** r,", "deny /a r,", "", "# abi <x>,", "capability,"]
        {
            assert_eq!(directive(line), Directive::None, "{line}");
        }
        for line in [
            "include a",
            "include \"a\"",
            "include <a> include <b>",
            "/a r, include <b>",
            "}include <b>",
            "include <a> # why",
            "include",
            "{ abi <abi/3.0>,",
            "include <@{x}>",
        ] {
            assert_eq!(directive(line), Directive::Unclear, "{line}");
        }
    }

    #[test]
    fn every_file_that_is_included_counts() {
        let base = std::env::temp_dir().join(format!("lxc-rs-sources-{}", std::process::id()));
        let write = |name: &str, text: &str| std::fs::write(base.join(name), text).unwrap();
        std::fs::create_dir_all(base.join("d")).unwrap();
        write("a", "include if exists <b>\ninclude <d>\n");
        let text = "profile x {\n  include <a>\n}\n";
        let of = || of(text, &base).unwrap();
        let mut seen = vec![of()];
        assert_eq!(seen[0], of());
        for (name, content) in
            [("b", ""), ("b", "/c r,"), ("d/1", "/d r,"), ("a", "#include <d>\n")]
        {
            write(name, content);
            let now = of();
            assert!(!seen.contains(&now), "{name}: {content}");
            seen.push(now);
        }
        write("d/1", "include <a>");
        assert_eq!(super::of(text, &base), None, "without end");
        std::fs::remove_dir_all(base).unwrap();
    }
}
