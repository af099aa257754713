//! Compiled profiles, kept as long as their text, the kernel and the compiler are the same: a file a
//! container. So a start with an unchanged profile reads one file and runs no program.

use std::path::Path;
use std::process::{Command, Stdio};

use super::profile::Generated;
use super::sources;
use crate::error::{Context, Error, Result};
use crate::programs;
use crate::security::{kept, sealed};

/// Where LXC keeps compiled profiles.
const CACHE: &str = "/var/cache/lxc/apparmor";

/// What `profile` is compiled to.
pub fn compiled(profile: &Generated) -> Result<Vec<u8>> {
    let parser = programs::find("apparmor_parser", "apparmor");
    let key = parser.as_deref().ok().and_then(|parser| key(profile, parser));
    let path = Path::new(CACHE).join(&profile.file);
    if let Some(compiled) = key.as_deref().and_then(|key| kept::read(&path, key)) {
        return Ok(compiled);
    }
    let parser = parser.map_err(|error| error.note("a generated AppArmor profile is compiled"))?;
    check_names(&parser, profile)?;
    let compiled = run(&parser, "--stdout", profile)?;
    if let Some(key) = key {
        kept::write(&path, &key, &compiled);
    }
    Ok(compiled)
}

/// Removes what is kept for the container whose policy namespace is called `file`.
pub fn forget(file: &str) {
    // It is only a copy of what can be made again.
    let _ = std::fs::remove_file(Path::new(CACHE).join(file));
}

/// What the result depends on, where that can be told.
fn key(profile: &Generated, parser: &Path) -> Option<Vec<u8>> {
    let mut key = kept::host()?;
    key.extend(kept::stamp(parser)?);
    key.extend(sources::of(&profile.text, Path::new(sources::BASE))?);
    Some(key)
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
    let output = programs::output(
        Command::new(parser)
            // Neither the administrator's cache nor the kernel.
            .args(["--skip-cache", "--skip-kernel-load", option])
            .current_dir("/")
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C")
            .stdin(Stdio::from(text)),
    )
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
