//! Keys of the kernel (keyrings(7)). The session keyring is inherited, and who has one may read the
//! keys in it, whatever the user.

use crate::error::{Context, Result};
use crate::sys::process;

/// Leaves the caller's session keyring for a new, empty one.
pub fn leave() -> Result<()> {
    match process::new_session_keyring() {
        Ok(()) => Ok(()),
        // A kernel without keyrings, or a sandbox that forbids them, has none to leak either.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => Ok(()),
        Err(error) => Err(error).context(|| "cannot make a session keyring").map_err(|error| {
            error.hint("see key-users in /proc and kernel.keys.maxkeys, or set lxc.keyring.session")
        }),
    }
}
