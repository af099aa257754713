//! Who answers at a command socket. Any local user may bind the abstract address of a container that
//! does not run, so an answer counts only if it comes from somebody who may run the container.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::{Gid, Pid, Uid, geteuid};

use crate::error::{Error, Kind, Result};
use crate::table;

/// The owner of files and sockets that this user namespace has no id for
/// (/proc/sys/kernel/overflowuid): nobody in particular.
const OVERFLOW_UID: u32 = 65534;

/// The process that listens at an address, with its ids when it called listen(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its pid; it may have ended since, and left the socket to another process.
    pub pid: Pid,
    /// Its effective user id.
    pub uid: Uid,
    /// Its effective group id.
    pub gid: Gid,
}

impl Peer {
    /// The process at the other end of `connection` (`SO_PEERCRED` in unix(7)).
    pub fn of(connection: BorrowedFd<'_>) -> nix::Result<Self> {
        let found = getsockopt(&connection, sockopt::PeerCredentials)?;
        Ok(Self {
            pid: Pid::from_raw(found.pid()),
            uid: Uid::from_raw(found.uid()),
            gid: Gid::from_raw(found.gid()),
        })
    }

    /// Whether it may do all that this process may: it is root, or the same user. What a peer says
    /// that is not an equal must not decide what this process does with its own privileges.
    pub fn is_our_equal(self) -> bool {
        self.uid.is_root() || self.uid == geteuid()
    }

    /// Fails with [`Kind::Impostor`] unless it may speak for `what`: root, this process's user, and the
    /// owner of one of `paths`.
    pub fn require_owner(self, paths: &[&Path], what: &str) -> Result<()> {
        let owns = |path: &&Path| {
            path.symlink_metadata().is_ok_and(|found| found.uid() == self.uid.as_raw())
        };
        let is_somebody = self.uid.as_raw() != OVERFLOW_UID;
        if self.is_our_equal() || is_somebody && paths.iter().any(owns) {
            return Ok(());
        }
        Err(Error::new(format!("{what} is held by {self}"))
            .kind(Kind::Impostor)
            .hint("only root, you and the owner of the container may run it; end that process"))
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a process of uid {}, pid {}", self.uid, self.pid)?;
        match table::read(format!("/proc/{}/comm", self.pid)) {
            Ok(name) => write!(f, " ({})", name.trim_end().escape_debug()),
            Err(_) => Ok(()),
        }
    }
}
