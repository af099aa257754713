//! The system log (syslog(3)).

use std::ffi::CString;

/// Sends what this process logs from now on to `facility` (`LOG_DAEMON`, …), under `ident`.
pub fn open(ident: &str, facility: i32) {
    let ident = CString::new(ident.replace('\0', "?")).unwrap_or_default();
    // SAFETY: openlog keeps the pointer, and the leaked text lives as long as the process.
    unsafe { libc::openlog(Box::leak(ident.into_boxed_c_str()).as_ptr(), libc::LOG_PID, facility) };
}

/// Logs `message` with `priority` (`LOG_ERR`, …).
pub fn log(priority: i32, message: &str) {
    let message = CString::new(message.replace('\0', "?")).unwrap_or_default();
    // SAFETY: the format takes one text, and the message is one that ends in NUL.
    unsafe { libc::syslog(priority, c"%s".as_ptr(), message.as_ptr()) };
}
