//! Methods that are not there yet: each fails, and `error_string` says why.

use std::ffi::{c_char, c_int, c_uint, c_ulong, c_void};

use lxc_rs::{Error, Result};

use crate::entry::with;
use crate::layout::LxcContainer;

/// The error of what `what` would do.
pub fn not_supported<T>(what: &str) -> Result<T> {
    Err(Error::new(format!("{what} is not supported yet by this liblxc")))
}

/// Methods with these arguments that fail with this value.
macro_rules! missing {
    ($($name:ident($($type:ty),*) = $failure:literal $result:ty;)+) => {$(
        /// # Safety
        ///
        /// The header's rules.
        pub unsafe extern "C" fn $name(c: *mut LxcContainer $(, _: $type)*) -> $result {
            // SAFETY: as the caller promises.
            unsafe { with(c, $failure, |_| not_supported(stringify!($name))) }
        }
    )+};
}

missing! {
    console(c_int, c_int, c_int, c_int, c_int) = -1 c_int;
    checkpoint(*mut c_char, bool, bool) = false bool;
    restore(*mut c_char, bool) = false bool;
    migrate(c_uint, *mut c_void, c_uint) = -1 c_int;
    console_log(*mut c_void) = -95 c_int; // EOPNOTSUPP
    mount(*const c_char, *const c_char, *const c_char, c_ulong, *const c_void, *mut c_void) = -1 c_int;
    umount(*const c_char, c_ulong, *mut c_void) = -1 c_int;
    seccomp_notify_fd() = -1 c_int;
    seccomp_notify_fd_active() = -1 c_int;
    set_timeout(c_int) = false bool;
}

/// Those with as many arguments as the caller likes, where nobody wrote the instructions for the processor.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub mod variadic {
    use super::{LxcContainer, c_int, not_supported, with};

    missing! {
        startl() = false bool;
        createl() = false bool;
        attach_run_waitl() = -1 c_int;
    }
}
