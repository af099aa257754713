//! The files behind the names. They are root's to write; dnsmasq, as a user of its own, reads two of the directories.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Record, Served};
use crate::config::{sweep_temporary, temporary_name};
use crate::error::{Context, Error, Result};
use crate::sys::remove;

/// The directory of them all, and those in it.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
}

impl Files {
    pub(super) fn below(run_dir: &Path) -> Self {
        Self { dir: run_dir.join("names") }
    }

    /// The directory of files of hosts(5).
    pub(super) fn hosts(&self) -> PathBuf {
        self.dir.join("hosts")
    }

    /// The directory of files for `--dhcp-hostsdir` (dnsmasq(8)).
    pub(super) fn dhcp(&self) -> PathBuf {
        self.dir.join("dhcp")
    }

    /// The directory of the records.
    fn records(&self) -> PathBuf {
        self.dir.join("records")
    }

    fn served_file(&self) -> PathBuf {
        self.dir.join("served")
    }

    fn directories(&self) -> [PathBuf; 3] {
        [self.hosts(), self.dhcp(), self.records()]
    }

    /// Makes the directories.
    pub(super) fn make(&self) -> Result<()> {
        for dir in std::iter::once(self.dir.clone()).chain(self.directories()) {
            let failed = || format!("cannot make {}", dir.display());
            DirBuilder::new().recursive(true).mode(0o755).create(&dir).context(failed)?;
            // Whatever the umask says.
            std::fs::set_permissions(&dir, Permissions::from_mode(0o755)).context(failed)?;
            sweep_temporary(&dir)?;
        }
        Ok(())
    }

    /// Removes the directories if no container has a name.
    pub(super) fn remove_if_empty(&self) -> Result<()> {
        let mut all = self.directories().to_vec();
        all.push(self.dir.clone());
        for dir in all {
            match std::fs::remove_dir(&dir) {
                Err(error)
                    if ![ErrorKind::NotFound, ErrorKind::DirectoryNotEmpty]
                        .contains(&error.kind()) =>
                {
                    return Err(error).context(|| format!("cannot remove {}", dir.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn write_served(&self, served: &Served) -> Result<()> {
        put(&self.served_file(), &encode(served)?, |from, to| std::fs::rename(from, to))
    }

    pub(super) fn remove_served(&self) -> Result<()> {
        remove::file(&self.served_file())
    }

    /// What lxc-net serves; `None` if it does not.
    pub(super) fn served(&self) -> Result<Option<Served>> {
        read(&self.served_file())
    }

    /// Makes the record of `label`; says whether it was free.
    pub(super) fn take(&self, label: &str, record: &Record) -> Result<bool> {
        let path = self.records().join(label);
        match put(&path, &encode(record)?, |from, to| std::fs::hard_link(from, to)) {
            Err(error) if error.is(nix::errno::Errno::EEXIST) => Ok(false),
            result => result.map(|()| true),
        }
    }

    /// The record of `label`, if there is one.
    pub(super) fn record(&self, label: &str) -> Result<Option<Record>> {
        read(&self.records().join(label))
    }

    pub(super) fn write_hosts(&self, label: &str, lines: &str) -> Result<()> {
        write_some(&self.hosts().join(label), lines)
    }

    pub(super) fn write_dhcp(&self, label: &str, lines: &str) -> Result<()> {
        write_some(&self.dhcp().join(label), lines)
    }

    /// Removes all of `label`, the record last.
    pub(super) fn remove(&self, label: &str) -> Result<()> {
        self.directories().iter().try_for_each(|dir| remove::file(&dir.join(label)))
    }

    /// All records, by their names.
    pub(super) fn all(&self) -> Result<Vec<(String, Record)>> {
        let dir = self.records();
        let failed = || format!("cannot read {}", dir.display());
        let entries = match std::fs::read_dir(&dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.context(failed)?,
        };
        let mut all = Vec::new();
        for entry in entries {
            let name = entry.context(failed)?.file_name().into_string().unwrap_or_default();
            if !name.starts_with('.')
                && let Some(record) = self.record(&name)?
            {
                all.push((name, record));
            }
        }
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(all)
    }
}

fn encode(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::new(format!("cannot write down a container's name: {error}")))
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let failed = || format!("cannot read {}", path.display());
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.context(failed)?,
    };
    let value = serde_json::from_str(&text);
    value.map(Some).map_err(|error| Error::new(format!("{}: {error}", failed())))
}

/// Writes the file `path` if there is something to write.
fn write_some(path: &Path, lines: &str) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    put(path, lines, |from, to| std::fs::rename(from, to))
}

/// Writes a file that everybody may read, and has it put in the place of `path` as a whole. Until then its
/// name has a dot before it: dnsmasq does not read such files.
fn put(path: &Path, text: &str, place: fn(&Path, &Path) -> std::io::Result<()>) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = temporary_name(&path.with_file_name(format!(".{name}")));
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&new)?;
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.write_all(text.as_bytes())?;
        place(&new, path)
    };
    let written = write().context(|| format!("cannot write {}", path.display()));
    // A link to it is not it.
    written.and(remove::file(&new))
}
