//! What lxc-create asks of a template: to fill a root filesystem, and to add to a configuration.

mod lines;
mod tree;

use std::fs::Permissions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use lxc_sys::identity::ContainerName;
use nix::unistd::{Gid, Uid};

pub use lines::{Lines, quote, unquote};
pub use tree::{Tree, User};

use crate::unpack::{Limits, Unpacker};
use crate::{Context, Error, Result};

/// The key of the root filesystem.
const ROOTFS: &str = "lxc.rootfs.path";

/// The container that is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its directory.
    pub path: PathBuf,
    /// Its root filesystem: an empty directory.
    pub rootfs: PathBuf,
    /// The ids that the caller has in the container's user namespace, if it has one.
    pub mapped: Option<(Uid, Gid)>,
}

impl Container {
    /// What fills its root filesystem.
    pub fn unpacker(&self, limits: Limits) -> Result<Unpacker<'static>> {
        Unpacker::new(&self.rootfs, limits).map(|unpacker| unpacker.not_of(self.mapped))
    }

    /// The text of its configuration so far.
    pub fn configuration(&self) -> Result<String> {
        let file = self.path.join("config");
        std::fs::read_to_string(&file).context(|| format!("cannot read {}", file.display()))
    }

    /// Adds `lines` to its configuration.
    pub fn configure(&self, lines: &Lines) -> Result<()> {
        let file = self.path.join("config");
        let failed = || format!("cannot write {}", file.display());
        let mut open = std::fs::OpenOptions::new().append(true).open(&file).context(failed)?;
        open.write_all(format!("\n{lines}").as_bytes()).context(failed)?;
        self.give_back(&file)
    }

    /// Puts `text` in the place of its configuration.
    pub fn replace_configuration(&self, text: &str) -> Result<()> {
        let file = self.path.join("config");
        let failed = || format!("cannot write {}", file.display());
        // In place: until the end of the creation nobody reads it, and its mode stays.
        std::fs::write(&file, text).context(failed)?;
        self.give_back(&file)
    }

    /// Makes `path` its `lxc.rootfs.path`.
    pub fn set_rootfs(&self, path: &str) -> Result<()> {
        let mut lines = Lines::new();
        lines.set(ROOTFS, path)?;
        let text = self.configuration()?;
        let is_old = |line: &str| line.split('=').next().is_some_and(|key| key.trim() == ROOTFS);
        let mut new = String::new();
        for line in text.lines() {
            if !is_old(line) {
                new.push_str(line);
                new.push('\n');
            }
        }
        self.replace_configuration(&format!("{new}{lines}"))
    }

    /// Makes its snapshot `name`: a container of its own in its directory, which begins with the configuration
    /// `initial`, and has an empty root filesystem.
    pub fn snapshot(&self, name: &ContainerName, initial: &str) -> Result<Self> {
        let above = self.path.join("snaps");
        let path = above.join(name.as_str());
        let rootfs = path.join("rootfs");
        for (dir, mode) in [(&above, 0o755), (&path, 0o770), (&rootfs, 0o755)] {
            let failed = || format!("cannot make the directory {}", dir.display());
            match std::fs::DirBuilder::new().mode(mode).create(dir) {
                Err(error) if *dir == above && error.kind() == ErrorKind::AlreadyExists => {}
                result => result
                    // Whatever the caller's umask is.
                    .and_then(|()| std::fs::set_permissions(dir, Permissions::from_mode(mode)))
                    .context(failed)?,
            }
        }
        for dir in [&above, &path] {
            self.give_back(dir)?;
        }
        let snapshot = Self { path, rootfs, ..self.clone() };
        snapshot.write("config", initial)?;
        let rootfs = snapshot.rootfs.to_str();
        let rootfs = rootfs.ok_or_else(|| Error::new("the container's path is not UTF-8"))?;
        snapshot.set_rootfs(&format!("dir:{rootfs}"))?;
        Ok(snapshot)
    }

    /// Makes the file `name` beside the root filesystem.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        let file = self.path.join(name);
        std::fs::write(&file, text).context(|| format!("cannot write {}", file.display()))?;
        self.give_back(&file)
    }

    /// Gives `path`, made beside the root filesystem, to the caller, whose the container's directory is.
    pub fn give_back(&self, path: &Path) -> Result<()> {
        let Some((uid, gid)) = self.mapped else { return Ok(()) };
        nix::unistd::chown(path, Some(uid), Some(gid))
            .context(|| format!("cannot give {} to the caller", path.display()))
    }

    /// Gives all in `dir`, a directory of the cache, to the caller, and the cache itself: in a user namespace
    /// it was made by the container's root.
    pub fn give_back_kept(&self, dir: &Path) -> Result<()> {
        if self.mapped.is_none() {
            return Ok(());
        }
        let cache = cache_dir();
        let above = dir.ancestors().take_while(|above| above.starts_with(&cache));
        above.skip(1).try_for_each(|above| self.give_back(above))?;
        let mut dirs = vec![dir.to_path_buf()];
        while let Some(dir) = dirs.pop() {
            self.give_back(&dir)?;
            for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => dirs.push(entry.path()),
                    Ok(kind) if kind.is_file() => self.give_back(&entry.path())?,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Makes a directory beside the root filesystem, for the time of the creation; it goes with the value.
    /// What a creation leaves that was killed is removed with the container.
    pub fn scratch(&self) -> Result<Scratch> {
        let path = self.path.join(".image");
        std::fs::create_dir(&path).context(|| format!("cannot make {}", path.display()))?;
        Ok(Scratch(path))
    }

    /// Includes the shipped configuration `name`, if there is one, and what it has for user namespaces.
    pub fn include_shared(&self, lines: &mut Lines, name: &str) -> Result<()> {
        let dir = data_dir().join("config");
        for (file, wanted) in [(name, true), ("userns.conf", self.mapped.is_some())] {
            let path = dir.join(file);
            if wanted && path.exists() {
                let path = path
                    .to_str()
                    .ok_or_else(|| Error::new("the installation's path is not UTF-8"))?;
                lines.set("lxc.include", path)?;
            }
        }
        Ok(())
    }
}

/// A directory that goes with the value.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// One among the system's temporary files, of a name that nobody can guess.
    pub fn private() -> Result<Self> {
        let template = std::env::temp_dir().join("lxc-images.XXXXXX");
        nix::unistd::mkdtemp(&template).map(Self).context(|| "cannot make a temporary directory")
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left is removed with the container: this is an end that is told anyway, or the last step.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Shared data of this installation: the program is in `PREFIX/libexec/lxc`, they are in
/// `PREFIX/share/lxc`; a program elsewhere uses `/usr`.
pub fn data_dir() -> PathBuf {
    let prefix = std::env::current_exe().ok().and_then(|program| {
        let dir = program.parent()?;
        dir.ends_with("libexec/lxc").then(|| dir.ancestors().nth(2).map(Path::to_path_buf))?
    });
    prefix.unwrap_or_else(|| PathBuf::from("/usr")).join("share/lxc")
}

/// Whether this process is in another user namespace than the host's first: there, no devices are made,
/// and the caches are a user's.
pub fn in_user_namespace() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().collect::<Vec<_>>() != ["0", "0", "4294967295"]
}

/// Where images are kept: `$LXC_CACHE_PATH`, `/var/cache/lxc`, or `~/.cache/lxc` of an ordinary user.
pub fn cache_dir() -> PathBuf {
    match std::env::var_os("LXC_CACHE_PATH").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None if nix::unistd::geteuid().is_root() && !in_user_namespace() => "/var/cache/lxc".into(),
        None => {
            PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/".into())).join(".cache/lxc")
        }
    }
}
