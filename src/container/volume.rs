//! Volumes: directories of a container that outlive it, next to the containers in `LXCPATH/.volumes`, or
//! anywhere on the host.

use std::fs::{DirBuilder, File};
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::copy::ephemeral::escaped;
use super::interruption;
use super::operation::Operation;
use super::owner::Owner;
use crate::config::{Config, Document};
use crate::error::{Context, Error, Result};
use crate::identity::{ContainerName, Identity};
use crate::mount::rootfs;
use crate::storage;
use crate::storage::copy::{self, Watch};
use crate::storage::tree;
use crate::sys::beneath;

/// The directory of the volumes, among the containers.
pub(super) const DIR: &str = ".volumes";

/// A volume, and where a container has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    source: Source,
    /// The path inside, without the slash at its beginning.
    to: String,
    /// Options of the mount, with a comma before each.
    options: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// A name below [`DIR`].
    Named(ContainerName),
    /// A directory of the host.
    Host(PathBuf),
}

impl Volume {
    /// Reads `NAME:PATH[:OPTION,...]` or `/DIR:PATH[:OPTION,...]`.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::new(format!("{text} is not a volume")).hint(
                "write NAME:PATH, or DIR:PATH with the absolute path of a directory; :ro after it",
            )
        };
        let mut parts = text.splitn(3, ':');
        let (source, to) = (parts.next().unwrap_or_default(), parts.next().ok_or_else(wrong)?);
        let to = to.strip_prefix('/').filter(|to| !to.trim_matches('/').is_empty());
        let source = if source.starts_with('/') {
            Source::Host(source.into())
        } else {
            Source::Named(ContainerName::new(source).map_err(|_| wrong())?)
        };
        let options = parts.next().map_or_else(String::new, |options| format!(",{options}"));
        Ok(Self { source, to: to.ok_or_else(wrong)?.to_owned(), options })
    }

    /// The mount entry of the volume, in the container `identity` with `config`; a volume that does not
    /// exist is made.
    fn entry(&self, identity: &Identity, config: &Config) -> Result<String> {
        let mut options = self.options.clone();
        let source = match &self.source {
            Source::Host(dir) if dir.is_dir() => dir.clone(),
            Source::Host(dir) => {
                return Err(Error::new(format!("{} is not a directory", dir.display()))
                    .hint("make it, or write a name without a slash for a new volume"));
            }
            Source::Named(name) => {
                // As with the root filesystem: the files have the ids of the container, or get them when
                // mounted.
                if rootfs::options(config)?.idmap.is_some() {
                    options.push_str(",idmap=container");
                }
                let dir = identity.lxcpath.join(DIR).join(name.as_str());
                if !dir.exists() {
                    self.make(&dir, config)?;
                }
                dir
            }
        };
        let (from, to) = (escaped(&source.display().to_string()), escaped(&self.to));
        Ok(format!("{from} {to} none bind,create=dir{options} 0 0"))
    }

    /// Makes the volume `dir`, with what the container's root filesystem has in its place.
    fn make(&self, dir: &Path, config: &Config) -> Result<()> {
        let failed = || format!("cannot make the volume {}", dir.display());
        let above = dir.parent().unwrap_or(Path::new("/"));
        match DirBuilder::new().mode(0o711).create(above) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => made.context(failed)?,
        }
        // The volume gets its name when it is complete.
        let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let new = above.join(format!(".{name}.{}", std::process::id()));
        let owner = Owner::of(config)?;
        let fill = || {
            std::fs::create_dir(&new).context(failed)?;
            if let Some(owner) = &owner {
                owner.chown(&new)?;
            }
            match &owner {
                Some(owner) => owner.within(|| self.fill(&new, config)),
                None => self.fill(&new, config),
            }?;
            // The parent directory is on the same file system; files in the volume may be another user's.
            storage::sync(&[above])?;
            std::fs::rename(&new, dir).context(failed)
        };
        fill().inspect_err(|_| {
            // The failure is what counts; the next attempt has another name.
            let _ = tree::remove(&new);
        })
    }

    fn fill(&self, new: &Path, config: &Config) -> Result<()> {
        let _attached = storage::attach(config)?;
        let root = storage::rootfs_mount(config)?.open()?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let found = match beneath::open_in_root(root.as_fd(), Path::new(&self.to), flags) {
            Err(Errno::ENOENT) => return Ok(()),
            found => found.context(|| format!("cannot open /{} of the image", self.to))?,
        };
        let target =
            File::open(new).context(|| format!("cannot open the volume {}", new.display()))?;
        let watch = Watch { interrupted: Some(interruption::guard()?), report: None };
        copy::tree(found.as_fd(), target.as_fd(), watch)
    }
}

/// Gives the container, which was just made and does not run, `volumes`; `ephemeral`: it is destroyed when it
/// stops.
pub fn complete(
    identity: &Identity,
    volumes: &[Volume],
    ephemeral: bool,
    tool: &str,
) -> Result<()> {
    if volumes.is_empty() && !ephemeral {
        return Ok(());
    }
    let _operation = Operation::begin(identity, tool)?;
    let mut document = Document::load(&identity.config_file())?;
    for volume in volumes {
        let entry = volume.entry(identity, &document.config)?;
        document.set("lxc.mount.entry", &entry, tool)?;
    }
    if ephemeral {
        document.set("lxc.ephemeral", "1", tool)?;
    }
    document.save(&identity.config_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_names_or_directories() {
        let read = |text: &str| {
            let Volume { source, to, options } = Volume::parse(text).unwrap();
            (source, to, options)
        };
        let named = Source::Named(ContainerName::new("data").unwrap());
        assert_eq!(read("data:/srv/data"), (named.clone(), "srv/data".into(), String::new()));
        assert_eq!(read("data:/x:ro,noexec"), (named, "x".into(), ",ro,noexec".into()));
        assert_eq!(read("/a/b:/x").0, Source::Host("/a/b".into()));
        for bad in ["data", "data:", "data:/", "data:x", "a/b:/x", ":/x", "..:/x"] {
            assert!(Volume::parse(bad).unwrap_err().hint.is_some(), "{bad}");
        }
    }
}
