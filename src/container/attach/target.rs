//! What attach knows of the container before joining it.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::unistd::Pid;

use super::Request;
use crate::config::{Arch, Namespace};
use crate::error::{Context, Result};
use crate::monitor::client::{Client, Init};
use crate::namespace::{NamespaceSet, set};
use crate::security::lsm::Label;
use crate::security::seccomp;
use crate::sys::process;

/// What is known of the container before joining it.
pub(super) struct Target {
    pub pid: Pid,
    pub pidfd: OwnedFd,
    pub namespaces: NamespaceSet,
    /// Whether the other namespaces can only be joined as root of the user namespace that is joined
    /// with them: an ordinary user has no rights before that.
    pub by_user_namespace: bool,
    pub cgroups: Vec<OwnedFd>,
    /// The monitor, for what only a failure asks for.
    pub client: Client,
    pub capabilities: u64,
    pub variables: Vec<String>,
    pub no_new_privs: bool,
    pub label: Option<Label>,
    pub seccomp: Option<Vec<u8>>,
    pub bits32: bool,
}

impl Target {
    /// Asks the container's monitor of more than its `init`; all that comes from the host is read
    /// before joining.
    pub fn find(request: &Request, client: &Client, init: Init) -> Result<Self> {
        let Init { pid, pidfd, .. } = init;
        // What is its own differs from ours; so does what it shares with others, unless with us.
        let namespaces = match request.namespaces {
            Some(namespaces) => namespaces,
            None => set::other_than_ours(pid)?,
        };
        let by_user_namespace =
            namespaces.has(Namespace::User) && !nix::unistd::geteuid().is_root();
        let elevated = request.elevated;
        let cgroups = if elevated.cgroup { Vec::new() } else { client.cgroups()? };
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
            .what(|| format!("cannot read /proc/{pid}/status"))?;
        let held = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
        let held = held.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        let capabilities = if elevated.capabilities { u64::MAX } else { held.unwrap_or(0) };
        let item = |key: &str| client.config_item(key).map(Option::unwrap_or_default);
        let label = match &request.context {
            _ if elevated.lsm => None,
            Some(context) => Some(Label::SeLinux(context.clone())),
            None => Label::of_process(pid)?,
        };
        let seccomp = match item("lxc.seccomp.profile")? {
            profile if profile.is_empty() || elevated.lsm => None,
            profile => Some(seccomp::compile(Path::new(profile.trim()))?),
        };
        let bits32 = match request.arch {
            Some(arch) => arch == Arch::Bits32,
            None => item("lxc.arch")?.trim() == "i686",
        };
        let mut variables: Vec<String> =
            item("lxc.environment")?.lines().map(str::to_owned).collect();
        variables.extend(item("lxc.environment.runtime")?.lines().map(str::to_owned));
        Ok(Self {
            pid,
            pidfd,
            namespaces,
            by_user_namespace,
            cgroups,
            client: client.clone(),
            capabilities,
            variables,
            no_new_privs: item("lxc.no_new_privs")?.trim() == "1",
            label,
            seccomp,
            bits32,
        })
    }

    /// Joins these namespaces of the container: all at once (Linux 5.8); one by one where a namespace is among them that we are in already.
    pub fn join(&self, kinds: NamespaceSet) -> Result<()> {
        match process::setns(self.pidfd.as_fd(), kinds.flags()) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
            result => return result.what(|| "cannot join the container's namespaces"),
        }
        // Opened before the first is joined: afterwards /proc is the container's.
        let opened: Vec<(Namespace, OwnedFd)> = kinds
            .kinds()
            .map(|kind| Ok((kind, set::open(self.pid, kind)?)))
            .collect::<Result<_>>()?;
        for (kind, fd) in opened {
            process::setns(fd.as_fd(), kind.flag())
                .what(|| format!("cannot join the container's {} namespace", kind.name()))?;
        }
        Ok(())
    }
}
