//! Cgroups for those who have none: systemd makes a scope for an ordinary user and delegates it
//! (systemd.io, "Control Group APIs and Delegation").
//!
//! Root makes cgroups as it likes, a user who may write the current cgroup needs nobody's help either,
//! and on a host without systemd there is nobody to ask. All of D-Bus happens in a process of its own
//! with a deadline: a bus that hangs costs no more than that time, and the library stays out of the
//! monitor.

mod bus;

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{AccessFlags, access, geteuid};

use super::layout::{Hierarchy, Layout};
use crate::error::{Error, Kind, Result};
use crate::identity::ContainerName;
use crate::worker::Worker;

/// How long systemd may take, from the first word to the last.
const WITHIN: Duration = Duration::from_secs(2);
/// A directory that exists where systemd is the host's init (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";

/// Moves the calling process to a cgroup below which it may make others: has systemd make a delegated
/// scope. If that fails the error says what is wrong, and what the user can do; `tool` is the command
/// that the user gave.
pub fn obtain(name: &ContainerName, tool: &str) -> Result<()> {
    let failed = "the container has no cgroup of its own, so neither limits nor freezing";
    if !Path::new(BOOTED).is_dir() {
        return Err(Error::new(format!("{failed}: this user may not make any here")).hint(
            "run it as root, or in a cgroup that root made and gave to this user; \
             there is no systemd to ask for one",
        ));
    }
    let bus = bus_of_caller();
    if !bus.exists() {
        return Err(Error::new(format!("{failed}: this user has no systemd")).hint(format!(
            "log in, or let root keep this user's systemd running: loginctl enable-linger {}",
            geteuid()
        )));
    }
    let pid = nix::unistd::getpid();
    let worker = Worker { within: Some(WITHIN), ..Worker::default() };
    let asked = worker.run(|_| Ok(()), || bus::start_scope(&bus, name.as_str(), pid));
    let why = match asked {
        Ok(()) if is_delegated(&Layout::of_host(true)?) => return Ok(()),
        Ok(()) => "systemd made a scope and did not delegate it".to_owned(),
        Err(error) if error.kind == Kind::TimedOut => {
            format!("systemd did not make a scope in {} s", WITHIN.as_secs())
        }
        Err(error) => error.to_string(),
    };
    Err(Error::new(format!("{failed}: {why}"))
        .hint(format!("run: systemd-run --user --scope -p Delegate=yes -- {tool} -n {name}")))
}

/// Moves the calling process into the `unit` of a container's monitor: nobody but systemd may move a
/// process there from another one.
pub fn enter(unit: &str) -> Result<()> {
    let bus = bus_of_caller();
    let pid = nix::unistd::getpid();
    let worker = Worker { within: Some(WITHIN), ..Worker::default() };
    worker.run(|_| Ok(()), || bus::attach(&bus, unit, pid)).map_err(|error| {
        let command = "systemd-run --user --scope -- lxc-attach";
        Error::new(format!("cannot enter the container's systemd unit {unit}: {error}"))
            .hint(format!("stay outside its cgroup with -e CGROUP, or run: {command}"))
    })
}

/// Whether the caller may make cgroups in one of the hierarchies, and move processes there.
pub fn is_delegated(layout: &Layout) -> bool {
    layout.hierarchies.iter().any(is_writable)
}

/// Whether the caller may make cgroups in `hierarchy`, and move processes there.
pub(super) fn is_writable(hierarchy: &Hierarchy) -> bool {
    let dir = hierarchy.dir(Path::new(""));
    let writable = |path: &Path| access(path, AccessFlags::W_OK).is_ok();
    writable(&dir) && writable(&dir.join("cgroup.procs"))
}

/// The socket of the bus that the user's own systemd is on (file-hierarchy(7)).
fn bus_of_caller() -> PathBuf {
    let dir = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty());
    let dir = dir.map_or_else(|| format!("/run/user/{}", geteuid()).into(), PathBuf::from);
    dir.join("bus")
}
