//! The system log (syslog(3)).

use std::ffi::CString;
use std::sync::OnceLock;

/// What each message begins with. `openlog` keeps a pointer to it.
static IDENT: OnceLock<CString> = OnceLock::new();

/// Sends what this process logs from now on to `facility` (`LOG_DAEMON`, …), under `ident`, which stays
/// that of the first call.
pub fn open(ident: &str, facility: i32) {
    let ident = IDENT.get_or_init(|| CString::new(ident.replace('\0', "?")).unwrap_or_default());
    // SAFETY: the text is never changed and lives as long as the process.
    unsafe { libc::openlog(ident.as_ptr(), libc::LOG_PID, facility) };
}

/// Closes the connection to the system log; the next message opens it again.
pub fn disconnect() {
    // SAFETY: `closelog` has no precondition.
    unsafe { libc::closelog() };
    // It forgot the text; with no facility the one from before stays.
    open("", 0);
}

/// Logs `message` with `priority` (`LOG_ERR`, …).
pub fn log(priority: i32, message: &str) {
    let message = CString::new(message.replace('\0', "?")).unwrap_or_default();
    // SAFETY: the format takes one text, and the message is one that ends in NUL.
    unsafe { libc::syslog(priority, c"%s".as_ptr(), message.as_ptr()) };
}
