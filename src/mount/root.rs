//! The root filesystem by descriptor: the only way in which this program looks below it.
//!
//! The container's owner controls what lies there. So every lookup stays beneath the root and fails
//! at a symbolic link instead of following it (openat2(2), `RESOLVE_BENEATH`, `RESOLVE_NO_SYMLINKS`).

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{Mode, SFlag};

use crate::error::{Context, Error, Result};
use crate::sys::beneath;
use crate::sys::mount::{self, MountAttr};

/// A directory tree whose content is not trusted.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    /// Where it is mounted; for messages and for hooks.
    path: PathBuf,
}

/// What to create where a mount target is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Nothing: a missing target is an error.
    Fail,
    /// A directory, and those above it.
    Dir,
    /// An empty file, and the directories above it.
    File,
}

impl Missing {
    /// What a place is made as for the mount `tree`.
    pub fn like(tree: BorrowedFd<'_>) -> Result<Self> {
        let stat = nix::sys::stat::fstat(tree).context(|| "cannot look at the mount")?;
        let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
        Ok(if kind == SFlag::S_IFDIR { Self::Dir } else { Self::File })
    }
}

impl Root {
    /// The tree at `path`, a trusted path of the host.
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = nix::fcntl::open(path, flags, Mode::empty())
            .context(|| format!("cannot open the root filesystem {}", path.display()))?;
        Ok(Self { fd, path: path.to_path_buf() })
    }

    /// The tree below the open directory `fd`, called `path` in messages.
    pub fn of(fd: OwnedFd, path: &Path) -> Self {
        Self { fd, path: path.to_path_buf() }
    }

    /// The root directory itself.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens `path` below the root with `flags`.
    pub fn lookup(&self, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
        let path = path.strip_prefix("/").unwrap_or(path);
        if path.as_os_str().is_empty() {
            return beneath::open(self.fd(), Path::new("."), flags);
        }
        beneath::open(self.fd(), path, flags)
    }

    /// Whether there is something at `path`.
    pub fn has(&self, path: &Path) -> bool {
        self.lookup(path, OFlag::O_PATH | OFlag::O_NOFOLLOW).is_ok()
    }

    /// Whether `path`, with links resolved inside the root, names something.
    pub fn has_link(&self, path: &str) -> bool {
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        openat2(self.fd(), path, how).is_ok()
    }

    /// The place `path` to mount something on, by descriptor, made first where it is missing.
    pub fn target(&self, path: &Path, missing: Missing) -> Result<OwnedFd> {
        let shown = || inside(path);
        match self.lookup(path, OFlag::O_PATH) {
            Ok(fd) => return Ok(fd),
            Err(Errno::ENOENT) if missing != Missing::Fail => {}
            Err(errno) => return Err(explain(errno, &shown())),
        }
        let parent = path.parent().unwrap_or(Path::new(""));
        let dir = self.make_dirs(parent)?;
        let name = path.file_name().unwrap_or(OsStr::new("."));
        if missing == Missing::Dir {
            return make_dir(dir.as_fd(), name).map_err(|errno| not_made(errno, path));
        }
        make_file(dir.as_fd(), name).map_err(|errno| not_made(errno, path))?;
        self.lookup(path, OFlag::O_PATH).map_err(|errno| explain(errno, &shown()))
    }

    /// The directory `path`, made with those above it where they are missing (mode 0755).
    pub fn make_dirs(&self, path: &Path) -> Result<OwnedFd> {
        let is_plain = |part| matches!(part, Component::Normal(_) | Component::RootDir);
        if path.components().all(is_plain)
            && let Ok(dir) = self.lookup(path, OFlag::O_PATH | OFlag::O_DIRECTORY)
        {
            // As mostly: all of it is there.
            return Ok(dir);
        }
        let mut dir = self
            .lookup(Path::new(""), OFlag::O_PATH | OFlag::O_DIRECTORY)
            .context(|| format!("cannot open the root filesystem {}", self.path.display()))?;
        for component in path.components() {
            let name = match component {
                Component::Normal(name) => name,
                Component::RootDir | Component::CurDir => continue,
                Component::ParentDir | Component::Prefix(_) => {
                    return Err(Error::new(format!("refusing the path {}", path.display()))
                        .hint("write it without '..'"));
                }
            };
            dir = make_dir(dir.as_fd(), name).map_err(|errno| not_made(errno, path))?;
        }
        Ok(dir)
    }

    /// Makes the symbolic link `path` to `target`, unless there is something.
    pub fn symlink(&self, target: &str, path: &Path) -> Result<()> {
        let dir = self.make_dirs(path.parent().unwrap_or(Path::new("")))?;
        let name = path.file_name().unwrap_or(OsStr::new("."));
        match nix::unistd::symlinkat(target, &dir, name) {
            Ok(()) | Err(Errno::EEXIST) => Ok(()),
            Err(errno) => {
                Err(Error::new(format!("cannot make the link {} to {target}", shown(path)))
                    .errno(errno))
            }
        }
    }

    /// Puts the detached mount `tree` on `path`, made first where it is missing.
    pub fn attach(&self, tree: BorrowedFd<'_>, path: &Path, missing: Missing) -> Result<()> {
        let target = self.target(path, missing)?;
        mount::move_mount(tree, target.as_fd(), Path::new(""))
            .context(|| format!("cannot mount on {}", shown(path)))
            .map_err(|error| explain_kinds(error, tree, target.as_fd(), path))
    }

    /// A detached copy of the mount at `path` below the root, with `attr` set.
    pub fn clone_mount(&self, path: &Path, attr: &MountAttr) -> Result<OwnedFd> {
        let at = self.target(path, Missing::Fail)?;
        let failed = || format!("cannot copy the mount at {}", shown(path));
        let tree =
            mount::open_tree(at.as_fd(), Path::new(""), mount::OPEN_TREE_CLONE).context(failed)?;
        mount::mount_setattr(tree.as_fd(), false, attr).context(failed)?;
        Ok(tree)
    }
}

/// Makes the directory `name` unless it is there, and opens it.
fn make_dir(parent: BorrowedFd<'_>, name: &OsStr) -> nix::Result<OwnedFd> {
    match nix::sys::stat::mkdirat(parent, name, Mode::from_bits_truncate(0o755)) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(errno),
    }
    beneath::open(parent, Path::new(name), OFlag::O_PATH | OFlag::O_DIRECTORY)
}

/// Makes the empty file `name` unless it is there. Nobody may use it before something is mounted on it.
fn make_file(parent: BorrowedFd<'_>, name: &OsStr) -> nix::Result<()> {
    match nix::sys::stat::mknodat(parent, name, SFlag::S_IFREG, Mode::empty(), 0) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// `path` as a process has it whose root this is: where the root is mounted is nobody's business.
fn inside(path: &Path) -> PathBuf {
    Path::new("/").join(path)
}

fn shown(path: &Path) -> String {
    format!("{} in the root filesystem", inside(path).display())
}

/// Adds to the failure to mount `tree` on `target`, which is `path`, that one is a directory and the other
/// is not.
pub(super) fn explain_kinds(
    error: Error,
    tree: BorrowedFd<'_>,
    target: BorrowedFd<'_>,
    path: &Path,
) -> Error {
    let is_dir = |fd| {
        let mode = nix::sys::stat::fstat(fd).map(|stat| stat.st_mode);
        mode.is_ok_and(|mode| SFlag::from_bits_truncate(mode) & SFlag::S_IFMT == SFlag::S_IFDIR)
    };
    let place = inside(path);
    match (is_dir(tree), is_dir(target)) {
        (true, false) => error.hint(format!(
            "{} is not a directory, and what is mounted on it is one",
            place.display()
        )),
        (false, true) => error
            .hint(format!("{} is a directory, and what is mounted on it is not", place.display())),
        _ => error,
    }
}

fn not_made(errno: Errno, path: &Path) -> Error {
    match errno {
        Errno::ENOENT => Error::new(format!("cannot make {}", shown(path)))
            .errno(errno)
            .hint("its file system makes no files and directories, as proc and sysfs do not"),
        _ => explain(errno, &inside(path)),
    }
}

fn explain(errno: Errno, path: &Path) -> Error {
    let error = Error::new(format!("cannot use {} in the root filesystem", path.display()));
    match errno {
        Errno::ELOOP => {
            error.errno(errno).hint("it is a symbolic link or lies behind one; name the real path")
        }
        Errno::ENOENT => {
            error.errno(errno).hint("create it, or add create=dir or create=file to the entry")
        }
        Errno::EROFS => error.errno(errno).hint("it is missing there, and the place is read-only"),
        _ => error.errno(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("lxc-rs-root-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn makes_what_is_missing_beneath_only() {
        let path = scratch("make");
        let root = Root::open(&path).unwrap();
        root.target(Path::new("/a/b"), Missing::Dir).unwrap();
        root.target(Path::new("a/f"), Missing::File).unwrap();
        assert!(path.join("a/b").is_dir() && path.join("a/f").is_file());
        assert!(root.target(Path::new("../x"), Missing::Dir).is_err());
        assert!(root.target(Path::new("none"), Missing::Fail).is_err());
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn cve_2015_1335_symlinks_are_refused_at_every_component() {
        let path = scratch("link");
        symlink("/etc", path.join("dev")).unwrap();
        symlink("dev", path.join("proc")).unwrap();
        let root = Root::open(&path).unwrap();
        for bad in ["dev", "/dev/pts", "proc/x"] {
            let error = root.target(Path::new(bad), Missing::Dir).unwrap_err();
            assert!(error.is(Errno::ELOOP) || error.is(Errno::ENOTDIR), "{bad}: {error}");
        }
        std::fs::remove_dir_all(path).unwrap();
    }
}
