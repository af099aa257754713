//! The C interface: the functions of `liblxc.so.1` that this library has so far.
//!
//! Names, arguments and who owns what are those of `lxc/lxccontainer.h` (Debian's lxc-dev). Texts
//! that are returned belong to the library and stay valid until the program ends.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;
use std::sync::Mutex;

use lxc_rs::config::{SystemConfig, key};
use lxc_rs::version::LXC_RELEASE_C;

/// The LXC release whose interface this library provides.
// SAFETY: the name is the interface's own; nothing else in the program defines it.
#[unsafe(no_mangle)]
pub extern "C" fn lxc_get_version() -> *const c_char {
    LXC_RELEASE_C.as_ptr()
}

/// The names of all states, in the order of their numbers; returns how many there are.
///
/// # Safety
///
/// `states` is null or has room for 8 pointers.
// SAFETY: the name is the interface's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lxc_get_wait_states(states: *mut *const c_char) -> c_int {
    const NAMES: [&CStr; 8] = [
        c"STOPPED",
        c"STARTING",
        c"RUNNING",
        c"STOPPING",
        c"ABORTING",
        c"FREEZING",
        c"FROZEN",
        c"THAWED",
    ];
    if !states.is_null() {
        for (index, name) in NAMES.iter().enumerate() {
            // SAFETY: the caller made room for this many.
            unsafe { states.add(index).write(name.as_ptr()) };
        }
    }
    8
}

/// A value of `lxc.conf`, or its default; null if there is no such item.
///
/// # Safety
///
/// `key` is null or a text that ends in NUL.
// SAFETY: the name is the interface's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lxc_get_global_config_item(key: *const c_char) -> *const c_char {
    static GIVEN_OUT: Mutex<BTreeMap<CString, &'static CStr>> = Mutex::new(BTreeMap::new());
    // SAFETY: as the caller promises.
    let Some(key) = (unsafe { text(key) }) else { return ptr::null() };
    let value = SystemConfig::load().ok().and_then(|config| config.get(key));
    let Some(value) = value.and_then(|value| CString::new(value).ok()) else { return ptr::null() };
    let mut given_out = GIVEN_OUT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // One copy for each text that ever was a value.
    let copy = given_out
        .entry(value)
        .or_insert_with_key(|value| Box::leak(value.clone().into_boxed_c_str()));
    copy.as_ptr()
}

/// Whether `key` is a key of a container's configuration.
///
/// # Safety
///
/// `key` is null or a text that ends in NUL.
// SAFETY: the name is the interface's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lxc_config_item_is_supported(key: *const c_char) -> bool {
    // SAFETY: as the caller promises.
    unsafe { text(key) }.is_some_and(|key| key::find(key).is_some())
}

/// The text at `pointer`; `None` if it is null or no UTF-8.
///
/// # Safety
///
/// `pointer` is null or points to a text that ends in NUL and outlives `'a`.
unsafe fn text<'a>(pointer: *const c_char) -> Option<&'a str> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: not null, and as the caller promises.
    unsafe { CStr::from_ptr(pointer) }.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lxc_rs::State;

    #[test]
    fn states_are_named_in_order() {
        let mut names = [ptr::null(); 8];
        // SAFETY: room for eight.
        assert_eq!(unsafe { lxc_get_wait_states(names.as_mut_ptr()) }, 8);
        for (state, name) in State::ALL.into_iter().zip(names) {
            // SAFETY: it was just written.
            assert_eq!(unsafe { text(name) }, Some(state.word()));
        }
    }

    #[test]
    fn items_and_keys_are_looked_up() {
        // SAFETY: literals end in NUL.
        unsafe {
            assert!(!lxc_get_global_config_item(c"lxc.lxcpath".as_ptr()).is_null());
            assert!(lxc_get_global_config_item(c"lxc.nothing".as_ptr()).is_null());
            assert!(lxc_get_global_config_item(ptr::null()).is_null());
            assert!(lxc_config_item_is_supported(c"lxc.net.0.type".as_ptr()));
            assert!(!lxc_config_item_is_supported(c"lxc.colour".as_ptr()));
        }
    }
}
