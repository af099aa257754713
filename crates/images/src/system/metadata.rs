//! The metadata of an image: files, some of them in several forms.

use std::os::fd::AsFd;
use std::path::Path;

use lxc_sys::beneath;
use nix::fcntl::OFlag;

use crate::template::{Tree, in_user_namespace};
use crate::{Context, Error, Result};

/// The forms of configurations that are understood here, as image servers number them.
pub(super) const LEVEL: u32 = 7;

/// The metadata of an image.
#[derive(Debug)]
pub struct Metadata {
    tree: Tree,
    mode: &'static str,
}

/// For whom an image is used: its files may differ.
pub(super) fn mode() -> &'static str {
    if in_user_namespace() { "user" } else { "system" }
}

impl Metadata {
    /// What was unpacked in `dir`.
    pub fn open(dir: &Path) -> Result<Self> {
        Ok(Self { tree: Tree::open(dir)?, mode: mode() })
    }

    /// The text of the file `name`, in the form that fits best: `NAME-user` and `NAME-system` come before
    /// `NAME`, and with a level before without.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>> {
        for name in [
            format!("{name}-{}.{LEVEL}", self.mode),
            format!("{name}-{}", self.mode),
            format!("{name}.{LEVEL}"),
            name.to_owned(),
        ] {
            if let Some(text) = self.tree.read(&name)? {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    pub(super) fn config(&self) -> Result<Option<String>> {
        self.text("config")
    }

    /// Patterns of what is left out.
    pub(super) fn excludes(&self) -> Result<Vec<String>> {
        self.lines("excludes")
    }

    /// Files of the root filesystem in which words stand for what only the host knows.
    pub(super) fn templates(&self) -> Result<Vec<String>> {
        let mut paths = self.lines("templates")?;
        for path in &mut paths {
            *path = path.trim_start_matches('/').to_owned();
            if path.split('/').any(|part| part == "..") {
                return Err(Error::new(format!(
                    "the image names the template {path:?}, with '..'"
                )));
            }
        }
        Ok(paths)
    }

    /// What its maker says to whoever made a container of it.
    pub fn message(&self) -> Result<Option<String>> {
        self.text("create-message")
    }

    /// When it was built, of an image that is kept.
    pub(super) fn build(&self) -> Result<Option<String>> {
        self.tree.read("build_id")
    }

    /// When it is too old, seconds since 1970.
    pub(super) fn expiry(&self) -> Result<Option<u64>> {
        Ok(self.text("expiry")?.and_then(|text| text.trim().parse().ok()))
    }

    fn lines(&self, name: &str) -> Result<Vec<String>> {
        let text = self.text(name)?.unwrap_or_default();
        let lines =
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Ok(lines.map(str::to_owned).collect())
    }
}

/// Whether `dir` holds the file `name`, which no link leads to.
pub(super) fn has_file(dir: &Path, name: &str) -> Result<bool> {
    let failed = || format!("cannot open {}", dir.display());
    let root = match std::fs::File::open(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        result => result.context(failed)?,
    };
    Ok(beneath::open(root.as_fd(), Path::new(name), OFlag::O_RDONLY | OFlag::O_NOFOLLOW).is_ok())
}
