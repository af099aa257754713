//! The monitor's signals: its child's end, and what it passes on to the container's init.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts as sig;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

use crate::error::{Context, Result};
use crate::sys::process;

/// All that can be caught, but SIGWINCH (the console's), those of job control, and the ones that mean a
/// fault of our own.
const CAUGHT: [i32; 19] = [
    sig::SIGCHLD,
    sig::SIGHUP,
    sig::SIGINT,
    sig::SIGQUIT,
    sig::SIGTERM,
    sig::SIGUSR1,
    sig::SIGUSR2,
    sig::SIGALRM,
    sig::SIGCONT,
    sig::SIGTSTP,
    sig::SIGURG,
    sig::SIGXCPU,
    sig::SIGXFSZ,
    sig::SIGVTALRM,
    sig::SIGPROF,
    sig::SIGIO,
    sig::SIGTRAP,
    sig::SIGSYS,
    libc::SIGPWR,
];

/// Caught signals, readable through a descriptor.
#[derive(Debug)]
pub struct Signals(SignalDelivery<UnixStream, SignalOnly>);

impl Signals {
    /// Catches signals from now on, also those that the caller of this program blocked.
    pub fn catch() -> Result<Self> {
        // In the background of a terminal the kernel would repeat a call that sends one of these for
        // ever if it were caught; ignored, the call fails or is allowed (termios(3)).
        [sig::SIGTTIN, sig::SIGTTOU].into_iter().for_each(process::ignore_signal);
        let build = || -> io::Result<_> {
            let (read, write) = UnixStream::pair()?;
            SignalDelivery::with_pipe(read, write, SignalOnly, CAUGHT)
        };
        let signals = Self(build().context(|| "cannot catch signals")?);
        process::unblock_signals();
        Ok(signals)
    }

    /// Those that arrived since the last call.
    pub fn arrived(&mut self) -> Vec<i32> {
        // Emptying the pipe is what re-arms the descriptor; the signals themselves are in flags.
        let mut buffer = [0; 64];
        while matches!(
            nix::sys::socket::recv(
                std::os::fd::AsRawFd::as_raw_fd(self.0.get_read()),
                &mut buffer,
                nix::sys::socket::MsgFlags::MSG_DONTWAIT,
            ),
            Ok(len) if len > 0
        ) {}
        self.0.pending().collect()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_read().as_fd()
    }
}

/// What to send to init for `signal`: a hang-up of the monitor's terminal asks it to end.
pub fn forwarded(signal: i32) -> i32 {
    if signal == sig::SIGHUP { sig::SIGTERM } else { signal }
}
