//! The language of configuration files: lines of `key = value`, comments, quotes, includes.
//!
//! A line stands alone; the first `=` splits; a `#` comments only at a line's start; a pair of equal
//! quotes around the value is taken off; an empty value clears the key. A line that does not begin
//! with `lxc.` says nothing (other programs keep their own there). What is wrong does not end the
//! reading: all of it is reported at once.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::key::{self, Refusal};
use super::legacy::{self, Fate};
use super::lint;
use super::model::Config;
use crate::error::{Context, Error, Result};
use crate::origin::Origin;

/// How deep files may include each other.
const MAX_DEPTH: usize = 32;
/// How many files may be read for one configuration.
const MAX_FILES: usize = 1000;
/// Largest file, bytes: a configuration, not a disk image named by mistake. When so much was included, also by
/// including one file again and again, no further file is.
const MAX_SIZE: u64 = 16 << 20;
/// Longest name of a key, bytes; the longest sysctls have half of it.
const MAX_NAME: usize = 256;
/// How many findings are kept; from then on nothing is read.
const MAX_FINDINGS: usize = 100;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It probably does not say what it means.
    Warning,
    /// It cannot be accepted.
    Error,
}

/// Something that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, where, and how to fix it.
    pub error: Error,
}

/// Reads the configuration file `path`, as bytes.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let shown = || format!("cannot read {}", path.display());
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).context(shown)?;
    file.take(MAX_SIZE + 1).read_to_end(&mut bytes).context(shown)?;
    if bytes.len() as u64 > MAX_SIZE {
        return Err(Error::new(format!("{} is too large for a configuration", path.display())));
    }
    Ok(bytes)
}

/// Reads the text of `file` into `config`, its includes included; all that is wrong is one error.
pub fn apply(config: &mut Config, text: &[u8], file: &str) -> Result<()> {
    let mut findings = Vec::new();
    Reader::new(config, &mut findings, false).text(text, file);
    first_with_others(findings)
}

/// Reads the text of `file` into `config`, its includes included, and tells all that is wrong or
/// looks wrong.
pub fn check(config: &mut Config, text: &[u8], file: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    Reader::new(config, &mut findings, true).text(text, file);
    findings
}

/// The files that the text of `file` includes, also through others, in the order in which they are read.
pub fn included(text: &[u8], file: &str) -> Vec<PathBuf> {
    let (mut config, mut findings) = (Config::default(), Vec::new());
    let mut reader = Reader::new(&mut config, &mut findings, false);
    reader.text(text, file);
    reader.files
}

fn first_with_others(findings: Vec<Finding>) -> Result<()> {
    let mut errors = findings.into_iter().map(|finding| finding.error);
    match errors.next() {
        None => Ok(()),
        Some(mut first) => {
            first.also.extend(errors);
            Err(first)
        }
    }
}

struct Reader<'a> {
    config: &'a mut Config,
    findings: &'a mut Vec<Finding>,
    /// Whether what only looks wrong is told, too.
    lint: bool,
    /// The files being read, outermost first, by their real paths.
    chain: Vec<PathBuf>,
    /// The lines that include them.
    includes: Vec<Origin>,
    /// What was included.
    files: Vec<PathBuf>,
    /// The size of all that was included, bytes.
    size: u64,
}

impl<'a> Reader<'a> {
    fn new(config: &'a mut Config, findings: &'a mut Vec<Finding>, lint: bool) -> Self {
        Self {
            config,
            findings,
            lint,
            chain: Vec::new(),
            includes: Vec::new(),
            files: Vec::new(),
            size: 0,
        }
    }

    fn is_full(&self) -> bool {
        self.findings.len() >= MAX_FINDINGS
    }

    fn tell(&mut self, severity: Severity, mut error: Error) {
        if self.is_full() {
            return;
        }
        for line in self.includes.iter().rev() {
            error = error.note(format!("included from {}:{}", line.file, line.line));
        }
        self.findings.push(Finding { severity, error });
        if self.is_full() {
            let error = Error::new(format!("{MAX_FINDINGS} findings; the rest was not read"));
            self.findings.push(Finding { severity, error });
        }
    }

    fn text(&mut self, text: &[u8], file: &str) {
        let file: std::sync::Arc<str> = file.into();
        let mut number = 1;
        for piece in text.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let line = piece.strip_suffix(b"\n").or_else(|| piece.strip_suffix(b"\r"));
            let line = line.unwrap_or(piece);
            if line.trim_ascii_start().starts_with(b"lxc.") {
                let (text, is_text) = match str::from_utf8(line) {
                    Ok(text) => (text.into(), true),
                    Err(_) => (String::from_utf8_lossy(line), false),
                };
                let origin = Origin::new(file.clone(), number, &text);
                if let Err(error) = self.line(&text, is_text, &origin) {
                    self.tell(Severity::Error, error.at(Some(&origin)));
                }
            } else if self.lint
                && let Some(warning) = lint::foreign_line(line, &file, number)
            {
                self.tell(Severity::Warning, warning);
            }
            if self.is_full() {
                return;
            }
            number = number.saturating_add(u32::from(piece.ends_with(b"\n")));
        }
    }

    fn line(&mut self, line: &str, is_text: bool, origin: &Origin) -> Result<()> {
        if let Some(odd) = line.find(['\0', '\u{fffd}']) {
            let at =
                origin.clone().at(odd..odd + line[odd..].chars().next().map_or(0, char::len_utf8));
            if line[odd..].starts_with('\0') {
                return Err(Error::new("a NUL byte in the configuration").at(Some(&at)));
            } else if !is_text {
                return Err(Error::new("not UTF-8 text")
                    .at(Some(&at))
                    .hint("save the file in UTF-8"));
            }
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err(Error::new("a configuration line without '='").hint("write key = value"));
        };
        let (name, value) = (trim(name), trim(value));
        if self.lint {
            let forgotten = lint::forgotten(self.config, name, origin);
            for warning in lint::value(name, value, origin).into_iter().chain(forgotten) {
                self.tell(Severity::Warning, warning);
            }
        }
        let value = unquote(value);
        if name == "lxc.include" {
            return self.include(value, &origin.clone().part(value));
        }
        set(self.config, name, value, origin)
    }

    fn include(&mut self, value: &str, origin: &Origin) -> Result<()> {
        // PATH_MAX (linux/limits.h).
        if value.len() >= 4096 {
            return Err(Error::new("the path to include is too long").at(Some(origin)));
        }
        let path = Path::new(value);
        if value.is_empty() || value.ends_with('/') && !path.exists() {
            return Ok(());
        }
        if !path.is_dir() {
            return self.include_file(path, origin);
        }
        let shown = || format!("cannot read the directory {value}");
        let mut files = Vec::new();
        for entry in
            std::fs::read_dir(path).context(shown).map_err(|error| error.at(Some(origin)))?
        {
            let name = entry.context(shown)?.file_name();
            let is_conf = name.len() >= 6 && name.as_encoded_bytes().ends_with(b".conf");
            files.extend(is_conf.then(|| path.join(name)));
        }
        // LXC takes the directory's own order, which differs from host to host; ours is by name.
        files.sort();
        for file in files {
            if let Err(error) = self.include_file(&file, origin) {
                self.tell(Severity::Error, error.at(Some(origin)));
            }
        }
        Ok(())
    }

    fn include_file(&mut self, path: &Path, origin: &Origin) -> Result<()> {
        let at = |error: Error| {
            if error.is(nix::errno::Errno::ENOENT) {
                error.at(Some(origin)).hint("create the file, or correct or remove the line")
            } else {
                error.at(Some(origin))
            }
        };
        let shown = || format!("cannot include {}", path.display());
        let real = path.canonicalize().context(shown).map_err(at)?;
        if self.chain.contains(&real) {
            return Err(at(Error::new(format!("{} includes itself", path.display()))
                .hint("remove one of the lines of the circle")));
        }
        if self.chain.len() >= MAX_DEPTH {
            return Err(at(Error::new("files include each other too deeply")));
        }
        if self.files.len() >= MAX_FILES {
            return Err(at(Error::new(format!("more than {MAX_FILES} files are included"))));
        }
        if self.size >= MAX_SIZE {
            return Err(at(Error::new(format!("more than {} MiB are included", MAX_SIZE >> 20))));
        }
        self.files.push(path.to_owned());
        if !real.is_file() {
            return Err(at(Error::new(format!("{} is not a regular file", path.display()))));
        }
        let text = read(&real).map_err(at)?;
        self.size += text.len() as u64;
        self.chain.push(real);
        self.includes.push(origin.clone());
        self.text(&text, &path.display().to_string());
        self.includes.pop();
        self.chain.pop();
        Ok(())
    }
}

/// Without the blanks of isspace(3) around it.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\x0b', '\x0c', '\r', '\n'])
}

fn unquote(value: &str) -> &str {
    let inside = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}

/// Sets, or with an empty value clears, one key.
pub fn set(config: &mut Config, name: &str, value: &str, origin: &Origin) -> Result<()> {
    if name.len() > MAX_NAME {
        let what = format!("a key of {} bytes", name.len());
        return Err(Error::new(what)
            .at(Some(&origin.clone().key()))
            .hint(format!("a name has at most {MAX_NAME}; is the '=' at the right place?")));
    }
    let Some((key, rest)) = key::find(name) else {
        return Err(unknown(name).at(Some(&origin.clone().part(name))));
    };
    if value.is_empty() {
        if name == "lxc.mount.fstab" {
            return Err(Error::new("lxc.mount.fstab cannot be empty")
                .at(Some(origin))
                .hint("remove the line"));
        }
        (key.clear)(config, rest);
        config.origins.remove(name);
        return Ok(());
    }
    let origin = origin.value(value);
    let field = key::Field { rest, value, origin: Some(&origin) };
    (key.set)(config, field).map_err(|Refusal { hint, part }| {
        let wrong = part.as_deref().unwrap_or(value);
        Error::new(format!("wrong value {} for {name}", shown(wrong)))
            .at(Some(&origin.clone().part(wrong)))
            .hint(hint)
    })?;
    config.origins.insert(name.to_owned(), origin);
    Ok(())
}

/// A value in quotes, not longer than a line.
fn shown(value: &str) -> String {
    match value.char_indices().nth(60) {
        Some((end, _)) => format!("{:?}...", &value[..end]),
        None => format!("{value:?}"),
    }
}

/// Keys of the system configuration, which end up here by mistake.
fn is_of_system(name: &str) -> bool {
    name == "lxc.default_config"
        || name == "lxc.lxcpath"
        || name == "lxc.cgroup.use"
        || name == "lxc.cgroup.pattern"
        || name.starts_with("lxc.bdev.")
}

fn unknown(name: &str) -> Error {
    let error = Error::new(format!("Unsupported config key \"{name}\""));
    match legacy::fate(name, 0) {
        Some(Fate::Renamed(new)) => {
            return error.hint(format!(
                "since LXC 2.1 it is {new}; lxc-update-config -c FILE rewrites all"
            ));
        }
        Some(Fate::Dropped(why)) => return error.hint(format!("remove the line: {why}")),
        None => {}
    }
    if is_of_system(name) {
        return error.hint("it belongs into the system configuration, /etc/lxc/lxc.conf");
    }
    if let Some(rest) = name.strip_prefix("lxc.net.")
        && key::find(&format!("lxc.net.0.{rest}")).is_some()
    {
        return error.hint(format!("write lxc.net.0.{rest}: links are counted from 0"));
    }
    if let Some((_, rest)) = name.strip_prefix("lxc.net.").and_then(|rest| rest.split_once('.'))
        && key::find(&format!("lxc.net.0.{rest}")).is_some()
    {
        return error.hint(format!(
            "write lxc.net.0.{rest}: links are counted from 0, and named by lxc.net.0.name"
        ));
    }
    match key::nearest(name) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("see lxc.container.conf(5) for the keys there are"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: impl AsRef<[u8]>) -> Result<Config> {
        let mut config = Config::default();
        apply(&mut config, text.as_ref(), "test.conf").map(|()| config)
    }

    #[test]
    fn lines_follow_the_rules_of_the_language() {
        let config = parse(
            "# comment\n  lxc.uts.name =  \"a = b\" \r\nother = thing\nno equals sign\n\
             lxc.init.cmd = '/bin/x\" # y\nlxc.mount.entry = a b c\nlxc.mount.entry =\n\
             lxc.mount.entry = d e f\n",
        )
        .unwrap();
        assert_eq!(config.uts_name.as_deref(), Some("a = b"));
        assert_eq!(config.init_cmd.as_deref(), Some("'/bin/x\" # y"));
        let entries: Vec<&str> =
            config.mount_entries.iter().map(|one| one.value.as_str()).collect();
        assert_eq!(entries, ["d e f"]);
        assert_eq!(config.mount_entries[0].origin.as_ref().unwrap().line, 8);
        let origin = config.origin("lxc.uts.name").unwrap();
        assert_eq!((origin.line, origin.column(), origin.width()), (2, 20, 5));
    }

    #[test]
    fn errors_name_line_and_mend() {
        let error = parse("\nlxc.uts.nam = x\n").unwrap_err();
        assert_eq!(error.origin.as_ref().unwrap().line, 2);
        assert_eq!(error.hint.as_deref(), Some("did you mean lxc.uts.name?"));
        let error = parse("lxc.utsname = x\n").unwrap_err();
        assert!(error.hint.unwrap().contains("lxc.uts.name"));
        let error = parse("lxc.start.auto = yes\n").unwrap_err();
        assert_eq!(error.what, "wrong value \"yes\" for lxc.start.auto");
        assert_eq!(error.hint.as_deref(), Some("write 0 or 1"));
        assert!(parse("lxc.uts.name\n").is_err());
        assert!(parse("lxc.uts.name = a\0b\n").is_err());
        assert!(parse("lxc.mount.fstab =\n").is_err());
    }

    #[test]
    fn all_errors_are_told_at_once() {
        let error =
            parse("lxc.a = 1\nlxc.arch = vax\nlxc.uts.name = x\nlxc.tty.max = y").unwrap_err();
        let lines = [&error].into_iter().chain(&error.also);
        let lines: Vec<u32> = lines.map(|error| error.origin.as_ref().unwrap().line).collect();
        assert_eq!(lines, [1, 2, 4]);
        assert_eq!(error.to_string().matches("test.conf:").count(), 3);
        let error = parse("lxc.a = 1\n".repeat(1000)).unwrap_err();
        assert_eq!(error.also.len(), MAX_FINDINGS);
        assert!(error.also[MAX_FINDINGS - 1].what.contains("not read"));
    }

    #[test]
    fn only_keys_must_be_text() {
        assert!(parse(b"# Gr\xfc\xdfe\nmine = \xff\n").is_ok());
        let error = parse(b"\nlxc.uts.name = a\xff\n").unwrap_err();
        let origin = error.origin.unwrap();
        assert_eq!((error.what.as_str(), origin.line, origin.column()), ("not UTF-8 text", 2, 17));
    }

    #[test]
    fn includes_are_sorted_checked_and_end() {
        let dir = std::env::temp_dir().join(format!("lxc-rs-include-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("d")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).unwrap();
        write("d/2.conf", "lxc.uts.name = second");
        write("d/20.conf", "lxc.uts.name = second");
        write("d/10.conf", "lxc.uts.name = first");
        write("d/30.txt", "lxc.nonsense = 1");
        let text = |path: &str| format!("lxc.include = {}/{path}\n", dir.display());
        assert_eq!(parse(text("d")).unwrap().uts_name.as_deref(), Some("second"));
        assert!(parse(text("none/")).is_ok());
        let error = parse(text("none")).unwrap_err();
        assert_eq!(error.origin.unwrap().line, 1);
        write("loop.conf", &text("loop.conf"));
        assert!(parse(text("loop.conf")).unwrap_err().what.contains("includes itself"));
        write("outer.conf", &format!("\n{}", text("wrong.conf")));
        write("wrong.conf", "lxc.wrong = 1");
        let error = parse(text("outer.conf")).unwrap_err();
        let chain = [format!("{}/outer.conf:2", dir.display()), "test.conf:1".into()];
        assert_eq!(error.notes, chain.map(|line| format!("included from {line}")));
        // What is wrong in it is read all the same.
        let shown = included(text("outer.conf").repeat(2).as_bytes(), "test.conf");
        assert_eq!(
            shown,
            ["outer.conf", "wrong.conf"]
                .repeat(2)
                .iter()
                .map(|name| dir.join(name))
                .collect::<Vec<_>>()
        );
        // Each file includes the next one twice.
        for depth in 0..20 {
            write(&format!("{depth}.twice"), &text(&format!("{}.twice", depth + 1)).repeat(2));
        }
        write("20.twice", "");
        assert!(parse(text("0.twice")).unwrap_err().what.contains("more than 1000 files"));
        write("large.conf", &"#".repeat(1 << 20));
        assert!(parse(text("large.conf").repeat(16)).is_ok());
        let error = parse(text("large.conf").repeat(17)).unwrap_err();
        assert!(error.what.contains("more than 16 MiB"), "{error}");
        assert_eq!(error.origin.unwrap().line, 17);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn every_value_reads_back_as_it_was_written() {
        let text = "lxc.arch = x86_64\nlxc.signal.halt = 37\nlxc.mount.auto = proc:mixed sys:ro\n\
            lxc.net.0.type = veth\nlxc.net.0.link = br0\nlxc.net.0.flags = up\n\
            lxc.net.0.ipv4.address = 10.0.0.2/24\nlxc.net.0.ipv4.gateway = auto\n\
            lxc.cgroup.cpu.shares = 5\nlxc.cgroup.dir = x/y\nlxc.prlimit.nofile = 1:2\n\
            lxc.cap.drop = sys_admin 21\nlxc.idmap = u 0 100000 65536\nlxc.hook.start = /x\n";
        let config = parse(text).unwrap();
        for (key, value) in [
            ("lxc.arch", "x86_64"),
            ("lxc.signal.halt", "37"),
            ("lxc.mount.auto", "proc:mixed sys:ro"),
            ("lxc.net", "veth\n"),
            ("lxc.net.0.ipv4.address", "10.0.0.2/24"),
            ("lxc.net.0.ipv4.gateway", "auto"),
            ("lxc.cgroup.cpu.shares", "5\n"),
            ("lxc.cgroup.dir", "x/y"),
            ("lxc.prlimit.nofile", "1:2"),
            ("lxc.cap.drop", "sys_admin\n21\n"),
            ("lxc.idmap", "u 0 100000 65536"),
            ("lxc.hook.start", "/x\n"),
            ("lxc.autodev", "1"),
        ] {
            assert_eq!(super::super::get(&config, key).unwrap(), value, "{key}");
        }
    }
}
