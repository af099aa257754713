//! The log of a program that uses the library.

use std::ffi::c_int;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use lxc_rs::config::Document;
use lxc_rs::identity::Identity;
use lxc_rs::visible::for_reader;
use lxc_rs::{Error, Result};

use crate::entry::without;
use crate::layout::LxcLog;
use crate::strings::text;

/// Whether there is a log.
static STARTED: AtomicBool = AtomicBool::new(false);
/// Whether failures are written to standard error.
static LOUD: AtomicBool = AtomicBool::new(false);

/// Has what fails from now on written to a file, and to standard error unless that is not wanted. The first
/// call counts. Returns 0, or `-EINVAL` if the level or the file is none.
///
/// # Safety
///
/// The header's rules.
// SAFETY: the name is the interface's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lxc_log_init(log: *const LxcLog) -> c_int {
    without(-libc::EINVAL, || {
        // SAFETY: as the caller promises.
        let Some(log) = (unsafe { log.as_ref() }) else {
            return Err(Error::new("no log is named"));
        };
        if STARTED.load(Ordering::Acquire) {
            return Ok(0);
        }
        // SAFETY: as the caller promises.
        let (file, level, prefix, name) =
            unsafe { (text(log.file), text(log.level), text(log.prefix), text(log.name)) };
        start(file.filter(|file| *file != "none"), level, prefix.unwrap_or("liblxc"), name)?;
        LOUD.store(!log.quiet, Ordering::Release);
        STARTED.store(true, Ordering::Release);
        Ok(0)
    })
}

fn start(file: Option<&str>, level: Option<&str>, prefix: &str, name: Option<&str>) -> Result<()> {
    let mut settings = Document::default();
    settings.set("lxc.log.level", level.unwrap_or("ERROR"), "lxc_log_init")?;
    if let Some(file) = file {
        settings.set("lxc.log.file", file, "lxc_log_init")?;
    }
    lxc_rs::start_log(&settings.config.log, prefix, name)
}

/// Ends the log.
// SAFETY: the name is the interface's own.
#[unsafe(no_mangle)]
pub extern "C" fn lxc_log_close() {
    LOUD.store(false, Ordering::Release);
    STARTED.store(false, Ordering::Release);
    lxc_rs::end_log();
}

/// Says what failed, if there is a log.
pub fn failed(container: Option<&Identity>, error: &Error) {
    let of = container.map(|identity| format!("{identity}: ")).unwrap_or_default();
    log::error!(target: "lxc_rs::liblxc", "{of}{error}");
    if LOUD.load(Ordering::Acquire) {
        let text = format!("{of}{error}\n");
        let mut stderr = std::io::stderr().lock();
        let shown = for_reader(text.as_bytes(), &stderr);
        // Nobody reads it, perhaps.
        let _ = stderr.write_all(&shown);
    }
}
