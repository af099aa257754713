//! Work that is undone when it is interrupted (Ctrl-C, SIGTERM, SIGHUP): the signal also ends the
//! programs that work for this one, and is noticed between the steps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::error::{Context, Error, Result};

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From here on SIGINT, SIGTERM and SIGHUP do not end this process; the flag says that one came.
pub fn guard() -> Result<&'static AtomicBool> {
    if let Some(flag) = INTERRUPTED.get() {
        return Ok(flag);
    }
    let flag = INTERRUPTED.get_or_init(Arc::default);
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(flag)).context(|| "cannot catch signals")?;
    }
    Ok(flag)
}

/// Fails if one of these signals came.
pub fn check() -> Result<()> {
    match INTERRUPTED.get() {
        Some(flag) if flag.load(Ordering::SeqCst) => Err(Error::new("interrupted")),
        _ => Ok(()),
    }
}
