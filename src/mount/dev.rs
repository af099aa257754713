//! The container's `/dev` (`lxc.autodev`): a tmpfs with the nodes every program expects.

use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, SFlag, makedev, mknodat};

use super::root::{Missing, Root};
use crate::config::Config;
use crate::error::{Context, Error, Result};
use crate::sys::mount::{self as sys, MountAttr, attr};

/// Size of the tmpfs, bytes, if `lxc.autodev.tmpfs.size` does not say (lxc.container.conf(5)).
const DEFAULT_SIZE: u64 = 500_000;

/// Name, major and minor number (kernel: Documentation/admin-guide/devices.txt).
const NODES: [(&str, u64, u64); 6] = [
    ("full", 1, 7),
    ("null", 1, 3),
    ("random", 1, 8),
    ("tty", 5, 0),
    ("urandom", 1, 9),
    ("zero", 1, 5),
];

const LINKS: [(&str, &str); 4] = [
    ("dev/fd", "/proc/self/fd"),
    ("dev/stdin", "/proc/self/fd/0"),
    ("dev/stdout", "/proc/self/fd/1"),
    ("dev/stderr", "/proc/self/fd/2"),
];

/// Puts an empty tmpfs on `/dev`, with a place for devpts.
pub fn mount_tmpfs(root: &Root, config: &Config) -> Result<()> {
    let size = if config.autodev_size == 0 { DEFAULT_SIZE } else { config.autodev_size };
    let size = size.to_string();
    let options = [("source", Some("none")), ("size", Some(&*size)), ("mode", Some("0755"))];
    let tree = sys::new_mount("tmpfs", &options, 0)
        .context(|| "cannot mount a tmpfs for /dev")
        .map_err(|error| error.at(config.origin("lxc.autodev.tmpfs.size")))?;
    root.attach(tree.as_fd(), Path::new("dev"), Missing::Dir)?;
    root.make_dirs(Path::new("dev/pts"))?;
    Ok(())
}

/// Makes the device nodes that are missing; where the kernel forbids that (a user namespace), the
/// host's are bound.
pub fn make_nodes(root: &Root) -> Result<()> {
    let dev = root.make_dirs(Path::new("dev"))?;
    for (name, major, minor) in NODES {
        let mode = Mode::from_bits_truncate(0o666);
        let usable = match mknodat(&dev, name, SFlag::S_IFCHR, mode, makedev(major, minor)) {
            Ok(()) => can_open(&dev, name),
            Err(Errno::EEXIST) => true,
            Err(Errno::EPERM) => false,
            Err(errno) => {
                return Err(Error::new(format!("cannot make the device /dev/{name}")).errno(errno));
            }
        };
        if !usable {
            bind_host_node(root, name)?;
        }
    }
    Ok(())
}

/// A node on a file system that belongs to a user namespace can be made, but not opened.
fn can_open(dev: impl AsFd, name: &str) -> bool {
    let flags = OFlag::O_RDONLY | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    !matches!(nix::fcntl::openat(dev, name, flags, Mode::empty()), Err(Errno::EACCES))
}

fn bind_host_node(root: &Root, name: &str) -> Result<()> {
    let host = Path::new("/dev").join(name);
    let tree = sys::open_tree(sys::at_cwd(), &host, sys::OPEN_TREE_CLONE)
        .context(|| format!("cannot bind the host's {}", host.display()))?;
    root.attach(tree.as_fd(), &Path::new("dev").join(name), Missing::File)
}

/// Makes the links to `/proc/self/fd` that are missing; a root filesystem that cannot be written
/// keeps the `/dev` it has.
pub fn make_links(root: &Root) -> Result<()> {
    for (link, target) in LINKS {
        match root.symlink(target, Path::new(link)) {
            Err(error) if error.is(Errno::EROFS) => return Ok(()),
            result => result?,
        }
    }
    Ok(())
}

/// Gives this life of the container a boot id of its own, over the host's.
///
/// Only where `/proc` is mounted; a program that finds the host's id here would take two containers
/// for one machine.
pub fn mount_boot_id(root: &Root) -> Result<()> {
    let place = Path::new("proc/sys/kernel/random/boot_id");
    if !root.has(place) {
        return Ok(());
    }
    let file = Path::new("dev/.lxc-boot-id");
    let dir = root.make_dirs(Path::new("dev"))?;
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    let mode = Mode::from_bits_truncate(0o444);
    let fd = nix::fcntl::openat(&dir, ".lxc-boot-id", flags, mode)
        .context(|| "cannot make /dev/.lxc-boot-id")?;
    nix::unistd::write(&fd, format!("{}\n", random_uuid()?).as_bytes())
        .context(|| "cannot write /dev/.lxc-boot-id")?;
    let hardened = attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC;
    let tree = root.clone_mount(file, &MountAttr { set: hardened, ..MountAttr::default() })?;
    root.attach(tree.as_fd(), place, Missing::Fail)
}

/// A random UUID (RFC 9562, version 4).
fn random_uuid() -> Result<String> {
    let mut bytes = [0u8; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context(|| "cannot read /dev/urandom")?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = |range: std::ops::Range<usize>| -> String {
        bytes[range].iter().flat_map(|byte| [byte >> 4, byte & 15]).map(hex_digit).collect()
    };
    Ok([hex(0..4), hex(4..6), hex(6..8), hex(8..10), hex(10..16)].join("-"))
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    #[test]
    fn uuid_has_its_form_version_and_variant() {
        let uuid = super::random_uuid().unwrap();
        let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]), "{uuid}");
        assert_ne!(uuid, super::random_uuid().unwrap());
    }
}
