//! The language of configuration files: lines of `key = value`, comments, quotes, includes.
//!
//! A line stands alone; the first `=` splits; a `#` comments only at a line's start; a pair of equal
//! quotes around the value is taken off; an empty value clears the key. A line that does not begin
//! with `lxc.` says nothing (other programs keep their own there).

use std::path::{Path, PathBuf};

use super::key;
use super::model::Config;
use super::origin::Origin;
use crate::error::{Context, Error, Result};

/// How deep files may include each other.
const MAX_DEPTH: usize = 32;
/// Largest file, bytes: a configuration, not a disk image named by mistake.
const MAX_SIZE: u64 = 64 << 20;

/// Applies the text of `file` to `config`, its includes included.
pub fn apply(config: &mut Config, text: &str, file: &str) -> Result<()> {
    apply_nested(config, text, file, &mut Vec::new())
}

/// Reads a configuration file.
pub fn read(path: &Path) -> Result<String> {
    let shown = || format!("cannot read {}", path.display());
    let metadata = std::fs::metadata(path).what(shown)?;
    if metadata.len() > MAX_SIZE {
        return Err(Error::new(format!("{} is too large for a configuration", path.display())));
    }
    let bytes = std::fs::read(path).what(shown)?;
    String::from_utf8(bytes).map_err(|error| {
        let before = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..before].iter().filter(|byte| **byte == b'\n').count();
        Error::new(format!("{}:{line}: not UTF-8 text", path.display()))
            .hint("save the file in UTF-8 encoding")
    })
}

/// `chain`: the files being read, outermost first, by their real paths.
fn apply_nested(
    config: &mut Config,
    text: &str,
    file: &str,
    chain: &mut Vec<PathBuf>,
) -> Result<()> {
    for (line, number) in text.split(['\n', '\r']).zip(LineNumbers::of(text)) {
        let trimmed = line.trim();
        if trimmed.starts_with("lxc.") {
            let origin = Origin::new(file, number, trimmed);
            apply_line(config, trimmed, &origin, chain)?;
        }
    }
    Ok(())
}

/// The number of each piece of a text split at `\n` and `\r`: only `\n` counts.
struct LineNumbers<'text> {
    ends: std::str::Matches<'text, [char; 2]>,
    next: Option<u32>,
}

impl<'text> LineNumbers<'text> {
    fn of(text: &'text str) -> Self {
        Self { ends: text.matches(['\n', '\r']), next: Some(1) }
    }
}

impl Iterator for LineNumbers<'_> {
    type Item = u32;
    fn next(&mut self) -> Option<u32> {
        let number = self.next?;
        self.next = self.ends.next().map(|end| number.saturating_add(u32::from(end == "\n")));
        Some(number)
    }
}

fn apply_line(
    config: &mut Config,
    line: &str,
    origin: &Origin,
    chain: &mut Vec<PathBuf>,
) -> Result<()> {
    let Some((name, value)) = line.split_once('=') else {
        return Err(Error::new("a configuration line without '='")
            .at(Some(origin))
            .hint("write key = value"));
    };
    let (name, value) = (name.trim_end(), unquote(value.trim_start()));
    if value.contains('\0') || name.contains('\0') {
        return Err(Error::new("a NUL byte in the configuration").at(Some(origin)));
    }
    if name == "lxc.include" {
        return include(config, value, origin, chain);
    }
    set(config, name, value, origin)
}

fn unquote(value: &str) -> &str {
    let inside = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}

/// Sets, or with an empty value clears, one key.
pub fn set(config: &mut Config, name: &str, value: &str, origin: &Origin) -> Result<()> {
    let Some((key, rest)) = key::find(name) else {
        return Err(unknown(name, origin));
    };
    if value.is_empty() {
        (key.clear)(config, rest);
        config.origins.remove(name);
        return Ok(());
    }
    let field = key::Field { rest, value, origin: Some(origin) };
    (key.set)(config, field).map_err(|refusal| {
        Error::new(format!("wrong value {value:?} for {name}")).at(Some(origin)).hint(refusal)
    })?;
    config.origins.insert(name.to_owned(), origin.clone());
    Ok(())
}

/// Keys of the system configuration, which end up here by mistake.
const SYSTEM: [&str; 7] = [
    "lxc.lxcpath",
    "lxc.default_config",
    "lxc.bdev.lvm.vg",
    "lxc.bdev.lvm.thin_pool",
    "lxc.bdev.zfs.root",
    "lxc.cgroup.use",
    "lxc.cgroup.pattern",
];

fn unknown(name: &str, origin: &Origin) -> Error {
    let error = Error::new(format!("Unsupported config key \"{name}\"")).at(Some(origin));
    if let Some(new) = key::renamed(name) {
        error.hint(format!("it is called {new} since LXC 2.1; see lxc-update-config(1)"))
    } else if SYSTEM.contains(&name) {
        error.hint("it belongs into the system configuration, /etc/lxc/lxc.conf")
    } else if let Some(near) = key::nearest(name) {
        error.hint(format!("did you mean {near}?"))
    } else {
        error.hint("see lxc.container.conf(5) for the keys there are")
    }
}

fn include(
    config: &mut Config,
    value: &str,
    origin: &Origin,
    chain: &mut Vec<PathBuf>,
) -> Result<()> {
    let path = Path::new(value);
    if value.is_empty() {
        return Err(Error::new("lxc.include names no file").at(Some(origin)));
    }
    if path.is_dir() {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path)
            .what(|| format!("cannot read the directory {value}"))
            .map_err(|error| error.at(Some(origin)))?
        {
            let entry = entry.what(|| format!("cannot read the directory {value}"))?;
            let name = entry.file_name();
            let is_conf = name.len() >= 6 && name.as_encoded_bytes().ends_with(b".conf");
            files.extend(is_conf.then(|| entry.path()));
        }
        // LXC takes the directory's own order, which differs from host to host; ours is by name.
        files.sort();
        return files.iter().try_for_each(|file| include_file(config, file, origin, chain));
    }
    if value.ends_with('/') && !path.exists() {
        return Ok(());
    }
    include_file(config, path, origin, chain)
}

fn include_file(
    config: &mut Config,
    path: &Path,
    origin: &Origin,
    chain: &mut Vec<PathBuf>,
) -> Result<()> {
    let at = |error: Error| {
        if error.is(nix::errno::Errno::ENOENT) {
            error.at(Some(origin)).hint("create the file, or correct or remove the line")
        } else {
            error.at(Some(origin))
        }
    };
    let real =
        path.canonicalize().what(|| format!("cannot include {}", path.display())).map_err(at)?;
    if chain.contains(&real) {
        return Err(at(Error::new(format!("{} includes itself", path.display()))));
    }
    if chain.len() >= MAX_DEPTH {
        return Err(at(Error::new("files include each other too deeply")));
    }
    let text = read(&real).map_err(at)?;
    chain.push(real);
    let result = apply_nested(config, &text, &path.display().to_string(), chain);
    chain.pop();
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config> {
        let mut config = Config::default();
        apply(&mut config, text, "test.conf").map(|()| config)
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
        assert_eq!(config.origin("lxc.uts.name").unwrap().line, 2);
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
        assert_eq!(parse(&text("d")).unwrap().uts_name.as_deref(), Some("second"));
        assert!(parse(&text("none/")).is_ok());
        let error = parse(&text("none")).unwrap_err();
        assert_eq!(error.origin.unwrap().line, 1);
        write("loop.conf", &text("loop.conf"));
        assert!(parse(&text("loop.conf")).unwrap_err().what.contains("includes itself"));
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
            ("lxc.mount.auto", "proc:mixed\nsys:ro\n"),
            ("lxc.net", "veth\n"),
            ("lxc.net.0.ipv4.address", "10.0.0.2/24\n"),
            ("lxc.net.0.ipv4.gateway", "auto"),
            ("lxc.cgroup.cpu.shares", "5\n"),
            ("lxc.cgroup.dir", "x/y"),
            ("lxc.prlimit.nofile", "1:2"),
            ("lxc.cap.drop", "sys_admin\n21\n"),
            ("lxc.idmap", "u 0 100000 65536\n"),
            ("lxc.hook.start", "/x\n"),
            ("lxc.autodev", "1"),
        ] {
            assert_eq!(super::super::get(&config, key).unwrap(), value, "{key}");
        }
    }
}
