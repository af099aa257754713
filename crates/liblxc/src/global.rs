//! Functions that concern no container.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;
use std::sync::Mutex;

use lxc_rs::State;
use lxc_rs::config::{SystemConfig, key};

use lxc_rs::version::LXC_RELEASE_C;

use crate::strings::text;

/// The LXC release whose interface this library provides.
// SAFETY: the name is the interface's own; nothing else in the program defines it.
#[unsafe(no_mangle)]
pub extern "C" fn lxc_get_version() -> *const c_char {
    LXC_RELEASE_C.as_ptr()
}

/// The words of all states, by their numbers.
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

/// The word of a state.
pub fn state(state: State) -> &'static CStr {
    NAMES[state as usize]
}

/// The names of all states, in the order of their numbers; returns how many there are.
///
/// # Safety
///
/// `states` is null or has room for 8 pointers.
// SAFETY: the name is the interface's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lxc_get_wait_states(states: *mut *const c_char) -> c_int {
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
    unsafe { text(key) }.is_some_and(|key| key == "lxc.include" || key::find(key).is_some())
}

/// What this library has of what came to LXC's after its first release (`lxc_has_api_extension`).
const EXTENSIONS: [&CStr; 30] = [
    c"lxc_log",
    c"lxc_config_item_is_supported",
    c"console_log",
    c"reboot2",
    c"mount_injection",
    c"cgroup_relative",
    c"mount_injection_file",
    c"seccomp_allow_nesting",
    c"seccomp_notify",
    c"network_veth_routes",
    c"network_ipvlan",
    c"network_l2proxy",
    c"network_gateway_device_route",
    c"network_phys_macvlan_mtu",
    c"network_veth_router",
    c"cgroup2_devices",
    c"cgroup2",
    c"pidfd",
    c"cgroup_advanced_isolation",
    c"network_bridge_vlan",
    c"time_namespace",
    c"seccomp_allow_deny_syntax",
    c"devpts_fd",
    c"seccomp_notify_fd_active",
    c"seccomp_proxy_send_notify_fd",
    c"idmapped_mounts",
    c"idmapped_mounts_v2",
    c"core_scheduling",
    c"cgroup2_auto_mounting",
    c"environment_runtime_hooks",
];

/// Whether this library has the extension `name` of the interface.
///
/// # Safety
///
/// `name` is null or a text that ends in NUL.
// SAFETY: the name is the interface's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lxc_has_api_extension(name: *const c_char) -> bool {
    // SAFETY: as the caller promises.
    unsafe { text(name) }
        .is_some_and(|name| EXTENSIONS.iter().any(|one| one.to_bytes() == name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
