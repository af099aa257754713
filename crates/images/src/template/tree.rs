//! A root filesystem that a stranger made, while what makes it this container's is put in: looked up as
//! a process inside would, so that no link leads out.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

use lxc_sys::beneath;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fchmod, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::{Context, Error, Result};

/// Most bytes of a file that is read here.
const LARGEST: u64 = 4 << 20;

/// A root filesystem.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
}

/// A user, by ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The user id.
    pub uid: u32,
    /// The group id.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
}

impl Tree {
    /// The one at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = nix::fcntl::open(path, flags, Mode::empty())
            .context(|| format!("cannot open {}", path.display()))?;
        Ok(Self { root })
    }

    /// The text of the file `path`, `None` if there is none.
    pub fn read(&self, path: &str) -> Result<Option<String>> {
        let failed = || format!("cannot read {path} of the root filesystem");
        // A pipe in its place must not be waited for.
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = match beneath::open_in_root(self.root.as_fd(), Path::new(path), flags) {
            Ok(file) => File::from(file),
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(None),
            Err(errno) => return Err(Error::new(failed()).errno(errno)),
        };
        if !file.metadata().context(failed)?.is_file() {
            return Ok(None);
        }
        let mut text = Vec::new();
        file.take(LARGEST).read_to_end(&mut text).context(failed)?;
        Ok(Some(String::from_utf8_lossy(&text).into_owned()))
    }

    /// Writes the file `path` anew, in the place of whatever file or link is there; its directories are
    /// made.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        let failed = || format!("cannot write {path} in the root filesystem");
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let dir = self.make_dirs(dir)?;
        match unlinkat(&dir, OsStr::new(name), UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err(Error::new(failed()).errno(errno)),
        }
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::from_bits_truncate(0o644);
        let mut file = File::from(openat(&dir, name, flags, mode).context(failed)?);
        fchmod(&file, mode).context(failed)?;
        file.write_all(text.as_bytes()).context(failed)
    }

    /// Makes the directory `path` and those above it, where they are missing.
    pub fn make_dirs(&self, path: &str) -> Result<OwnedFd> {
        let failed = || format!("cannot make the directory {path:?} in the root filesystem");
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        let open = |path: &Path| beneath::open_in_root(self.root.as_fd(), path, flags);
        let mut dir = open(Path::new(".")).context(failed)?;
        let mut done = std::path::PathBuf::from(".");
        for component in Path::new(path).components() {
            let name = match component {
                Component::Normal(name) => name,
                Component::RootDir | Component::CurDir => continue,
                _ => return Err(Error::new(format!("{}: it has a component '..'", failed()))),
            };
            done.push(name);
            dir = match open(&done) {
                Err(Errno::ENOENT) => {
                    mkdirat(&dir, name, Mode::from_bits_truncate(0o755)).context(failed)?;
                    open(&done)
                }
                result => result,
            }
            .context(failed)?;
        }
        Ok(dir)
    }

    /// The user `text`: empty for root, `USER`, `UID`, `USER:GROUP`, …, as the root filesystem has them.
    pub fn user(&self, text: &str) -> Result<User> {
        let (name, group) = match text.split_once(':') {
            Some((name, group)) => (name, Some(group).filter(|group| !group.is_empty())),
            None => (text, None),
        };
        let passwd = self.read("etc/passwd")?.unwrap_or_default();
        let groups = self.read("etc/group")?.unwrap_or_default();
        let name = if name.is_empty() { "0" } else { name };
        let number = name.parse::<u32>().ok().filter(|uid| *uid != u32::MAX);
        let account =
            passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| {
                fields.first() == Some(&name)
                    || number.is_some() && fields.get(2).and_then(|uid| uid.parse().ok()) == number
            });
        let field = |index: usize| account.as_ref()?.get(index)?.parse::<u32>().ok();
        let Some(uid) = number.or_else(|| field(2)) else {
            return Err(Error::new(format!(
                "the image runs as the user {name:?}, which it has not"
            )));
        };
        if let Some(group) = group {
            let gid = group.parse::<u32>().ok().filter(|gid| *gid != u32::MAX).or_else(|| {
                let mut lines = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
                lines.find(|fields| fields.first() == Some(&group))?.get(2)?.parse().ok()
            });
            let gid = gid.ok_or_else(|| {
                Error::new(format!("the image runs as the group {group:?}, which it has not"))
            })?;
            return Ok(User { uid, gid, groups: Vec::new() });
        }
        let gid = field(3).unwrap_or(0);
        let login = account.as_ref().and_then(|fields| fields.first().copied());
        let has_member = |fields: &Vec<&str>| {
            let members = fields.get(3).copied().unwrap_or_default();
            login.is_some_and(|login| members.split(',').any(|member| member == login))
        };
        let mut further: Vec<u32> = groups
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .filter(has_member)
            .filter_map(|fields| fields.get(2)?.parse().ok())
            .filter(|other| *other != gid)
            .collect();
        further.sort_unstable();
        further.dedup();
        Ok(User { uid, gid, groups: further })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;

    #[test]
    fn nothing_outside_is_read_or_written() {
        let scratch = Scratch::new("tree");
        let outside = scratch.path().join("outside");
        let root = scratch.path().join("root");
        for dir in [&outside, &root] {
            std::fs::create_dir(dir).unwrap();
        }
        std::fs::write(outside.join("passwd"), "evil:x:0:0::/:/bin/sh\n").unwrap();
        let tree = Tree::open(&root).unwrap();
        std::os::unix::fs::symlink(&outside, root.join("etc")).unwrap();
        assert_eq!(tree.read("etc/passwd").unwrap(), None);
        assert!(tree.write("etc/hostname", "name").is_err());
        assert!(tree.make_dirs("../x").is_err());
        std::fs::remove_file(root.join("etc")).unwrap();
        std::fs::create_dir(root.join("etc")).unwrap();
        std::os::unix::fs::symlink(outside.join("passwd"), root.join("etc/hostname")).unwrap();
        nix::unistd::mkfifo(&root.join("etc/passwd"), Mode::S_IRWXU).unwrap();
        assert_eq!(tree.read("etc/passwd").unwrap(), None);
        tree.write("etc/hostname", "name").unwrap();
        assert_eq!(tree.read("etc/hostname").unwrap().unwrap(), "name");
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
        assert!(std::fs::read_to_string(outside.join("passwd")).unwrap().starts_with("evil"));
    }

    #[test]
    fn users_are_those_of_the_root_filesystem() {
        let scratch = Scratch::new("users");
        let tree = Tree::open(scratch.path()).unwrap();
        let user = |text| tree.user(text);
        let plain = |uid, gid| User { uid, gid, groups: Vec::new() };
        assert_eq!(user("").unwrap(), plain(0, 0));
        assert_eq!(user("1000").unwrap(), plain(1000, 0));
        assert!(user("app").is_err());
        tree.write("etc/passwd", "root:x:0:0::/:/bin/sh\napp:x:101:102::/:/bin/sh\n").unwrap();
        tree.write("etc/group", "root:x:0:\nlog:x:7:web,app\napp:x:102:app\nssl:x:9:app\n")
            .unwrap();
        let app = User { uid: 101, gid: 102, groups: vec![7, 9] };
        assert_eq!(user("app").unwrap(), app);
        assert_eq!(user("101").unwrap(), app);
        assert_eq!(user("app:ssl").unwrap(), plain(101, 9));
        assert_eq!(user("5:6").unwrap(), plain(5, 6));
        for bad in ["nobody", "app:none", "-1", "4294967295", "app:4294967295"] {
            assert!(user(bad).is_err(), "{bad}");
        }
    }
}
