//! The terminal of an attached command.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;

use crate::error::{Context, Result};
use crate::logging::open_appending;
use crate::monitor::client::Client;
use crate::sys::process;
use crate::sys::pty::{self, Pty};

/// The first of the standard descriptors that is a terminal.
pub(super) fn of_caller() -> Option<i32> {
    (0..3).find(|number| nix::unistd::isatty(process::standard(*number)).unwrap_or(false))
}

const MOUNTED_ON: &str = "something is mounted on /dev/pts/ptmx inside; \
     without a terminal it works: </dev/null 2>&1 | cat";

/// A pseudo terminal of the container, or of the host if the container has none of its own or none left.
/// It gets the size of the terminal that it will be `shown_on`.
pub(super) fn allocate(client: &Client, shown_on: BorrowedFd<'_>) -> Result<Pty> {
    let pty = allocate_anywhere(client)?;
    // A terminal without a size has none to pass on.
    let _ = pty::copy_window_size(shown_on, pty.ptx.as_fd());
    Ok(pty)
}

fn allocate_anywhere(client: &Client) -> Result<Pty> {
    if let Some(devpts) = client.devpts()? {
        match pty::allocate_in(devpts.as_fd()) {
            Err(error) if error.raw_os_error() == Some(Errno::ENOSPC as i32) => {}
            result => {
                let failed = || "cannot allocate a pseudo terminal of the container";
                return result.context(failed).map_err(|error| {
                    if error.is(Errno::EXDEV) { error.hint(MOUNTED_ON) } else { error }
                });
            }
        }
    }
    let dev = File::open("/dev").map(OwnedFd::from).context(|| "cannot open /dev")?;
    pty::allocate(dev.as_fd()).context(|| "cannot allocate a pseudo terminal")
}

/// Makes the pseudo terminal that of the command's own session, in place of the caller's terminals.
pub(super) fn take(pty: &Pty) -> Result<()> {
    process::set_controlling_terminal(pty.peer.as_fd())
        .context(|| "cannot take the pseudo terminal")?;
    for number in 0..3 {
        if nix::unistd::isatty(process::standard(number)).unwrap_or(false) {
            process::dup_onto(pty.peer.as_fd(), number)
                .context(|| "cannot connect the pseudo terminal")?;
        }
    }
    Ok(())
}

/// The log file of what the terminal shows.
pub(super) fn open_log(path: &Path) -> Result<File> {
    open_appending(path).context(|| format!("cannot open the terminal's log {}", path.display()))
}
