//! The answers that need nothing but the request and the running container.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;

use super::After;
use crate::cgroup::file;
use crate::cgroup::{CgroupDir, LayoutKind, Version};
use crate::config;
use crate::init::Plan;
use crate::monitor::device_item;
use crate::monitor::protocol::{CgroupContext, CgroupFd, Request, Response};
use crate::monitor::spawn::Running;
use crate::sys::{process, scm};

/// A request and all that its answer needs.
pub(super) struct Ask<'a> {
    pub(super) socket: BorrowedFd<'a>,
    pub(super) request: &'a Request,
    pub(super) data: &'a [u8],
    pub(super) plan: &'a Plan,
    pub(super) running: &'a Running,
}

impl Ask<'_> {
    pub(super) fn refuse(&self, errno: Errno) -> std::io::Result<After> {
        reply(self.socket, Response::error(errno), &[], &[])?;
        Ok(After::Close)
    }

    pub(super) fn reply_fd(&self, fd: Option<BorrowedFd<'_>>) -> std::io::Result<()> {
        match fd {
            Some(fd) => reply(self.socket, Response::number(0), &[], &[fd]),
            None => self.refuse(Errno::EBADF).map(drop),
        }
    }

    /// The text of the request; `None` unless it ends in its only NUL.
    pub(super) fn text(&self) -> Option<&str> {
        let (last, text) = self.data.split_last()?;
        if *last != 0 || text.contains(&0) {
            return None;
        }
        std::str::from_utf8(text).ok()
    }

    pub(super) fn config_item(&self) -> std::io::Result<()> {
        let config = &self.plan.config;
        let value = self
            .text()
            .and_then(|key| self.actual_value(key).or_else(|| config::get(config, key).ok()));
        match value.filter(|value| !value.is_empty()) {
            Some(value) => reply_text(self.socket, value.as_bytes()),
            None => reply(self.socket, Response::number_error(-1), &[], &[]),
        }
    }

    /// Values that only the running container knows.
    pub(super) fn actual_value(&self, key: &str) -> Option<String> {
        let (index, key) = key.strip_prefix("lxc.net.")?.split_once('.')?;
        let index: u32 = index.parse().ok()?;
        let link = self.running.links.iter().find(|link| link.index == index)?;
        match key {
            "name" => Some(link.inside_name.clone()),
            "veth.pair" => link.host_name.clone(),
            _ => None,
        }
    }

    /// The cgroup of a controller; without a name that of a v2 hierarchy without controllers.
    pub(super) fn cgroup(&self, controller: Option<&str>) -> Option<&CgroupDir> {
        let cgroups = &self.running.cgroups;
        match controller {
            Some(controller) => cgroups.with_controller(controller),
            None => cgroups.v2().filter(|dir| dir.hierarchy.controllers.is_empty()),
        }
    }

    pub(super) fn cgroup_path(&self, inner: bool) -> Option<std::path::PathBuf> {
        let controller = if self.data.is_empty() { None } else { Some(self.text()?) };
        let dir = self.cgroup(controller)?;
        Some(self.running.cgroups.path_of(dir, inner))
    }

    /// On other layouts these two are refused, as LXC's monitor does: what is asked for has a name.
    pub(super) fn cgroup2_fd(&self, limit: bool) -> std::io::Result<()> {
        if self.running.cgroups.layout.kind() != LayoutKind::Unified {
            return self.refuse(Errno::EINVAL).map(drop);
        }
        let dir = self.running.cgroups.v2();
        self.reply_fd(dir.map(|dir| if limit { dir.limit.as_fd() } else { dir.payload() }))
    }

    pub(super) fn freeze(&self, freeze: bool) -> std::io::Result<()> {
        let freezing = self.running.cgroups.freezing();
        let Some(dir) = freezing.filter(|dir| dir.hierarchy.version == Version::V2) else {
            return self.refuse(Errno::ENOENT).map(drop);
        };
        let value = if freeze { "1" } else { "0" };
        match file::write(dir.limit.as_fd(), "cgroup.freeze", value) {
            Ok(()) => reply(self.socket, Response::number(0), &[], &[]),
            Err(errno) => self.refuse(errno).map(drop),
        }
    }

    pub(super) fn add_device_rule(&self) -> std::io::Result<()> {
        let place = self.running.cgroups.with_devices();
        let is_unified = place.is_some_and(|dir| dir.hierarchy.version == Version::V2);
        let rule = device_item::decode(self.data).filter(|_| is_unified);
        let Some(rule) = rule else {
            return self.refuse(Errno::EINVAL).map(drop);
        };
        match self.running.cgroups.add_device_rule(rule) {
            Ok(()) => reply(self.socket, Response::number(0), &[], &[]),
            Err(error) => self.refuse(error.errno.map_or(Errno::EIO, Errno::from_raw)).map(drop),
        }
    }

    pub(super) fn stop(&self) -> std::io::Result<After> {
        let signal = self.plan.config.signal_stop.unwrap_or(libc::SIGKILL);
        match process::pidfd_send_signal(self.running.pidfd.as_fd(), signal) {
            Ok(()) => {}
            // Dead already: the end of the stream is on its way.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
            Err(error) => {
                let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
                return self.refuse(errno);
            }
        }
        // A frozen process dies only when it is thawed.
        self.thaw();
        Ok(After::UntilStopped)
    }

    /// Thaws the container, frozen or not.
    pub(super) fn thaw(&self) {
        let cgroups = &self.running.cgroups;
        // Where there is no freezer nothing is frozen.
        if let Some(dir) = cgroups.with_controller("freezer") {
            let _ = file::write(dir.limit.as_fd(), "freezer.state", "THAWED");
        }
        if let Some(dir) = cgroups.v2() {
            let _ = file::write(dir.limit.as_fd(), "cgroup.freeze", "0");
        }
    }

    pub(super) fn cgroup_context(&self) -> std::io::Result<()> {
        let cgroups = &self.running.cgroups;
        if self.data.len() > CgroupContext::LEN || cgroups.dirs.is_empty() {
            return self.refuse(Errno::ENOENT).map(drop);
        }
        let fds: Vec<BorrowedFd<'_>> =
            cgroups.dirs.iter().take(CgroupContext::MAX_FDS).map(CgroupDir::payload).collect();
        let context = CgroupContext::of(cgroups.layout.kind() as i32, &fds).encode();
        let len = self.data.len().min(context.len());
        // Descriptors ride on the header.
        reply(self.socket, Response::data(len), &context[..len], &fds)
    }

    pub(super) fn cgroup_fd(&self, limit: bool) -> std::io::Result<()> {
        let Some(mut asked) = CgroupFd::decode(self.data) else {
            return self.refuse(Errno::EINVAL).map(drop);
        };
        if asked.controller.is_empty() {
            return self.refuse(Errno::EINVAL).map(drop);
        }
        let cgroups = &self.running.cgroups;
        let dir = match asked.controller.as_str() {
            "devices" => cgroups.with_devices(),
            "freezer" => cgroups.freezing(),
            controller => cgroups.with_controller(controller),
        };
        let Some(dir) = dir else {
            return self.refuse(Errno::ENOENT).map(drop);
        };
        if !asked.set_version(dir.hierarchy.version) {
            return self.refuse(Errno::EINVAL).map(drop);
        }
        asked.layout = cgroups.layout.kind() as i32;
        let fd = if limit { dir.limit.as_fd() } else { dir.payload() };
        let bytes = asked.encode();
        reply(self.socket, Response::data(bytes.len()), &bytes, &[fd])
    }
}

pub(super) fn reply(
    socket: BorrowedFd<'_>,
    response: Response,
    data: &[u8],
    fds: &[BorrowedFd<'_>],
) -> std::io::Result<()> {
    // In one piece, so that whoever asks need not wait for the data.
    Ok(scm::send_all(socket, &[&response.encode()[..], data].concat(), fds)?)
}

pub(super) fn reply_number(socket: BorrowedFd<'_>, number: i32) -> std::io::Result<()> {
    reply(socket, Response::number(number), &[], &[])
}

/// Text goes with its NUL.
pub(super) fn reply_text(socket: BorrowedFd<'_>, text: &[u8]) -> std::io::Result<()> {
    let mut data = text.to_vec();
    data.push(0);
    reply(socket, Response::data(data.len()), &data, &[])
}
