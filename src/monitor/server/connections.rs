//! All connections to the command socket.
//!
//! Those of root and of the monitor's own user stay open until they or the monitor end, silent or
//! not: there are programs that connect only to learn of the end. Anybody else's may ask, and is
//! refused; there are only so many of them.

use std::collections::BTreeMap;
use std::os::fd::AsFd;

use nix::sys::epoll::Epoll;
use nix::sys::resource::{Resource, getrlimit};

use super::connection::{Connection, Role};
use crate::identity::ContainerName;
use crate::monitor::protocol::Message;
use crate::state::State;
use crate::sys::scm;

/// Most connections of others.
const STRANGERS_MAX: usize = 64;
/// Descriptors that are kept for other work than connections.
const RESERVE: usize = 64;

/// The connections by the numbers under which their events arrive, the oldest first.
#[derive(Debug)]
pub(super) struct Connections {
    known: BTreeMap<u64, Connection>,
    strangers: BTreeMap<u64, Connection>,
    next: u64,
    /// Most of `known`.
    capacity: usize,
}

impl Connections {
    /// None yet; the first gets number `first`.
    pub(super) fn new(first: u64) -> Self {
        let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self {
            known: BTreeMap::new(),
            strangers: BTreeMap::new(),
            next: first,
            capacity: limit.saturating_sub(RESERVE + STRANGERS_MAX).max(limit / 4),
        }
    }

    /// The number of the next new connection.
    pub(super) fn next_number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Keeps a connection, in the place of the oldest silent one if there are too many.
    pub(super) fn keep(&mut self, epoll: &Epoll, number: u64, connection: Connection) {
        let (map, max) = if connection.is_known {
            (&mut self.known, self.capacity)
        } else {
            (&mut self.strangers, STRANGERS_MAX)
        };
        let oldest = if map.len() >= max { silent(map) } else { None };
        map.insert(number, connection);
        if let Some(oldest) = oldest {
            self.remove(epoll, oldest);
        }
    }

    /// Closes the oldest silent connection, a stranger's first; says whether there was one.
    pub(super) fn make_room(&mut self, epoll: &Epoll) -> bool {
        let oldest = silent(&self.strangers).or_else(|| silent(&self.known));
        oldest.is_some_and(|number| self.remove(epoll, number))
    }

    /// Takes a connection out.
    pub(super) fn take(&mut self, number: u64) -> Option<Connection> {
        self.known.remove(&number).or_else(|| self.strangers.remove(&number))
    }

    /// Closes a connection; says whether there was one.
    fn remove(&mut self, epoll: &Epoll, number: u64) -> bool {
        let connection = self.take(number);
        connection.inspect(|connection| connection.forget(epoll)).is_some()
    }

    /// Ends the connections for which `is_over` holds.
    fn end(&mut self, epoll: &Epoll, is_over: impl Fn(&Connection) -> bool) {
        let over: Vec<u64> =
            self.known.iter().filter(|(_, one)| is_over(one)).map(|(number, _)| *number).collect();
        for number in over {
            self.remove(epoll, number);
        }
    }

    /// Whether somebody leases tty `number`.
    pub(super) fn leases(&self, number: u32) -> bool {
        self.known.values().any(|one| matches!(one.role, Role::Lease(leased) if leased == number))
    }

    /// Ends all leases.
    pub(super) fn end_leases(&mut self, epoll: &Epoll) {
        self.end(epoll, |one| matches!(one.role, Role::Lease(_)));
    }

    /// Ends the connections whose end means STOPPED.
    pub(super) fn end_told(&mut self, epoll: &Epoll) {
        self.end(epoll, |one| matches!(one.role, Role::Waiting(_) | Role::Stopping));
    }

    /// Tells those who wait for `state` of the container `name`; each is told once.
    pub(super) fn tell(&mut self, epoll: &Epoll, name: &ContainerName, state: State) {
        self.tell_those(epoll, name, state, |_| true);
    }

    /// At a reboot: all are told STOPPED, but those who wait for the container to run again.
    pub(super) fn tell_reboot(&mut self, epoll: &Epoll, name: &ContainerName) {
        let over = |role: &Role| matches!(role, Role::Waiting(wanted) if !wanted.survives_reboot());
        self.tell_those(epoll, name, State::Stopped, over);
        self.end(epoll, |one| over(&one.role));
    }

    fn tell_those(
        &mut self,
        epoll: &Epoll,
        name: &ContainerName,
        state: State,
        filter: impl Fn(&Role) -> bool,
    ) {
        let message = Message::state(name, state).encode();
        self.end(epoll, |one| match &one.role {
            Role::Waiting(wanted) if wanted.wants(state) && filter(&one.role) => {
                // One that went away need not be told.
                let _ = scm::send_now(one.socket.as_fd(), &message, &[]);
                true
            }
            _ => false,
        });
    }
}

/// The oldest that has not asked anything.
fn silent(connections: &BTreeMap<u64, Connection>) -> Option<u64> {
    let mut all = connections.iter();
    all.find(|(_, one)| matches!(one.role, Role::Asking(_))).map(|(number, _)| *number)
}
