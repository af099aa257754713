//! Forwards to an address that a container gets while it runs, by DHCP or from a router.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use rtnetlink::sys::{Socket, protocols::NETLINK_ROUTE};

use super::super::{interfaces, netlink};
use super::table::{Active, Table};
use super::{Holder, Wanted, add, add_each, configured, host, take, wanted};
use crate::config::{Config, Forward};
use crate::error::{Context, Result};

/// Changes of addresses (`RTNLGRP_IPV4_IFADDR` and `RTNLGRP_IPV6_IFADDR`, linux/rtnetlink.h).
const GROUPS: [u32; 2] = [5, 9];

/// How long nothing is followed after a change: a container changes its addresses as often as it likes.
const REST: Duration = Duration::from_secs(1);

/// What follows the addresses of a container.
#[derive(Debug)]
pub struct Follower {
    namespace: OwnedFd,
    /// Says that they changed.
    changes: Socket,
    /// Says that the rest is over.
    timer: TimerFd,
    state: State,
    /// What is forwarded for it.
    now: Vec<(Forward, IpAddr)>,
    /// What is to be forwarded beside what the configuration asks for.
    passing: Vec<Active>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Waiting,
    Resting,
}

impl AsFd for Follower {
    /// Readable when there may be something to [follow](Self::follow).
    fn as_fd(&self) -> BorrowedFd<'_> {
        if self.state == State::Resting { self.timer.as_fd() } else { self.changes.as_fd() }
    }
}

impl Follower {
    /// Follows those in the network namespace `namespace`, for `passing` beside the configured forwards.
    pub fn new(namespace: OwnedFd, passing: Vec<Active>) -> Result<Self> {
        let open = || -> std::io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.set_non_blocking(true)?;
            socket.bind_auto()?;
            GROUPS.iter().try_for_each(|group| socket.add_membership(*group))?;
            Ok(socket)
        };
        let failed = || "cannot watch the container's addresses";
        let changes = netlink::within(namespace.as_fd(), || open().context(failed))?;
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags).context(failed)?;
        Ok(Self { namespace, changes, timer, state: State::New, now: Vec::new(), passing })
    }

    /// Forwards what `config` asks for to the address that the container has now, if that changed; does not
    /// wait for a change. Returns warnings.
    pub fn follow<'a>(
        &mut self,
        holder: Holder<'_>,
        config: &'a Config,
        links: &[&str],
    ) -> Result<Vec<String>> {
        if !self.is_time()? {
            return Ok(Vec::new());
        }
        let found = interfaces::of_namespace(self.namespace.as_fd())?;
        let inside: Vec<IpAddr> = found.into_iter().flat_map(|one| one.addresses).collect();
        let networks = host::networks(&netlink::Netlink::open()?)?;
        self.forget_removed(holder)?;
        let resolved = |one: Wanted<'a>| one.resolved(&inside, &networks);
        let wanted: Vec<Wanted<'a>> = configured(config)?.into_iter().flat_map(resolved).collect();
        let again = self.passing.iter().filter_map(|one| wanted::again(one, config, &networks));
        let passing: Vec<Wanted<'a>> = again.flat_map(resolved).collect();
        let now: Vec<(Forward, IpAddr)> =
            wanted.iter().chain(&passing).filter_map(|one| Some((one.forward, one.to?))).collect();
        if now == self.now {
            return Ok(Vec::new());
        }
        let before = std::mem::take(&mut self.now);
        take(|one| {
            let is_before = |(forward, to): &(Forward, IpAddr)| {
                one.to_address == *to && one.is_part_of(forward)
            };
            one.is_of(holder.identity) && before.iter().any(is_before)
        })?;
        let mut warnings = add(holder, &wanted, links)?;
        warnings.extend(add_each(holder, &passing, links));
        self.now = now;
        Ok(warnings)
    }

    /// What is still to come of what is forwarded beside the configuration.
    pub fn pending(&self) -> Vec<Active> {
        let is_there = |one: &&Active| self.now.iter().all(|(now, _)| *now != one.forward());
        self.passing.iter().filter(is_there).cloned().collect()
    }

    /// Forgets what somebody removed meanwhile.
    fn forget_removed(&mut self, holder: Holder<'_>) -> Result<()> {
        if self.passing.is_empty() {
            return Ok(());
        }
        let table = Table::read()?.unwrap_or_default();
        let now = &self.now;
        self.passing.retain(|one| {
            let forward = one.forward();
            let was_there = now.iter().any(|(now, _)| *now == forward);
            !was_there || table.has(holder.identity, &forward)
        });
        Ok(())
    }

    /// Whether something changed, and the rest after the last change is over.
    fn is_time(&mut self) -> Result<bool> {
        let failed = || "cannot wait for the container's addresses";
        if self.state == State::Resting {
            match self.timer.wait() {
                Err(nix::errno::Errno::EAGAIN) => return Ok(false),
                result => result.context(failed)?,
            }
        }
        let mut changed = self.state == State::New;
        self.state = State::Waiting;
        loop {
            match self.changes.recv_from_full() {
                Ok(_) => changed = true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // Some were lost.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => changed = true,
                Err(error) => return Err(error).context(failed),
            }
        }
        if changed {
            let rest = Expiration::OneShot(TimeSpec::from_duration(REST));
            self.timer.set(rest, TimerSetTimeFlags::empty()).context(failed)?;
            self.state = State::Resting;
        }
        Ok(changed)
    }
}
