//! The answers that need nothing but the request and the running container.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;

use super::Served;
use super::connection::Reply;
use crate::cgroup::{CgroupDir, Cgroups, LayoutKind, Version, file};
use crate::config;
use crate::monitor::device_item;
use crate::monitor::protocol::{CgroupContext, CgroupFd, Request, Response};
use crate::monitor::spawn::Running;
use crate::sys::process;

/// A request and all that its answer needs.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) request: &'a Request,
    pub(super) data: &'a [u8],
    pub(super) served: Served<'a>,
}

impl<'a> Ask<'a> {
    /// 0 until the exec of init, and when it is dead. Not an error: every program of LXC's asks this
    /// first, and takes an error for a lack of rights.
    pub(super) fn init_pid(&self) -> Reply<'a> {
        Reply::number(self.served.running.map_or(0, |running| running.init.pid.as_raw()))
    }

    pub(super) fn init_pidfd(&self) -> Reply<'a> {
        let running = self.served.running;
        running
            .map_or(Reply::error(Errno::EBADF), |running| Reply::fd(0, running.init.pidfd.as_fd()))
    }

    pub(super) fn devpts_fd(&self) -> Reply<'a> {
        let devpts = self.served.running.and_then(|running| running.terminals.devpts.as_ref());
        devpts.map_or(Reply::error(Errno::EBADF), |devpts| Reply::fd(0, devpts.as_fd()))
    }

    pub(super) fn systemd_unit(&self) -> Reply<'a> {
        let unit = self.cgroups().and_then(|cgroups| cgroups.layout.unit());
        unit.map_or(Reply::error(Errno::EINVAL), |unit| Reply::text(unit.as_bytes()))
    }

    fn cgroups(&self) -> Option<&'a Cgroups> {
        self.served.running.map(|running| &*running.cgroups)
    }

    /// The text of the request; `None` unless it ends in its only NUL.
    fn text(&self) -> Option<&'a str> {
        let (last, text) = self.data.split_last()?;
        if *last != 0 || text.contains(&0) {
            return None;
        }
        std::str::from_utf8(text).ok()
    }

    pub(super) fn config_item(&self) -> Reply<'a> {
        let config = &self.served.plan.config;
        let value = self
            .text()
            .and_then(|key| self.actual_value(key).or_else(|| config::get(config, key).ok()));
        match value.filter(|value| !value.is_empty()) {
            Some(value) => Reply::text(value.as_bytes()),
            None => Reply::of(Response::number_error(-1)),
        }
    }

    /// Values that only the running container knows.
    fn actual_value(&self, key: &str) -> Option<String> {
        let (index, key) = key.strip_prefix("lxc.net.")?.split_once('.')?;
        let index: u32 = index.parse().ok()?;
        let links = self.served.running?.links.list();
        let link = links.iter().find(|link| link.index == index)?;
        match key {
            "name" => Some(link.inside_name.clone()),
            "veth.pair" => link.host_name.clone(),
            _ => None,
        }
    }

    /// The cgroup of a controller; without a name that of a v2 hierarchy without controllers.
    fn cgroup(&self, controller: Option<&str>) -> Option<&'a CgroupDir> {
        let cgroups = self.cgroups()?;
        match controller {
            Some(controller) => cgroups.with_controller(controller),
            None => cgroups.v2().filter(|dir| dir.hierarchy.controllers.is_empty()),
        }
    }

    pub(super) fn cgroup_path(&self, inner: bool) -> Option<std::path::PathBuf> {
        let controller = if self.data.is_empty() { None } else { Some(self.text()?) };
        let dir = self.cgroup(controller)?;
        Some(self.cgroups()?.path_of(dir, inner))
    }

    /// On other layouts this is refused, as LXC's monitor does: what is asked for has a name.
    pub(super) fn cgroup2_fd(&self, limit: bool) -> Reply<'a> {
        let cgroups = self.cgroups().filter(|one| one.layout.kind() == LayoutKind::Unified);
        match cgroups.and_then(Cgroups::v2) {
            Some(dir) => Reply::fd(0, if limit { dir.limit.as_fd() } else { dir.payload() }),
            None => Reply::error(Errno::EINVAL),
        }
    }

    pub(super) fn freeze(&self, freeze: bool) -> Reply<'a> {
        let freezing = self.cgroups().and_then(Cgroups::freezing);
        let Some(dir) = freezing.filter(|dir| dir.hierarchy.version == Version::V2) else {
            return Reply::error(Errno::ENOENT);
        };
        let value = if freeze { "1" } else { "0" };
        file::write(dir.limit.as_fd(), "cgroup.freeze", value)
            .map_or_else(Reply::error, |()| Reply::number(0))
    }

    pub(super) fn add_device_rule(&self) -> Reply<'a> {
        let is_v2 = |cgroups: &&Cgroups| {
            cgroups.with_devices().is_some_and(|dir| dir.hierarchy.version == Version::V2)
        };
        let cgroups = self.cgroups().filter(is_v2);
        let (Some(rule), Some(cgroups)) = (device_item::decode(self.data), cgroups) else {
            return Reply::error(Errno::EINVAL);
        };
        match cgroups.add_device_rule(rule) {
            Ok(()) => Reply::number(0),
            Err(error) => Reply::error(error.errno.map_or(Errno::EIO, Errno::from_raw)),
        }
    }

    /// Sends init the signal that ends it, and returns the signal.
    pub(super) fn kill_init(&self, running: &Running) -> nix::Result<i32> {
        let signal = self.served.plan.config.signal_stop.unwrap_or(libc::SIGKILL);
        match process::pidfd_send_signal(running.init.pidfd.as_fd(), signal) {
            Ok(()) => {}
            // Dead already: the end of the stream is on its way.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
            Err(error) => return Err(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)),
        }
        // A frozen process dies only when it is thawed.
        self.thaw();
        Ok(signal)
    }

    /// Thaws the container, frozen or not.
    pub(super) fn thaw(&self) {
        let Some(cgroups) = self.cgroups() else { return };
        // Without a freezer, nothing can be frozen.
        if let Some(dir) = cgroups.with_controller("freezer") {
            let _ = file::write(dir.limit.as_fd(), "freezer.state", "THAWED");
        }
        if let Some(dir) = cgroups.v2() {
            let _ = file::write(dir.limit.as_fd(), "cgroup.freeze", "0");
        }
    }

    pub(super) fn cgroup_context(&self) -> Reply<'a> {
        let cgroups = self.cgroups().filter(|cgroups| !cgroups.dirs.is_empty());
        let Some(cgroups) = cgroups.filter(|_| self.data.len() <= CgroupContext::LEN) else {
            return Reply::error(Errno::ENOENT);
        };
        let fds: Vec<BorrowedFd<'_>> =
            cgroups.dirs.iter().take(CgroupContext::MAX_FDS).map(CgroupDir::payload).collect();
        let context = CgroupContext::of(cgroups.layout.kind() as i32, &fds).encode();
        let len = self.data.len().min(context.len());
        // Descriptors ride on the header.
        Reply { fds, ..Reply::data(context[..len].to_vec()) }
    }

    pub(super) fn cgroup_fd(&self, limit: bool) -> Reply<'a> {
        let asked = CgroupFd::decode(self.data).filter(|asked| !asked.controller.is_empty());
        let Some(mut asked) = asked else { return Reply::error(Errno::EINVAL) };
        let Some(cgroups) = self.cgroups() else { return Reply::error(Errno::ENOENT) };
        let dir = match asked.controller.as_str() {
            "devices" => cgroups.with_devices(),
            "freezer" => cgroups.freezing(),
            controller => cgroups.with_controller(controller),
        };
        let Some(dir) = dir else { return Reply::error(Errno::ENOENT) };
        if !asked.set_version(dir.hierarchy.version) {
            return Reply::error(Errno::EINVAL);
        }
        asked.layout = cgroups.layout.kind() as i32;
        let fd = if limit { dir.limit.as_fd() } else { dir.payload() };
        Reply { fds: vec![fd], ..Reply::data(asked.encode().to_vec()) }
    }
}
