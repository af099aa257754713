//! Reading and changing the limits of a running container.

use std::os::fd::AsFd;

use crate::cgroup::tree::{read_file, write_file};
use crate::error::{Context, Error, Kind, Result};
use crate::identity::Identity;
use crate::monitor::client::Client;

/// The content of `file` in the container's limiting cgroup.
pub fn get(identity: &Identity, file: &str) -> Result<String> {
    let dir = directory(identity, file)?;
    read_file(dir.as_fd(), file)
        .what(|| format!("Failed to retrieve value of '{file}' for '{}'", shown(identity)))
}

/// Writes `value` to `file` in the container's limiting cgroup.
pub fn set(identity: &Identity, file: &str, value: &str) -> Result<()> {
    let dir = directory(identity, file)?;
    write_file(dir.as_fd(), file, value)
        .what(|| format!("Failed to assign '{value}' value to '{file}' for '{identity}'"))
}

fn shown(identity: &Identity) -> String {
    format!("{}:{}", identity.lxcpath.display(), identity.name)
}

/// The directory in the hierarchy of the file's controller, the part before the first dot.
fn directory(identity: &Identity, file: &str) -> Result<std::os::fd::OwnedFd> {
    if file.contains('/') {
        return Err(Error::new(format!("{file} is no file of a cgroup")));
    }
    let client = Client::new(identity);
    client.init_pid().map_err(|error| match error.kind {
        Kind::NotRunning => {
            Error::new(format!("'{}' is not running", shown(identity))).kind(Kind::NotRunning)
        }
        _ => error,
    })?;
    let controller = file.split('.').next().unwrap_or(file);
    if let Some((dir, _)) = client.limit_cgroup(controller)? {
        return Ok(dir);
    }
    client.limit_cgroup2()?.ok_or_else(|| {
        Error::new(format!("Failed to retrieve value of '{file}' for '{}'", shown(identity)))
            .hint(format!("this host has no cgroup controller {controller}"))
    })
}
