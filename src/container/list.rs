//! Which containers there are, and which snapshots of one.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::operation::mark;
use crate::error::{Context, Error, Kind, Result};
use crate::identity::{ContainerName, Identity};
use crate::monitor::client::{Client, ask_all};
use crate::monitor::protocol::socket_address;
use crate::table;

/// Whether the container has a configuration. Fails with [`Kind::Denied`] where this user may not
/// look.
pub fn is_defined(identity: &Identity) -> Result<bool> {
    let path = identity.config_file();
    match exists(&path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(denied(&identity.dir())),
        result => result.context(|| format!("cannot read {}", path.display())),
    }
}

/// Fails with [`Kind::NotDefined`] if the container has no configuration.
pub fn require_defined(identity: &Identity) -> Result<()> {
    if is_defined(identity)? {
        return Ok(());
    }
    Err(Error::new(format!("Container {identity} is not defined")).kind(Kind::NotDefined))
}

/// Whether there is a file at `path`; an error only if that cannot be told.
fn exists(path: &Path) -> std::io::Result<bool> {
    const ABSENT: [i32; 4] = [libc::ENOENT, libc::ENOTDIR, libc::ELOOP, libc::ENAMETOOLONG];
    match path.metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error().is_some_and(|errno| ABSENT.contains(&errno)) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// The containers of `lxcpath` that have a configuration this user may see, by name; none where there
/// is no such directory. Fails with [`Kind::Denied`] where this user may not look.
pub fn defined(lxcpath: &Path) -> Result<BTreeSet<ContainerName>> {
    let entries = match std::fs::read_dir(lxcpath) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(denied(lxcpath)),
        Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {
            return Ok(BTreeSet::new());
        }
        failed => failed.context(|| format!("cannot read {}", lxcpath.display()))?,
    };
    let mut found = BTreeSet::new();
    for entry in entries {
        let entry = entry.context(|| format!("cannot read {}", lxcpath.display()))?;
        let Some(name) = entry.file_name().to_str().and_then(|name| ContainerName::new(name).ok())
        else {
            continue;
        };
        match is_defined(&Identity::new(lxcpath, name.clone())) {
            Ok(true) => drop(found.insert(name)),
            Ok(false) => {}
            Err(error) if error.kind == Kind::Denied => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// A snapshot of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The snapshot as a container of its own: `snapN` in the container's directory of snapshots.
    pub identity: Identity,
    /// When it was taken, as LXC writes it: `2026:11:24 02:07:44`, local time.
    pub time: String,
    /// The file with its comment.
    pub comment: Option<PathBuf>,
}

/// The complete snapshots of `identity`, in the order of their numbers.
pub fn snapshots(identity: &Identity) -> Result<Vec<Snapshot>> {
    let dir = identity.snapshots();
    let entries = match std::fs::read_dir(&dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        result => result.context(|| format!("cannot read {}", dir.display()))?,
    };
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry.context(|| format!("cannot read {}", dir.display()))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let identity = Identity::new(&dir, ContainerName::new(name)?);
        if is_defined(&identity)? && !mark::exists(&identity) {
            all.push(describe(identity));
        }
    }
    all.sort_by_key(|one| (number(&one.identity), one.identity.name.clone()));
    Ok(all)
}

fn describe(identity: Identity) -> Snapshot {
    // A snapshot that was made by hand has no time.
    let time = std::fs::read_to_string(identity.dir().join("ts")).unwrap_or_default();
    let comment = identity.dir().join("comment");
    Snapshot { identity, time, comment: comment.exists().then_some(comment) }
}

fn number(snapshot: &Identity) -> Option<u32> {
    snapshot.name.as_str().strip_prefix("snap")?.parse().ok()
}

fn denied(directory: &Path) -> Error {
    Error::new(format!("You lack access to {}", directory.display()))
        .errno(nix::errno::Errno::EACCES)
        .kind(Kind::Denied)
        .hint("run it as root, or name a directory of your own with -P")
}

/// The flags of a listening socket in `/proc/net/unix`: `__SO_ACCEPTCON` (linux/net.h).
const LISTENS: &str = "00010000";

/// The containers of `lxcpath` at whose address somebody listens, by name: not always their monitor, see
/// [`is_genuine`].
pub fn active(lxcpath: &Path) -> Result<BTreeSet<ContainerName>> {
    let prefix = format!("{}/", lxcpath.display());
    let stems = listening()?;
    let (hashed, plain): (Vec<_>, Vec<_>) = stems.iter().partition(|stem| is_hashed(stem));
    let names =
        plain.iter().filter_map(|stem| ContainerName::new(stem.strip_prefix(&prefix)?).ok());
    let known = told(&hashed).into_iter().filter(|identity| identity.lxcpath == lxcpath);
    Ok(names.chain(known.map(|identity| identity.name)).collect())
}

/// As [`active`], of all directories.
pub fn active_anywhere() -> Result<Vec<Identity>> {
    let stems = listening()?;
    let (hashed, plain): (Vec<_>, Vec<_>) = stems.iter().partition(|stem| is_hashed(stem));
    let identity = |stem: &&String| {
        let (lxcpath, name) = stem.rsplit_once('/')?;
        Some(Identity::new(lxcpath, ContainerName::new(name).ok()?))
    };
    Ok(plain.iter().filter_map(identity).chain(told(&hashed)).collect())
}

/// The addresses of command sockets at which somebody listens, without their common ending.
fn listening() -> Result<Vec<String>> {
    let path = "/proc/net/unix";
    let table = table::read(path).context(|| format!("cannot read {path}"))?;
    let found = table
        .lines()
        // A socket that does not listen belongs to a process that changes the container's files.
        .filter(|line| line.split_whitespace().nth(3) == Some(LISTENS))
        .filter_map(|line| line.rsplit_once(" @")?.1.strip_suffix("/command"));
    Ok(found.map(str::to_owned).collect())
}

/// Whether an address is a hash, in place of a longer address.
fn is_hashed(stem: &str) -> bool {
    let hash = stem.strip_prefix("lxc/");
    hash.is_some_and(|hash| u64::from_str_radix(hash, 16).is_ok())
}

/// The containers whose monitors listen at hashed addresses, as they say themselves.
fn told(stems: &[&String]) -> Vec<Identity> {
    let clients: Vec<Client> = stems.iter().filter_map(|stem| unknown(stem)).collect();
    let asked = ask_all(&clients, Client::ask_name_now);
    let known = clients.iter().zip(asked).filter_map(|(client, asked)| {
        let name = ContainerName::new(client.take_name(asked).ok()?).ok()?;
        let identity = Identity::new(client.lxcpath().ok()?, name);
        (socket_address(&identity) == client.address()).then_some(identity)
    });
    known.collect()
}

/// Whether somebody who may run the container holds its command socket.
pub fn is_genuine(identity: &Identity) -> bool {
    matches!(Client::new(identity).holder(), Ok(Some(_)))
}

/// A client for whoever listens at a hashed address: its monitor says who it is.
fn unknown(stem: &str) -> Option<Client> {
    let (directory, hash) = stem.split_once('/')?;
    let unknown = Identity::new(directory, ContainerName::new(hash).ok()?);
    Some(Client::at(format!("{stem}/command").into_bytes(), unknown))
}
