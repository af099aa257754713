//! Reading and changing the limits of a running container, with the names of either cgroup version.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;

use crate::cgroup::devices::Rule;
use crate::cgroup::file;
use crate::cgroup::translate::{self, Refusal, Write, controller, counterpart};
use crate::cgroup::{Version, verify};
use crate::config::Document;
use crate::error::{Context, Error, Kind, Result};
use crate::identity::Identity;
use crate::monitor::client::Client;

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The configuration key with the same effect.
    pub key: String,
    /// What was written, if the change had to be translated to the other cgroup version.
    pub translated: Option<String>,
}

/// The content of `file` in the container's limiting cgroup.
pub fn get(identity: &Identity, file: &str) -> Result<String> {
    let failed = || format!("Failed to retrieve value of '{file}' for '{}'", shown(identity));
    let place = Place::find(identity, file, failed)?;
    if place.native {
        return file::read(place.dir.as_fd(), file).context(failed);
    }
    let current = |file: &str| file::read(place.dir.as_fd(), file).ok();
    translate::read(file, place.version, &current).map_err(|refusal| refused(&failed(), refusal))
}

/// Writes `value` to `file` in the container's limiting cgroup, and reads it back.
pub fn set(identity: &Identity, file: &str, value: &str) -> Result<Changed> {
    let failed = || format!("Failed to assign '{value}' value to '{file}' for '{identity}'");
    let place = Place::find(identity, file, failed)?;
    let key = |version| match version {
        Version::V1 => format!("lxc.cgroup.{file}"),
        Version::V2 => format!("lxc.cgroup2.{file}"),
    };
    if controller(file) == "devices" && place.version == Version::V2 {
        let rule = Rule::parse(file, value)
            .map_err(|why| refused(&failed(), Refusal { why, instead: None }))?;
        Client::new(identity)
            .add_device_rule(&rule)
            .map_err(|error| Error { what: format!("{}: {}", failed(), error.what), ..error })?;
        return Ok(Changed { key: key(Version::V2), translated: None });
    }
    if place.native {
        let write = Write { file: file.to_owned(), value: value.to_owned() };
        write_one(&place, &write, &failed)?;
        if file == "devices.allow" {
            allow_below(identity, value, &failed)?;
        }
        return Ok(Changed { key: key(place.version), translated: None });
    }
    let current = |file: &str| file::read(place.dir.as_fd(), file).ok();
    let writes = translate::write(file, value, place.version, &current)
        .map_err(|refusal| refused(&failed(), refusal))?;
    for write in &writes {
        write_one(&place, write, &failed)?;
    }
    let said: Vec<String> =
        writes.iter().map(|write| format!("{} = {}", write.file, write.value)).collect();
    Ok(Changed { key: key(place.version.other()), translated: Some(said.join(", ")) })
}

/// Allows devices in the v1 cgroup that init is in as well. That may be one below the limiting cgroup
/// (`lxc.cgroup.dir.container.inner`), and does not automatically get what its parent gets.
fn allow_below(identity: &Identity, value: &str, failed: &dyn Fn() -> String) -> Result<()> {
    for dir in Client::new(identity).cgroups()? {
        match file::write(dir.as_fd(), "devices.allow", value) {
            // Not the devices hierarchy.
            Err(Errno::ENOENT) => {}
            result => result.context(failed)?,
        }
    }
    Ok(())
}

/// Writes the change `key` = `value` into the container's configuration, in place of earlier values of
/// the key. Device rules, and limits for single devices, are added to the earlier ones instead.
pub fn save(identity: &Identity, key: &str, value: &str) -> Result<()> {
    let path = identity.config_file();
    let mut document = Document::load(&path)?;
    let adds_up = key.contains(".devices.") || value.contains(':');
    if !adds_up {
        document.set(key, "", "--save")?;
    }
    document.set(key, value, "--save")?;
    document.save(&path)
}

fn write_one(place: &Place, write: &Write, failed: &dyn Fn() -> String) -> Result<()> {
    let Write { file, value } = write;
    file::write(place.dir.as_fd(), file, value).map_err(|errno| {
        let error = Error::new(failed()).errno(errno);
        if place.native { error } else { error.hint(format!("here it is {file} = {value}")) }
    })?;
    match verify::kept_instead(place.dir.as_fd(), file, value) {
        None => Ok(()),
        Some(kept) => {
            Err(Error::new(failed()).hint(format!("the kernel keeps {kept:?} in {file}")))
        }
    }
}

fn refused(failed: &str, refusal: Refusal) -> Error {
    let error = Error::new(format!("{failed}: {}", refusal.why));
    match refusal.instead {
        Some(instead) => error.hint(format!("instead: {instead}")),
        None => error,
    }
}

fn shown(identity: &Identity) -> String {
    format!("{}:{}", identity.lxcpath.display(), identity.name)
}

/// The cgroup that has a file, or the counterpart of the file in the other version.
struct Place {
    dir: OwnedFd,
    version: Version,
    /// Whether the file itself is there.
    native: bool,
}

impl Place {
    fn find(identity: &Identity, file: &str, failed: impl Fn() -> String) -> Result<Self> {
        if file.contains('/') || file.is_empty() {
            return Err(Error::new(failed()).hint("name a file of the cgroup, as in memory.max"));
        }
        let client = Client::new(identity);
        client.init_pid().map_err(|error| match error.kind {
            Kind::NotRunning => {
                Error::new(format!("'{}' is not running", shown(identity))).kind(Kind::NotRunning)
            }
            _ => error,
        })?;
        let name = controller(file);
        let other = match counterpart(name, Version::V1) {
            same if same == name => counterpart(name, Version::V2),
            other => other,
        };
        for name in [name, other] {
            if let Some((dir, version)) = client.limit_cgroup(name)? {
                return Ok(Self::new(dir, version, file));
            }
        }
        match client.limit_cgroup2()? {
            Some(dir) => Ok(Self::new(dir, Version::V2, file)),
            None => Err(Error::new(failed()).hint(if client.cgroups()?.is_empty() {
                "the container has no cgroup of its own".to_owned()
            } else {
                format!("this host has no cgroup controller {name}, or the container not its")
            })),
        }
    }

    fn new(dir: OwnedFd, version: Version, file: &str) -> Self {
        let flag = nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW;
        let native = nix::sys::stat::fstatat(&dir, file, flag) != Err(Errno::ENOENT);
        Self { dir, version, native }
    }
}
