//! Methods on the console and the terminals.

use std::ffi::c_int;
use std::os::fd::IntoRawFd;
use std::ptr;

use lxc_rs::Error;

use crate::attach::standard;
use crate::entry::{beside, or_errno};
use crate::layout::{LxcConsoleLog, LxcContainer};
use crate::strings::give_array;

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn console_getfd(
    c: *mut LxcContainer,
    number: *mut c_int,
    terminal: *mut c_int,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        beside(c, -1, |container| {
            if number.is_null() || terminal.is_null() {
                return Err(Error::new("there is no place for the terminal"));
            }
            let Some(lease) = container.terminal(*number)? else {
                return Err(Error::new(format!("the terminal {} is not to be had", *number)));
            };
            *number = lease.number;
            *terminal = lease.ptx.into_raw_fd();
            Ok(lease.lease.into_raw_fd())
        })
    }
}

/// Connects `stdinfd` and `stdoutfd` with a terminal of the container until the user leaves with the control
/// character `escape` (1 for Ctrl-a) and `q`.
///
/// # Safety
///
/// The header's rules: descriptors are open.
pub unsafe extern "C" fn console(
    c: *mut LxcContainer,
    number: c_int,
    stdinfd: c_int,
    stdoutfd: c_int,
    stderrfd: c_int,
    escape: c_int,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        beside(c, -1, |container| {
            // Another number, as -1, is no key.
            let key = u8::try_from(escape).ok().filter(|key| (1..=26).contains(key));
            container.console(number, key, standard([stdinfd, stdoutfd, stderrfd]))?;
            Ok(0)
        })
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn console_log(c: *mut LxcContainer, log: *mut LxcConsoleLog) -> c_int {
    if log.is_null() {
        return -libc::EINVAL;
    }
    // SAFETY: as the caller promises; the log is the caller's, and not null.
    unsafe {
        let LxcConsoleLog { clear, read, read_max, .. } = *log;
        let most = if !read {
            Some(0)
        } else if read_max.is_null() || *read_max == 0 {
            None
        } else {
            Some(usize::try_from(*read_max).unwrap_or(usize::MAX))
        };
        or_errno(c, |container| {
            let taken = container.console_log(most, clear);
            let nothing = |error: &Error| matches!(error.errno, Some(libc::ENODATA | libc::EFAULT));
            if read && (taken.is_ok() || taken.as_ref().is_err_and(nothing)) {
                let data = taken.as_deref().unwrap_or_default();
                (*log).data =
                    if data.is_empty() { ptr::null_mut() } else { give_array(data).cast() };
                if let Some(read_max) = read_max.as_mut() {
                    *read_max = data.len() as u64;
                }
            }
            taken.map(|_| 0)
        })
    }
}
