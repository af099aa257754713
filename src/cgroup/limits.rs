//! The configured limits: `lxc.cgroup.*` (v1 names) and `lxc.cgroup2.*`.
//!
//! Values are written in the order of the configuration, as they are; the kernel parses them. Device
//! rules come last, when the container's `/dev` is made.

use std::os::fd::AsFd;

use nix::errno::Errno;

use super::layout::{LayoutKind, Version};
use super::tree::{Cgroups, write_file};
use crate::config::{Config, Located};
use crate::error::{Error, Result};

/// Which limits to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// All but devices, before the container's set-up.
    Resources,
    /// Devices, after the container's set-up.
    Devices,
}

type Limit = Located<(String, String)>;

impl Cgroups {
    /// Writes the limits of `pass`. What cannot take effect on this host comes back as warnings.
    pub fn apply(&self, config: &Config, pass: Pass) -> Result<Vec<String>> {
        let mut warnings = Vec::new();
        let in_pass = |limit: &&Limit| limit.0.starts_with("devices.") == (pass == Pass::Devices);
        let unified = self.layout.kind() == LayoutKind::Unified;

        // The kernel wants memory.limit_in_bytes set before memory.memsw.limit_in_bytes.
        let is_memsw = |limit: &&Limit| limit.0 == "memory.memsw.limit_in_bytes";
        let v1 = || config.cgroup.v1.iter().filter(in_pass);
        for limit in v1().filter(|limit| !is_memsw(limit)).chain(v1().filter(is_memsw)) {
            if unified {
                warnings.push(without_effect(limit, "lxc.cgroup.", "this host has cgroup v2 only"));
            } else {
                self.write(limit, Version::V1, "lxc.cgroup.")?;
            }
        }
        for limit in config.cgroup.v2.iter().filter(in_pass) {
            let controller = controller_of(&limit.0);
            let held_by_v1 = self.layout.v1(controller).is_some();
            let said_for_v1 = config.cgroup.v1.iter().any(|v1| controller_of(&v1.0) == controller);
            if held_by_v1 {
                if !said_for_v1 {
                    let why = format!("this host has the {controller} controller on cgroup v1");
                    warnings.push(without_effect(limit, "lxc.cgroup2.", &why));
                }
            } else if controller == "devices" {
                return Err(Error::new(format!("cannot set lxc.cgroup2.{}", limit.0))
                    .at(limit.origin.as_ref())
                    .hint("device rules on cgroup v2 are not implemented; remove the line"));
            } else {
                self.write(limit, Version::V2, "lxc.cgroup2.")?;
            }
        }
        Ok(warnings)
    }

    fn write(&self, limit: &Limit, version: Version, prefix: &str) -> Result<()> {
        let (file, value) = &limit.value;
        let controller = controller_of(file);
        let failed = || {
            Error::new(format!("cannot set {prefix}{file} to {value:?}")).at(limit.origin.as_ref())
        };
        let dir = match version {
            Version::V1 => self.with_controller(controller),
            Version::V2 => self.v2(),
        };
        let Some(dir) = dir.filter(|dir| dir.hierarchy.version == version) else {
            return Err(failed().hint(format!("this host has no {controller} controller")));
        };
        match write_file(dir.limit.as_fd(), file, value) {
            Ok(()) => Ok(()),
            Err(errno @ Errno::ENOENT) => {
                let path = dir.hierarchy.dir(&dir.path);
                Err(failed().errno(errno).hint(format!("{} has no file {file}", path.display())))
            }
            Err(errno) => Err(failed().errno(errno).hint("the kernel refuses this value")),
        }
    }
}

fn controller_of(file: &str) -> &str {
    file.split_once('.').map_or(file, |(controller, _)| controller)
}

fn without_effect(limit: &Limit, prefix: &str, why: &str) -> String {
    let line = limit.origin.as_ref().map(|origin| format!(" ({}:{})", origin.file, origin.line));
    format!("{prefix}{}{} has no effect: {why}", limit.0, line.unwrap_or_default())
}
