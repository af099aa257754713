//! The container's own pseudo terminals: a devpts instance, its console, its ttys.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MntFlags, umount2};
use nix::sys::stat::Mode;

use super::root::{Missing, Root};
use crate::config::{Config, ConsolePath, IdKind};
use crate::error::{Context, Error, Result};
use crate::namespace::Ids;
use crate::sys::mount::{self as sys, attr};
use crate::sys::pty::{self, Pty};

/// The group of terminals in every distribution (`tty`).
const TTY_GROUP: u32 = 5;

/// The terminals of a container, made in its devpts.
#[derive(Debug)]
pub struct Terminals {
    /// The root of the container's devpts instance, if it has one.
    pub devpts: Option<OwnedFd>,
    /// `/dev/console`, unless there is none.
    pub console: Option<Pty>,
    /// `/dev/tty1` and so on.
    pub ttys: Vec<Pty>,
}

/// Mounts a devpts instance on `/dev/pts`, and makes console and ttys in it.
///
/// `bind_ttys`: whether the ttys appear in `/dev`. A container without ptys and ttys has no instance
/// of its own; its console is a terminal of the host then.
pub fn set_up(root: &Root, config: &Config, bind_ttys: bool) -> Result<Terminals> {
    let max = config.pty_max.saturating_add(config.tty_max);
    let has_console = config.console.path != Some(ConsolePath::None);
    let (devpts, ptmx_dir) = if max == 0 {
        (None, open_dir(Path::new("/dev"))?)
    } else {
        // Up to one pty the console is one more: LXC gives it one of the host's then.
        let console = u32::from(has_console && config.pty_max <= 1);
        let tree = new_instance(config, max.saturating_add(console))?;
        let path = Path::new("dev/pts");
        unmount_other(root, path)?;
        root.attach(tree.as_fd(), path, Missing::Dir)?;
        let dir = root.lookup(path, OFlag::O_DIRECTORY).context(|| "cannot open /dev/pts")?;
        (Some(tree), dir)
    };
    if config.pty_max > 0 {
        let tree = root.clone_mount(Path::new("dev/pts/ptmx"), &sys::MountAttr::default())?;
        root.attach(tree.as_fd(), Path::new("dev/ptmx"), Missing::File)?;
    }
    let allocate = |what: &str| {
        pty::allocate(ptmx_dir.as_fd())
            .context(|| format!("cannot allocate a pseudo terminal for {what}"))
    };
    let mut terminals = Terminals { devpts: None, console: None, ttys: Vec::new() };
    if has_console {
        let console = allocate("the console")?;
        nix::sys::stat::fchmod(&console.peer, Mode::from_bits_truncate(0o620))
            .context(|| "cannot set the mode of the console")?;
        bind_terminal(root, config, &console, "console")?;
        terminals.console = Some(console);
    }
    for number in 1..=config.tty_max {
        let tty = allocate(&format!("tty{number}"))?;
        if bind_ttys {
            bind_terminal(root, config, &tty, &format!("tty{number}"))?;
        }
        terminals.ttys.push(tty);
    }
    terminals.devpts = devpts.map(|_| ptmx_dir);
    Ok(terminals)
}

/// Takes away what an entry mounted there: two instances would lie one over the other.
fn unmount_other(root: &Root, path: &Path) -> Result<()> {
    let Ok(mounted) = root.lookup(path, OFlag::O_PATH) else { return Ok(()) };
    let by_descriptor = format!("/proc/self/fd/{}", mounted.as_raw_fd());
    match umount2(by_descriptor.as_str(), MntFlags::MNT_DETACH) {
        // Nothing is mounted there, or what a user namespace may not take away.
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => Ok(()),
        Err(errno) => Err(Error::new("cannot unmount /dev/pts").errno(errno)),
    }
}

fn open_dir(path: &Path) -> Result<OwnedFd> {
    nix::fcntl::open(path, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .context(|| format!("cannot open {}", path.display()))
}

fn new_instance(config: &Config, max: u32) -> Result<OwnedFd> {
    let max = max.to_string();
    let gid = TTY_GROUP.to_string();
    let mut options = vec![
        ("source", Some("devpts")),
        ("newinstance", None),
        ("ptmxmode", Some("0666")),
        ("mode", Some("0620")),
        ("max", Some(&*max)),
    ];
    let group_exists =
        config.idmap.is_empty() || Ids::of(config).to_outside(IdKind::Group, TTY_GROUP).is_some();
    if group_exists {
        options.push(("gid", Some(&gid)));
    }
    sys::new_mount("devpts", &options, attr::NOSUID | attr::NOEXEC)
        .context(|| "cannot mount a devpts instance")
        .map_err(|error| error.at(config.origin("lxc.pty.max")))
}

/// Shows the terminal as `/dev/NAME`; with `lxc.tty.dir` it is `/dev/DIR/NAME`, and `/dev/NAME`
/// leads there.
fn bind_terminal(root: &Root, config: &Config, pty: &Pty, name: &str) -> Result<()> {
    let dev = Path::new("dev");
    let bind = |path: &Path| {
        let tree = sys::open_tree(pty.peer.as_fd(), Path::new(""), sys::OPEN_TREE_CLONE)
            .context(|| format!("cannot bind the terminal of /dev/{name}"))?;
        root.attach(tree.as_fd(), path, Missing::File)
            .map_err(|error| error.at(config.origin("lxc.tty.dir")))
    };
    let Some(dir) = config.tty_dir.as_deref().filter(|dir| !dir.is_empty()) else {
        return bind(&dev.join(name));
    };
    bind(&dev.join(dir).join(name))?;
    if name == "console" {
        return bind(&dev.join(name));
    }
    let parent = root.make_dirs(dev)?;
    match nix::unistd::unlinkat(&parent, name, nix::unistd::UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(errno) => {
            return Err(Error::new(format!("cannot replace /dev/{name}")).errno(errno));
        }
    }
    let target: PathBuf = [dir, name].iter().collect();
    root.symlink(&target.to_string_lossy(), &dev.join(name))
}
