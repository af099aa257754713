//! Signals as something to read, for those who wait in poll(2) and must leave in good order.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::error::{Context, Result};
use crate::sys::process;

/// Signals that take no effect but wait to be read, until this is dropped.
#[derive(Debug)]
pub struct Held {
    arrived: SignalFd,
    before: SigSet,
}

impl Held {
    /// Holds `signals`, but those that this process ignores: they stay ignored.
    pub fn new(signals: &[Signal]) -> Result<Self> {
        let ignored = |signal: &&Signal| process::is_ignored(**signal as i32);
        let set: SigSet = signals.iter().filter(|signal| !ignored(signal)).copied().collect();
        let failed = || "cannot hold signals";
        let arrived = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
            .context(failed)?;
        let before = SigSet::thread_get_mask().context(failed)?;
        set.thread_block().context(failed)?;
        Ok(Self { arrived, before })
    }

    /// The next that arrived.
    pub fn next(&self) -> Result<Option<Signal>> {
        let info = self.arrived.read_signal().context(|| "cannot read a signal")?;
        Ok(info.and_then(|info| Signal::try_from(info.ssi_signo.cast_signed()).ok()))
    }

    /// Gives this process, a copy of the one that holds them, the signals that it would have had.
    pub fn release(&self) -> Result<()> {
        self.before.thread_set_mask().context(|| "cannot release signals")
    }
}

impl AsFd for Held {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.arrived.as_fd()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // The mask was valid when it was read.
        let _ = self.release();
    }
}
