//! What an installation takes from the program: manual pages and completions, generated from the commands and the
//! registry of keys, and the launcher.
//!
//! `lxc-rs --man DIR`, `lxc-rs --completions SHELL DIR` and `lxc-rs --launcher FILE` write them; the installer calls
//! them all.

pub(super) mod completion;
mod configuration;
mod images;
mod keys;
mod overview;
mod page;
mod texts;
mod tools;
mod user_nic;

pub(super) use keys::TOOL;

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};
use crate::exit::ExitCode;
use crate::sys;

/// Runs `lxc-rs --man DIR` and the others: `None` if `option` is none of them.
pub(super) fn run(option: &str, args: &[OsString]) -> Option<ExitCode> {
    let written = match (option, args) {
        ("--man", [dir]) => write_pages(Path::new(dir)),
        ("--completions", [shell, dir]) => write_completions(shell, Path::new(dir)),
        ("--launcher", [file]) => write(Path::new(file), sys::LAUNCHER),
        ("--launcher", _) => Err(Error::new("write --launcher FILE")),
        ("--man", _) => Err(Error::new("write --man DIR")),
        ("--completions", _) => Err(Error::new("write --completions bash|zsh|fish DIR")),
        _ => return None,
    };
    Some(written.map_or_else(
        |error| {
            super::errln!("lxc-rs: {error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    ))
}

/// Writes all pages below `dir`, in `man1`, `man5`, `man7` and `man8`.
fn write_pages(dir: &Path) -> Result<()> {
    let pages = tools::pages().chain(configuration::pages()).chain(overview::pages());
    let pages = pages.chain(user_nic::pages()).chain([images::page()]);
    for page in pages {
        let file = dir.join(format!("man{}", page.section)).join(page.file_name());
        write(&file, page.render())?;
    }
    for (name, page) in configuration::ALIASES {
        let link = dir.join(format!("man5/{name}.5"));
        let linked = || match std::fs::remove_file(&link) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => symlink(format!("{page}.5"), &link),
        };
        linked().context(|| format!("cannot make the link {}", link.display()))?;
    }
    Ok(())
}

/// Writes the scripts by which `shell` completes each command, into `dir`.
fn write_completions(shell: &OsString, dir: &Path) -> Result<()> {
    for (file, script) in completion::scripts(&shell.to_string_lossy())? {
        write(&dir.join(PathBuf::from(file)), &script)?;
    }
    Ok(())
}

fn write(file: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    let shown = || format!("cannot write {}", file.display());
    let dir = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).context(shown)?;
    std::fs::write(file, content).context(shown)
}
