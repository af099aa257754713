//! Independence of what the caller handed over: descriptors, environment, signals, limits, directory.

use crate::failure::{Context, Result};
use crate::sys;

/// Before anything else.
pub fn sanitize() -> Result<()> {
    let failed = || "cannot prepare this process".to_owned();
    sys::open_standard_descriptors().context(failed)?;
    sys::close_other_descriptors().context(failed)?;
    sys::clear_environment();
    sys::set_umask(0o077);
    // An interval timer, a terminal or a limit of the caller's must not end this while it holds the lock.
    sys::block_signals().context(failed)?;
    sys::stop_alarm();
    sys::reset_limits().context(|| "a resource limit of the caller's is too low".to_owned())?;
    sys::reset_priority();
    std::env::set_current_dir("/").context(failed)
}

/// Makes this process unreachable for its caller: none of its ids is theirs any more.
pub fn become_root() -> Result<()> {
    sys::set_user_ids(0, 0, 0).context(|| "cannot change to the user id 0".to_owned())?;
    sys::deny_tracing().context(|| "cannot protect this process".to_owned())
}

/// Gives up what making links does not need: groups of the caller, all capabilities but CAP_NET_ADMIN,
/// programs with more rights.
pub fn keep_network_rights() -> Result<()> {
    sys::leave_groups().context(|| "cannot leave the caller's groups".to_owned())?;
    sys::keep_net_admin().context(|| "cannot give up capabilities".to_owned())
}
