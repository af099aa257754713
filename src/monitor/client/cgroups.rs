//! The container's cgroups.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::stat::fstat;

use super::connection::Asked;
use super::{Client, Peer};
use crate::cgroup::devices::Rule;
use crate::cgroup::{Version, file};
use crate::error::{Context, Error, Kind, Result};
use crate::monitor::device_item;
use crate::monitor::protocol::{CgroupContext, CgroupFd, Command, Request};
use crate::namespace::set;

/// What the question for cgroups has room for, and its answer fills.
const NO_CONTEXT: [u8; CgroupContext::LEN] = [0; CgroupContext::LEN];

fn question_for_cgroups() -> Request {
    Request::with_data(Command::GetCgroupContext, NO_CONTEXT.len())
}

impl Client {
    /// Init's cgroup in every hierarchy.
    pub fn cgroups(&self) -> Result<Vec<OwnedFd>> {
        self.take_cgroups(self.ask_cgroups()?)
    }

    /// Asks for them, for [`take_cgroups`](Self::take_cgroups).
    pub fn ask_cgroups(&self) -> Result<Asked> {
        self.send(&question_for_cgroups(), &NO_CONTEXT)
    }

    /// The same; fails with `EAGAIN` if the socket has no room.
    pub fn ask_cgroups_now(&self) -> Result<Asked> {
        self.send_now(&question_for_cgroups(), &NO_CONTEXT)
    }

    /// The answer.
    pub fn take_cgroups(&self, asked: Asked) -> Result<Vec<OwnedFd>> {
        match self.receive(asked).and_then(|answer| self.accepted(answer)) {
            Ok(answer) => {
                answer.fds.iter().try_for_each(|dir| self.require_cgroup(dir.as_fd()))?;
                Ok(answer.fds)
            }
            Err(error) if error.is(Errno::ENOENT) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// The limiting cgroup of `controller`, and its version; `None` if there is no such controller.
    pub fn limit_cgroup(&self, controller: &str) -> Result<Option<(OwnedFd, Version)>> {
        self.take_limit_cgroup(self.ask_limit_cgroup(controller)?)
    }

    /// Asks for it, for [`take_limit_cgroup`](Self::take_limit_cgroup).
    pub fn ask_limit_cgroup(&self, controller: &str) -> Result<Asked> {
        let data = CgroupFd::of(controller).encode();
        // The numbers of the two are swapped: this one's answer is the directory of the limits.
        self.send(&Request::with_data(Command::GetCgroupFd, data.len()), &data)
    }

    /// The answer.
    pub fn take_limit_cgroup(&self, asked: Asked) -> Result<Option<(OwnedFd, Version)>> {
        let answer = match self.receive(asked).and_then(|answer| self.accepted(answer)) {
            Ok(answer) => answer,
            Err(error) if error.is(Errno::ENOENT) => return Ok(None),
            Err(error) => return Err(error),
        };
        let version = CgroupFd::decode(&answer.data).and_then(|cgroup| cgroup.version());
        let dir = answer.fds.into_iter().next().map(|dir| self.to_be_changed(dir, answer.peer));
        Ok(dir.transpose()?.zip(version))
    }

    /// The limiting v2 cgroup; `None` on a host that is not purely v2.
    pub fn limit_cgroup2(&self) -> Result<Option<OwnedFd>> {
        match self.descriptor(Command::GetLimitCgroup2Fd) {
            Ok((dir, peer)) => self.to_be_changed(dir, peer).map(Some),
            Err(error) if error.is(Errno::EINVAL) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The unit of an ordinary user's systemd that the container's cgroups are in; `None` if they are in
    /// none that the monitor knows of.
    pub fn systemd_unit(&self) -> Result<Option<String>> {
        match self.text(Command::GetSystemdScope, None) {
            Ok(unit) => Ok(Some(unit)),
            Err(error) if error.is(Errno::EINVAL) || error.is(Errno::ENOSYS) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds a rule to the container's device program, on a host that is purely v2.
    pub fn add_device_rule(&self, rule: &Rule) -> Result<()> {
        let data = device_item::encode(rule);
        let request = Request::with_data(Command::AddBpfDevice, data.len());
        self.ask(&request, &data).and_then(|answer| self.accepted(answer)).map(drop)
    }

    fn require_cgroup(&self, dir: BorrowedFd<'_>) -> Result<()> {
        if file::is_cgroup(dir) {
            return Ok(());
        }
        let what = format!("the monitor of {} sent something that is not a cgroup", self.identity);
        Err(Error::new(what))
    }

    /// The cgroup `dir` if `peer` may have us change it: one that is not an equal may that of its own
    /// ids only.
    fn to_be_changed(&self, dir: OwnedFd, peer: Peer) -> Result<OwnedFd> {
        self.require_cgroup(dir.as_fd())?;
        if peer.is_our_equal() {
            return Ok(dir);
        }
        let owner = fstat(&dir).context(|| "cannot look at the container's cgroup")?.st_uid;
        let is_its_own = owner == peer.uid.as_raw()
            || set::maps_to_user(self.init()?.pid, owner).unwrap_or(false);
        if is_its_own {
            return Ok(dir);
        }
        Err(Error::new(format!("the cgroup of {} is of uid {owner}, not of {peer}", self.identity))
            .kind(Kind::Impostor))
    }
}
