//! Files that are read for a report: of the system, and of those to whom containers belong.

use std::fmt::Write;
use std::fs::{File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};

/// Of a longer file the end is read.
const MOST: u64 = 1 << 20;

/// A file, and whom it must belong to.
#[derive(Debug)]
pub struct Source<'a> {
    path: PathBuf,
    dir: Option<&'a Path>,
}

impl<'a> Source<'a> {
    /// A file of the system.
    pub fn of_system(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), dir: None }
    }

    /// A file of the owner of the container's directory `dir`, or one of the system that everybody may read;
    /// no symbolic link: an ordinary user must not have root's report show what they may not read.
    pub fn of_owner(path: &Path, dir: &'a Path) -> Self {
        Self { path: path.to_owned(), dir: Some(dir) }
    }

    /// Its content; `None` if it does not exist.
    pub fn read(&self) -> Result<Option<Vec<u8>>> {
        let failed = || format!("cannot read {}", self.path.display());
        let mut options = File::options();
        options.read(true).custom_flags(libc::O_NONBLOCK);
        if self.dir.is_some() {
            options.custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
        }
        let mut file = match options.open(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            file => file.context(failed)?,
        };
        let metadata = file.metadata().context(failed)?;
        if !metadata.is_file() {
            return Err(Error::new(format!("{} is not a regular file", self.path.display())));
        }
        if let Some(dir) = self.dir {
            let owner = dir.metadata().context(failed)?.uid();
            if metadata.uid() != owner && !is_public(&self.path, &metadata) {
                return Err(Error::new(format!(
                    "{} belongs neither to the container's owner nor to the system",
                    self.path.display()
                )));
            }
        }
        let mut content = Vec::new();
        if metadata.len() > MOST {
            file.seek(SeekFrom::End(-MOST.cast_signed())).context(failed)?;
            content.extend(b"(the end of it)\n");
        }
        file.take(MOST).read_to_end(&mut content).context(failed)?;
        Ok(Some(content))
    }
}

/// Whether everybody may read the file `path` of the system.
fn is_public(path: &Path, metadata: &Metadata) -> bool {
    let real = path.canonicalize().unwrap_or_default();
    metadata.uid() == 0
        && metadata.permissions().mode() & 0o004 != 0
        && ["/usr", "/etc"].iter().any(|dir| real.starts_with(dir))
}

/// What is in the directory `dir`, a line each.
pub fn listing(dir: &Path) -> String {
    let mut text = String::new();
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => return format!("(not read: {error})\n"),
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.insert(0, dir.to_owned());
    paths.sort();
    for path in paths {
        let _ = match path.symlink_metadata() {
            Ok(it) => writeln!(
                text,
                "{:06o} {}:{} {:>10} {}",
                it.permissions().mode(),
                it.uid(),
                it.gid(),
                it.len(),
                path.display()
            ),
            Err(error) => writeln!(text, "{}: {error}", path.display()),
        };
    }
    text
}
