//! All connections to the command socket.
//!
//! Those of root and of the monitor's own user stay open until they or the monitor end, silent or
//! not: there are programs that connect only to learn of the end. Anybody else's may ask, and is
//! refused; there are only so many of them.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::epoll::{Epoll, EpollEvent};
use nix::sys::resource::{Resource, getrlimit};

use super::connection::{Connection, Role};
use crate::error::{Context, Result};
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

    /// Adds a connection, in the place of the oldest silent one if there are too many; its number. Nothing
    /// is waited for on it before [`watch`](Self::watch): most have said everything by now.
    pub(super) fn add(&mut self, epoll: &Epoll, socket: OwnedFd, is_known: bool) -> u64 {
        let (map, max) =
            if is_known { (&self.known, self.capacity) } else { (&self.strangers, STRANGERS_MAX) };
        if map.len() >= max
            && let Some(oldest) = silent(map)
        {
            self.remove(epoll, oldest);
        }
        let number = self.next;
        self.next += 1;
        let map = if is_known { &mut self.known } else { &mut self.strangers };
        map.insert(number, Connection::new(socket));
        number
    }

    /// Closes the oldest silent connection, a stranger's first; says whether there was one.
    pub(super) fn make_room(&mut self, epoll: &Epoll) -> bool {
        let oldest = silent(&self.strangers).or_else(|| silent(&self.known));
        oldest.is_some_and(|number| self.remove(epoll, number).is_some())
    }

    /// The connection, and whether it is one of root's or of the monitor's user.
    pub(super) fn get(&mut self, number: u64) -> Option<(&mut Connection, bool)> {
        match self.known.get_mut(&number) {
            Some(connection) => Some((connection, true)),
            None => self.strangers.get_mut(&number).map(|connection| (connection, false)),
        }
    }

    /// Waits for what the connection waits for now.
    pub(super) fn watch(&mut self, epoll: &Epoll, number: u64) -> Result<()> {
        let Some((connection, _)) = self.get(number) else { return Ok(()) };
        let wanted = connection.interest();
        let mut event = EpollEvent::new(wanted, number);
        let result = match connection.watched {
            Some(watched) if watched == wanted => return Ok(()),
            Some(_) => epoll.modify(&connection.socket, &mut event),
            None => epoll.add(&connection.socket, event),
        };
        result.context(|| "cannot watch a connection")?;
        connection.watched = Some(wanted);
        Ok(())
    }

    /// Takes a connection out. It is closed when the returned one is dropped.
    pub(super) fn remove(&mut self, epoll: &Epoll, number: u64) -> Option<Connection> {
        let connection = self.known.remove(&number).or_else(|| self.strangers.remove(&number))?;
        if connection.watched.is_some() {
            // By hand: a process on its way to exec may hold a copy of the descriptor, and as long as it
            // does, closing ours takes nothing out of the set (epoll(7)).
            let _ = epoll.delete(&connection.socket);
        }
        Some(connection)
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
