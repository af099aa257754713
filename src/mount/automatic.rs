//! `lxc.mount.auto`: proc, sys and cgroup.

use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;

use super::root::{Missing, Root};
use crate::cgroup::{Layout, LayoutKind, Version};
use crate::config::{AutoCgroup, AutoMode, Config};
use crate::error::{Context, Error, Result};
use crate::sys::mount::{self as sys, MountAttr, attr};

const HARDENED: u64 = attr::NOSUID | attr::NODEV | attr::NOEXEC;

fn read_only() -> MountAttr {
    MountAttr { set: attr::RDONLY, ..MountAttr::default() }
}

/// Mounts proc and sys as configured.
pub fn mount_proc_and_sys(root: &Root, config: &Config, net_admin: bool) -> Result<()> {
    let at = |error: Error| error.at(config.origin("lxc.mount.auto"));
    if let Some(mode) = config.mount_auto.proc {
        mount_proc(root, mode, net_admin).map_err(at)?;
    }
    if let Some(mode) = config.mount_auto.sys {
        mount_sys(root, mode).map_err(at)?;
    }
    Ok(())
}

fn mount_proc(root: &Root, mode: AutoMode, net_admin: bool) -> Result<()> {
    let proc = sys::new_mount("proc", &[("source", Some("proc"))], HARDENED)
        .context(|| "cannot mount a proc file system")
        .map_err(|error| of_anothers_namespace(error, "pid", "proc"))?;
    root.attach(proc.as_fd(), Path::new("proc"), Missing::Dir)?;
    if mode == AutoMode::ReadWrite {
        return Ok(());
    }
    // Copies are taken while all is writable, then put over the read-only ones.
    let net = net_admin
        .then(|| root.clone_mount(Path::new("proc/sys/net"), &MountAttr::default()))
        .transpose()?;
    let settings = root.clone_mount(Path::new("proc/sys"), &read_only())?;
    root.attach(settings.as_fd(), Path::new("proc/sys"), Missing::Fail)?;
    if let Some(net) = net {
        root.attach(net.as_fd(), Path::new("proc/sys/net"), Missing::Fail)?;
    }
    let sysrq = Path::new("proc/sysrq-trigger");
    if root.has(sysrq) {
        let tree = root.clone_mount(sysrq, &read_only())?;
        root.attach(tree.as_fd(), sysrq, Missing::Fail)?;
    }
    Ok(())
}

/// The kernel mounts proc and sysfs only where the namespaces that they show belong to the user
/// namespace of whoever mounts.
fn of_anothers_namespace(error: Error, namespace: &str, directory: &str) -> Error {
    if error.is(Errno::EPERM) {
        error.hint(format!(
            "the container has an id map and no {namespace} namespace of its own: bind the host's \
             instead, with lxc.mount.entry = /{directory} {directory} none rbind 0 0"
        ))
    } else {
        error
    }
}

fn mount_sys(root: &Root, mode: AutoMode) -> Result<()> {
    let attributes = match mode {
        AutoMode::ReadWrite => 0,
        AutoMode::ReadOnly => attr::RDONLY,
        AutoMode::Mixed => HARDENED,
    };
    let path = Path::new("sys");
    let mut options = vec![("source", Some("sysfs"))];
    if mode == AutoMode::ReadOnly {
        options.push(("ro", None));
    }
    let sysfs = sys::new_mount("sysfs", &options, attributes)
        .context(|| "cannot mount a sysfs file system")
        .map_err(|error| of_anothers_namespace(error, "network", "sys"))?;
    root.attach(sysfs.as_fd(), path, Missing::Dir)?;
    if mode == AutoMode::Mixed {
        let links = Path::new("sys/devices/virtual/net");
        let writable =
            root.has(links).then(|| root.clone_mount(links, &MountAttr::default())).transpose()?;
        sys::mount_setattr(sysfs.as_fd(), false, &read_only())
            .context(|| "cannot make /sys read-only")?;
        if let Some(writable) = writable {
            root.attach(writable.as_fd(), links, Missing::Fail)?;
        }
    }
    Ok(())
}

/// What the container's own situation means for its cgroup mounts.
#[derive(Clone, Copy, Debug)]
pub struct CgroupMounts<'a> {
    /// The host's hierarchies.
    pub layout: &'a Layout,
    /// Whether it has a cgroup namespace.
    pub namespace: bool,
    /// Whether it keeps `CAP_SYS_ADMIN`.
    pub sys_admin: bool,
}

/// Mounts the cgroup hierarchies as configured.
///
/// With a cgroup namespace a container that keeps `CAP_SYS_ADMIN` can mount the v1 hierarchies by
/// itself, so only `:force` does it then. The unified hierarchy alone is always mounted.
pub fn mount_cgroup(root: &Root, config: &Config, situation: CgroupMounts<'_>) -> Result<()> {
    let Some(wanted) = config.mount_auto.cgroup else {
        return Ok(());
    };
    let at = |error: Error| error.at(config.origin("lxc.mount.auto"));
    let writable_in_part = match wanted.mode {
        Some(AutoMode::Mixed) => true,
        None => !situation.sys_admin,
        Some(AutoMode::ReadOnly | AutoMode::ReadWrite) => false,
    };
    // Without the namespace a hierarchy shows the whole host.
    if !situation.namespace && writable_in_part {
        return Err(at(Error::new(
            "a cgroup hierarchy that is writable in part needs a cgroup namespace",
        )
        .hint("remove cgroup from lxc.namespace.keep, or the cgroup word from lxc.mount.auto")));
    }
    if wanted.unified && situation.layout.v2().is_none() {
        // The kernel would mount it, with the host's own root.
        return Err(at(Error::new("lxc.mount.auto = cgroup2 needs a host with cgroup v2")
            .hint("write cgroup instead, which is for any host")));
    }
    let unified_only = situation.layout.kind() == LayoutKind::Unified || wanted.unified;
    if unified_only {
        return mount_unified(root, wanted).map_err(at);
    }
    if situation.namespace && situation.sys_admin && !wanted.force {
        return Ok(());
    }
    if !situation.namespace {
        return Err(at(Error::new(
            "lxc.mount.auto = cgroup needs a cgroup namespace on a host with cgroup v1",
        )
        .hint("remove cgroup from lxc.namespace.keep, or the cgroup word from lxc.mount.auto")));
    }
    mount_all(root, wanted, situation).map_err(at)
}

fn mode_attributes(wanted: AutoCgroup) -> u64 {
    if wanted.mode == Some(AutoMode::ReadOnly) { HARDENED | attr::RDONLY } else { HARDENED }
}

fn mount_unified(root: &Root, wanted: AutoCgroup) -> Result<()> {
    let source = [("source", Some("cgroup2"))];
    let tree = sys::new_mount("cgroup2", &source, mode_attributes(wanted))
        .context(|| "cannot mount a cgroup2 file system")?;
    root.attach(tree.as_fd(), Path::new("sys/fs/cgroup"), Missing::Fail)
}

/// A tmpfs with a directory for each hierarchy, whose root is the container's cgroup.
fn mount_all(root: &Root, wanted: AutoCgroup, situation: CgroupMounts<'_>) -> Result<()> {
    let options = [("source", Some("none")), ("size", Some("10240k")), ("mode", Some("0755"))];
    let tmpfs = sys::new_mount("tmpfs", &options, HARDENED)
        .context(|| "cannot mount a tmpfs for /sys/fs/cgroup")?;
    let base = Path::new("sys/fs/cgroup");
    root.attach(tmpfs.as_fd(), base, Missing::Fail)?;
    for hierarchy in &situation.layout.hierarchies {
        let Some(name) = hierarchy.mount.file_name() else {
            continue;
        };
        let (fstype, options) = match hierarchy.version {
            Version::V2 => ("cgroup2", vec![("source", Some("cgroup2"))]),
            Version::V1 => {
                let mut options = vec![("source", Some("cgroup"))];
                for controller in &hierarchy.controllers {
                    match controller.split_once('=') {
                        Some((key, value)) => {
                            options.push((key, Some(value)));
                            options.push(("none", None));
                        }
                        None => options.push((controller.as_str(), None)),
                    }
                }
                ("cgroup", options)
            }
        };
        let tree = sys::new_mount(fstype, &options, mode_attributes(wanted)).context(|| {
            format!("cannot mount the cgroup hierarchy {}", hierarchy.mount.display())
        })?;
        root.attach(tree.as_fd(), &base.join(name), Missing::Dir)?;
    }
    if wanted.mode == Some(AutoMode::ReadOnly) || !situation.sys_admin {
        sys::mount_setattr(tmpfs.as_fd(), false, &read_only())
            .context(|| "cannot make /sys/fs/cgroup read-only")?;
    }
    Ok(())
}
