//! Devices and links that a running container gets and gives back.

use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, SFlag, mknodat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use serde::{Deserialize, Serialize};

use super::cgroup;
use super::inside::in_mounts_of;
use crate::config::Namespace;
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::monitor::client::Client;
use crate::mount::Root;
use crate::mount::root::Missing;
use crate::namespace::{NamespaceSet, set};
use crate::network::transfer;
use crate::sys::mount as sys;

/// What to give or take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Device {
    /// A network link, by its name.
    Link(String),
    /// A device node, by its path.
    Node(PathBuf),
}

impl Device {
    /// What `word` names: a path is a node's, anything else a link's.
    pub fn parse(word: &str) -> Self {
        if word.contains('/') { Self::Node(word.into()) } else { Self::Link(word.to_owned()) }
    }
}

/// Gives `device` of the host to the container, under the name or path `target`.
pub fn add(identity: &Identity, device: &Device, target: Option<&str>) -> Result<()> {
    let container = Container::find(identity)?;
    match device {
        Device::Link(name) => {
            let namespace = set::open(container.pid, Namespace::Net)?;
            transfer::into(name, namespace.as_fd(), target.unwrap_or(name))
        }
        Device::Node(path) => container.add_node(path, &inside(path, target)?),
    }
}

/// Takes `device` from the container: a link goes back to the host as `target`, a node is removed.
pub fn remove(identity: &Identity, device: &Device, target: Option<&str>) -> Result<()> {
    let container = Container::find(identity)?;
    match device {
        Device::Link(name) => {
            let namespace = set::open(container.pid, Namespace::Net)?;
            transfer::out_of(name, namespace.as_fd(), target.unwrap_or(name))
        }
        Device::Node(path) => container.remove_node(&inside(path, target)?),
    }
}

/// The path inside, below the container's root.
fn inside(path: &Path, target: Option<&str>) -> Result<PathBuf> {
    let path = target.map_or(path, Path::new);
    if !path.is_absolute() || path.file_name().is_none() {
        return Err(Error::new(format!("{} is not an absolute path of a device", path.display())));
    }
    Ok(path.strip_prefix("/").unwrap_or(path).to_path_buf())
}

struct Container<'a> {
    identity: &'a Identity,
    pid: nix::unistd::Pid,
    namespaces: NamespaceSet,
}

impl<'a> Container<'a> {
    fn find(identity: &'a Identity) -> Result<Self> {
        let client = Client::new(identity);
        let pid = client.init_from_equal()?.pid;
        let namespaces = set::other_than_ours(pid)?;
        Ok(Self { identity, pid, namespaces })
    }

    fn root(&self) -> Result<Root> {
        Root::open(Path::new(&format!("/proc/{}/root", self.pid)))
    }

    /// Adds a device node, after allowing the device: a node that cannot be opened is worse than none.
    fn add_node(&self, host: &Path, path: &Path) -> Result<()> {
        let rule = rule_of(host)?;
        cgroup::set(self.identity, "devices.allow", &rule)?;
        // In a user namespace a node can be made, but never opened.
        let made = if self.namespaces.has(Namespace::User) {
            self.bind_node(host, path)
        } else {
            self.make_node(host, path)
        };
        made.map_err(|error| match cgroup::set(self.identity, "devices.deny", &rule) {
            Ok(_) => error,
            Err(problem) => error.note(format!("cleaning up: {problem}")),
        })
    }

    fn make_node(&self, host: &Path, path: &Path) -> Result<()> {
        let found = metadata(host)?;
        let kind =
            if found.file_type().is_block_device() { SFlag::S_IFBLK } else { SFlag::S_IFCHR };
        let mode = Mode::from_bits_truncate(found.mode() & 0o7777);
        let root = self.root()?;
        let dir = root.make_dirs(path.parent().unwrap_or(Path::new("")))?;
        let name = path.file_name().unwrap_or_default();
        let failed = || format!("cannot make the device /{} in the container", path.display());
        mknodat(&dir, name, kind, Mode::empty(), found.rdev())
            .context(failed)
            .map_err(|error| self.explain(error, path))?;
        // The mode is not left to mknod, where this process's umask would count.
        let flags = nix::sys::stat::FchmodatFlags::FollowSymlink;
        nix::sys::stat::fchmodat(&dir, name, mode, flags).context(failed)
    }

    fn explain(&self, error: Error, path: &Path) -> Error {
        let hint = match error.errno.map(Errno::from_raw) {
            Some(Errno::EEXIST) => format!(
                "it is there already: lxc-device -n {} del /{} removes it",
                self.identity.name,
                path.display()
            ),
            Some(Errno::EROFS) => "the place is read-only: name one below /dev".to_owned(),
            Some(Errno::ENOENT | Errno::EPERM) => {
                "no devices can be made and removed there: name another place below /dev".to_owned()
            }
            _ => return error,
        };
        error.hint(hint)
    }

    /// Puts the host's node on an empty file, from inside, where root owns `/dev`.
    fn bind_node(&self, host: &Path, path: &Path) -> Result<()> {
        let tree = sys::open_tree(sys::at_cwd(), host, sys::OPEN_TREE_CLONE)
            .context(|| format!("cannot bind {}", host.display()))?;
        in_mounts_of(self.pid, || {
            Root::open(Path::new("/"))?.attach(tree.as_fd(), path, Missing::File)
        })
    }

    fn remove_node(&self, path: &Path) -> Result<()> {
        let root = self.root()?;
        let shown = path.display();
        let node = root
            .lookup(path, OFlag::O_PATH | OFlag::O_NOFOLLOW)
            .context(|| format!("cannot find the device /{shown} in the container"))?;
        let stat = nix::sys::stat::fstat(&node).context(|| format!("cannot look at /{shown}"))?;
        let rule = rule(stat.st_mode, stat.st_rdev)
            .ok_or_else(|| Error::new(format!("/{shown} in the container is not a device")))?;
        let parent = path.parent().unwrap_or(Path::new(""));
        let dir = root
            .lookup(parent, OFlag::O_PATH | OFlag::O_DIRECTORY)
            .context(|| format!("cannot open the directory of /{shown} in the container"))?;
        let name = path.file_name().unwrap_or_default();
        // What is mounted on it in the container's namespace goes with it.
        match unlinkat(&dir, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => {
                let what = format!("cannot remove the device /{shown} of the container");
                return Err(self.explain(Error::new(what).errno(errno), path));
            }
        }
        cgroup::set(self.identity, "devices.deny", &rule).map(drop)
    }
}

fn metadata(path: &Path) -> Result<std::fs::Metadata> {
    std::fs::metadata(path)
        .context(|| format!("cannot find the device {} on the host", path.display()))
}

/// The rule for the device node `path`, and only that.
fn rule_of(path: &Path) -> Result<String> {
    let found = metadata(path)?;
    rule(found.mode(), found.rdev())
        .ok_or_else(|| Error::new(format!("{} on the host is not a device", path.display())))
}

/// The rule for a device node of this mode and number; `None` for a file that is no device.
fn rule(mode: u32, number: u64) -> Option<String> {
    let kind = match SFlag::from_bits_truncate(mode) & SFlag::S_IFMT {
        SFlag::S_IFBLK => 'b',
        SFlag::S_IFCHR => 'c',
        _ => return None,
    };
    let (major, minor) = (nix::sys::stat::major(number), nix::sys::stat::minor(number));
    Some(format!("{kind} {major}:{minor} rwm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_links_or_nodes() {
        assert_eq!(Device::parse("eth0"), Device::Link("eth0".into()));
        assert_eq!(Device::parse("/dev/null"), Device::Node("/dev/null".into()));
        assert_eq!(rule_of(Path::new("/dev/null")).unwrap(), "c 1:3 rwm");
        assert!(rule_of(Path::new("/etc/passwd")).unwrap_err().what.contains("not a device"));
        assert!(inside(Path::new("dev/x"), None).is_err());
        assert_eq!(inside(Path::new("/dev/a"), Some("/dev/b")).unwrap(), Path::new("dev/b"));
    }
}
