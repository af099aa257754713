//! A terminal in raw mode, given back as it was.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use crate::error::{Context, Result};

/// A terminal that passes every byte on (termios(3), "Raw mode") until this is dropped. Neither change
/// waits until the terminal has shown everything: nobody may be reading it.
#[derive(Debug)]
pub struct Raw {
    terminal: OwnedFd,
    before: Termios,
}

impl Raw {
    /// Makes `terminal` raw.
    pub fn enter(terminal: BorrowedFd<'_>) -> Result<Self> {
        let before = tcgetattr(terminal).context(|| "cannot read the terminal's settings")?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        let terminal = terminal.try_clone_to_owned().context(|| "cannot duplicate a descriptor")?;
        tcsetattr(&terminal, SetArg::TCSANOW, &raw)
            .context(|| "cannot change the terminal's settings")?;
        Ok(Self { terminal, before })
    }
}

impl AsFd for Raw {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.terminal.as_fd()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // The terminal may be gone, with its window.
        let _ = tcsetattr(&self.terminal, SetArg::TCSANOW, &self.before);
    }
}
