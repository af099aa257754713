//! The way from C into the library and back: no panic gets out, and what failed is kept for the caller.

use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lxc_rs::{Container, Error, Result};

use crate::layout::LxcContainer;
use crate::{log, strings};

/// A container that was given to C, which sees the first member only.
#[repr(C)]
pub struct Handle {
    pub public: LxcContainer,
    pub private: Mutex<Container>,
}

/// Has `act` done with the container, which nobody else uses meanwhile; `failure` if that fails.
///
/// # Safety
///
/// The header's rules.
pub unsafe fn with<T>(
    c: *mut LxcContainer,
    failure: T,
    act: impl FnOnce(&mut Container) -> Result<T>,
) -> T {
    // SAFETY: as the caller promises.
    unsafe {
        guarded(c, failure, || {
            let mut container = lock(c);
            let result = act(&mut container);
            publish(c, &container);
            result
        })
    }
}

/// As [`with`], for what takes long or does not end: others can use the container meanwhile, as to stop it.
/// `act` gets another handle, without the configuration; what it changes of that is lost.
///
/// # Safety
///
/// The header's rules.
pub unsafe fn beside<T>(
    c: *mut LxcContainer,
    failure: T,
    act: impl FnOnce(&mut Container) -> Result<T>,
) -> T {
    // SAFETY: as the caller promises.
    unsafe {
        guarded(c, failure, || {
            let mut container = lock(c).bare();
            act(&mut container)
        })
    }
}

/// As [`beside`], for what takes the configuration as it is in memory.
///
/// # Safety
///
/// The header's rules.
pub unsafe fn beside_with_configuration<T>(
    c: *mut LxcContainer,
    failure: T,
    act: impl FnOnce(&mut Container) -> Result<T>,
) -> T {
    // SAFETY: as the caller promises.
    unsafe {
        guarded(c, failure, || {
            let mut container = lock(c).clone();
            act(&mut container)
        })
    }
}

/// As [`beside`]; a failure is its errno, negative, of a null container `EINVAL`.
///
/// # Safety
///
/// The header's rules.
pub unsafe fn or_errno(
    c: *mut LxcContainer,
    act: impl FnOnce(&mut Container) -> Result<c_int>,
) -> c_int {
    let mut errno = libc::EINVAL;
    // SAFETY: as the caller promises.
    let answer = unsafe {
        beside(c, None, |container| {
            let answer = act(container);
            if let Err(error) = &answer {
                errno = error.errno.unwrap_or(libc::EIO);
            }
            answer.map(Some)
        })
    };
    answer.unwrap_or(-errno)
}

/// # Safety
///
/// The header's rules.
unsafe fn guarded<T>(c: *mut LxcContainer, failure: T, act: impl FnOnce() -> Result<T>) -> T {
    if c.is_null() {
        return failure;
    }
    let error = match catch_unwind(AssertUnwindSafe(act)) {
        Ok(Ok(value)) => return value,
        Ok(Err(error)) => error,
        Err(_) => Error::new("a bug of liblxc: it panicked"),
    };
    // SAFETY: as the caller promises.
    let _ = catch_unwind(AssertUnwindSafe(|| unsafe { keep(c, &error) }));
    failure
}

/// Has `act` done, which concerns no container; `failure` if that fails.
pub fn without<T>(failure: T, act: impl FnOnce() -> Result<T>) -> T {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => {
            let _ = catch_unwind(|| log::failed(None, &error));
            failure
        }
        Err(_) => failure,
    }
}

/// Keeps `error` as the container's last one.
///
/// # Safety
///
/// The header's rules; not null.
pub unsafe fn keep(c: *mut LxcContainer, error: &Error) {
    let text = strings::give(error.to_string());
    // SAFETY: as the caller promises.
    let container = unsafe { lock(c) };
    log::failed(Some(container.identity()), error);
    // SAFETY: the container is alive; its error is written under its lock only, and is of malloc.
    unsafe {
        libc::free(ptr::replace(&raw mut (*c).error_string, text).cast());
        (*c).error_num = error.errno.unwrap_or(-1);
    }
}

/// # Safety
///
/// The header's rules; not null.
unsafe fn lock<'a>(c: *mut LxcContainer) -> MutexGuard<'a, Container> {
    // SAFETY: the container comes from `lxc_container_new`, so it is the first member of a `Handle`; this is a
    // reference to the other one, which C does not know.
    let private = unsafe { &(*c.cast::<Handle>()).private };
    private.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows C what changed of the container.
///
/// # Safety
///
/// The header's rules; not null, and locked.
unsafe fn publish(c: *mut LxcContainer, container: &Container) {
    let identity = container.identity();
    // SAFETY: these members are written under the lock only, and are of malloc.
    unsafe {
        let is_same = strings::text((*c).name) == Some(identity.name.as_str())
            && strings::path((*c).config_path) == Some(&*identity.lxcpath);
        if !is_same {
            replace(&raw mut (*c).name, identity.name.as_str().as_bytes());
            replace(&raw mut (*c).config_path, bytes(&identity.lxcpath));
            replace(&raw mut (*c).configfile, bytes(&identity.config_file()));
        }
        // Opaque to C; but whether it is null says whether there is a configuration.
        let marker = if container.is_loaded() { c.cast() } else { ptr::null_mut() };
        (*c).lxc_conf = marker;
    }
}

/// # Safety
///
/// `member` is null or of malloc.
unsafe fn replace(member: *mut *mut std::ffi::c_char, text: &[u8]) {
    // SAFETY: as the caller promises.
    unsafe { libc::free(ptr::replace(member, strings::give(text)).cast()) };
}

pub fn bytes(path: &Path) -> &[u8] {
    std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str())
}

/// A time limit in seconds; none if it is negative.
pub fn timeout(seconds: c_int) -> Option<std::time::Duration> {
    u64::try_from(seconds).ok().map(std::time::Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{handle, lxc_container_get, lxc_container_put};

    #[test]
    fn a_panic_is_a_failure_like_any_other() {
        assert_eq!(without(-1, || -> Result<i32> { panic!("on purpose") }), -1);
        let c = handle(Container::new("t-none", Some(Path::new("/nowhere"))).unwrap()).unwrap();
        // SAFETY: the container was just made, and is put as often as it was got.
        unsafe {
            assert!(!with(c, false, |_| panic!("on purpose")));
            assert!(strings::text((*c).error_string).unwrap().contains("panicked"));
            // Its lock is free again.
            assert!(with(c, false, |container| Ok(container.identity().name.as_str() == "t-none")));
            assert!(!beside(c, false, |_| Err(Error::new("said so"))));
            assert_eq!(strings::text((*c).error_string), Some("said so"));
            assert_eq!(
                (lxc_container_get(c), lxc_container_put(c), lxc_container_put(c)),
                (1, 0, 1)
            );
        }
    }
}
