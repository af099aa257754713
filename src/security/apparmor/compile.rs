//! Compiled profiles, kept as long as their text, the kernel and the compiler are the same.
//!
//! One file a container, below a directory of root's: what it was compiled from, then the result. So a
//! start with an unchanged profile reads one file and runs no program.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::profile::Generated;
use crate::error::{Context, Error, Result};
use crate::programs;
use crate::security::sealed;

/// Where LXC keeps compiled profiles.
const CACHE: &str = "/var/cache/lxc/apparmor";
/// Larger than any compiled profile.
const SIZE_MAX: u64 = 64 << 20;

/// What `profile` is compiled to.
pub fn compiled(profile: &Generated) -> Result<Vec<u8>> {
    let parser = programs::find("apparmor_parser", "apparmor");
    let key = profile.is_self_contained.then(|| key(profile, parser.as_deref().ok())).flatten();
    if let Some(compiled) = key.as_deref().and_then(|key| cached(profile, key)) {
        return Ok(compiled);
    }
    let parser = parser.map_err(|error| error.note("a generated AppArmor profile is compiled"))?;
    check_names(&parser, profile)?;
    let compiled = run(&parser, "--stdout", profile)?;
    if let Some(Err(error)) = key.map(|key| keep(profile, &key, &compiled)) {
        log::debug!("the compiled profile is not kept: {error}");
    }
    Ok(compiled)
}

/// Removes what is kept for the container whose policy namespace is called `file`.
pub fn forget(file: &str) {
    // It is only a copy of what can be made again.
    let _ = std::fs::remove_file(Path::new(CACHE).join(file));
}

/// What the result depends on.
fn key(profile: &Generated, parser: Option<&Path>) -> Option<Vec<u8>> {
    let kernel = nix::sys::utsname::uname().ok()?;
    let of =
        |meta: std::fs::Metadata| format!("{} {} {}", meta.size(), meta.mtime(), meta.mtime_nsec());
    let parser = of(std::fs::metadata(parser?).ok()?);
    let (release, version) =
        (kernel.release().to_string_lossy(), kernel.version().to_string_lossy());
    let text = &profile.text;
    Some(format!("lxc-rs 1\n{release}\n{version}\n{parser}\n{}\n{text}", text.len()).into_bytes())
}

fn cached(profile: &Generated, key: &[u8]) -> Option<Vec<u8>> {
    let mut options = File::options();
    let file = options.read(true).custom_flags(libc::O_NOFOLLOW);
    let file = file.open(Path::new(CACHE).join(&profile.file)).ok()?;
    let meta = file.metadata().ok()?;
    // Whoever may write it says what confines the container.
    let is_ours = meta.uid() == nix::unistd::geteuid().as_raw() && meta.mode() & 0o022 == 0;
    if !is_ours || !meta.is_file() || meta.len() > SIZE_MAX {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(SIZE_MAX).read_to_end(&mut bytes).ok()?;
    let compiled = bytes.strip_prefix(key)?;
    (!compiled.is_empty()).then(|| compiled.to_vec())
}

fn keep(profile: &Generated, key: &[u8], compiled: &[u8]) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(CACHE)
        .context(|| format!("cannot make {CACHE}"))?;
    let path = Path::new(CACHE).join(&profile.file);
    let new = PathBuf::from(format!("{CACHE}/.{}", std::process::id()));
    let failed = || format!("cannot write {}", path.display());
    let _ = std::fs::remove_file(&new);
    let written =
        File::options().write(true).create_new(true).mode(0o600).open(&new).and_then(|mut file| {
            file.write_all(key)?;
            file.write_all(compiled)?;
            std::fs::rename(&new, &path)
        });
    written.context(failed).inspect_err(|_| {
        let _ = std::fs::remove_file(&new);
    })
}

/// A line of `lxc.apparmor.raw` may end the profile and begin another; that must not take the place of
/// one of the host's.
fn check_names(parser: &Path, profile: &Generated) -> Result<()> {
    let names = run(parser, "--names", profile)?;
    let names = String::from_utf8_lossy(&names);
    let other = names.lines().map(str::trim).filter(|line| !line.is_empty());
    match other.map(|line| line.trim_matches('"')).find(|name| !profile.owns(name)) {
        None => Ok(()),
        Some(other) => {
            Err(Error::new(format!("lxc.apparmor.raw defines another profile: {other}"))
                .at(profile.last_origin())
                .hint("put that profile into a file in /etc/apparmor.d"))
        }
    }
}

/// What the compiler prints with this option.
fn run(parser: &Path, option: &str, profile: &Generated) -> Result<Vec<u8>> {
    let text = sealed::copy_of(c"apparmor profile", profile.text.as_bytes())?;
    let output = Command::new(parser)
        // Neither the administrator's cache nor the kernel.
        .args(["--skip-cache", "--skip-kernel-load", option])
        .current_dir("/")
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .stdin(Stdio::from(text))
        .output()
        .context(|| format!("cannot run {}", parser.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return Ok(output.stdout);
    }
    let mut error = Error::new(format!(
        "the AppArmor profile of the container does not compile ({})",
        output.status
    ));
    if let Some(origin) =
        said.lines().find_map(line_number).and_then(|line| profile.origin_of(line))
    {
        error = error.at(Some(origin));
    } else {
        error = error.at(profile.last_origin());
    }
    for line in said.lines().filter(|line| !line.trim().is_empty()).take(5) {
        error = error.note(format!("apparmor_parser: {}", line.trim()));
    }
    Err(error)
}

/// The line that a message of the compiler is about.
fn line_number(message: &str) -> Option<usize> {
    let (_, after) = message.split_once("line ")?;
    after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_compiler_have_lines() {
        let said = "AppArmor parser error at line 12: syntax error, unexpected TOK_ID";
        assert_eq!(line_number(said), Some(12));
        assert_eq!(line_number("Warning from stdin (line 3): x"), Some(3));
        assert_eq!(line_number("no such file"), None);
    }
}
