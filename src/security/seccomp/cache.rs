//! Compiled filters, kept as long as their profile, libseccomp, this program and the kernel are the same.
//!
//! By the content of the profile, so containers with the same one share it.

use std::path::{Path, PathBuf};

use libseccomp::ScmpVersion;

use crate::error::Result;
use crate::hash::fnv1a64;
use crate::security::kept;
use crate::table;

/// Lines from which on a profile takes longer to compile than its filter to read.
pub const LINES_MIN: usize = 60;

const CACHE: &str = "/var/cache/lxc/seccomp";
/// Files in it at most: each profile has its place in one of them.
const PLACES: u64 = 64;
/// What this program makes of a profile may change with its text.
const TRANSLATION: u64 = fnv1a64(include_bytes!("mod.rs"));

/// The filter of the profile `text`: what is kept, or else what `compile` makes.
pub fn compiled(text: &str, compile: impl FnOnce() -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    let path = Path::new(CACHE).join((fnv1a64(text.as_bytes()) % PLACES).to_string());
    let Some(key) = key(text) else { return compile() };
    if let Some(program) = kept::read(&path, &key) {
        return Ok(program);
    }
    let program = compile()?;
    kept::write(&path, &key, &program);
    Ok(program)
}

/// What the filter depends on.
fn key(text: &str) -> Option<Vec<u8>> {
    let mut key = kept::host()?;
    // Which calls and actions it knows; a distribution may patch it without another version.
    let version = ScmpVersion::current().ok()?;
    let version = format!("{}.{}.{}\n", version.major, version.minor, version.micro);
    key.extend_from_slice(version.as_bytes());
    if let Some(library) = library() {
        key.extend(kept::stamp(&library)?);
    }
    key.extend_from_slice(format!("{TRANSLATION:016x}\n{text}").as_bytes());
    Some(key)
}

/// The file of libseccomp, unless it is a part of this program.
fn library() -> Option<PathBuf> {
    let maps = table::read("/proc/self/maps").ok()?;
    let paths = maps.lines().filter_map(|line| Some(&line[line.find('/')?..]));
    paths
        .map(Path::new)
        .find(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libseccomp.so"))
        })
        .map(Path::to_owned)
}
