//! Making, sharing and freeing a container; the table of its methods.

use std::ffi::{c_char, c_int};
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, Ordering};

use lxc_rs::{Container, Result};

use crate::entry::{self, Handle, bytes};
use crate::layout::LxcContainer;
use crate::strings::{self, give};
use crate::{
    attach, checkpoint, configuration, console, copy, helper, inspect, lifecycle, mount, variadic,
};

/// The container `name` in `configpath`, or in the system's directory of containers, with one reference; null
/// if its configuration cannot be read. It need not exist.
///
/// # Safety
///
/// The header's rules.
// SAFETY: the name is the interface's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lxc_container_new(
    name: *const c_char,
    configpath: *const c_char,
) -> *mut LxcContainer {
    entry::without(ptr::null_mut(), || {
        // SAFETY: as the caller promises.
        let (name, path) = unsafe {
            (strings::required(name, "the container's name")?, strings::path(configpath))
        };
        handle(Container::new(name, path.filter(|path| !path.as_os_str().is_empty()))?)
    })
}

/// Takes another reference; whether that worked.
///
/// # Safety
///
/// The header's rules.
// SAFETY: the name is the interface's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lxc_container_get(c: *mut LxcContainer) -> c_int {
    if c.is_null() {
        return 0;
    }
    // SAFETY: the container is alive, and C leaves the number of references to these functions.
    let references = unsafe { AtomicI32::from_ptr(&raw mut (*c).numthreads) };
    references.fetch_add(1, Ordering::Relaxed);
    1
}

/// Gives a reference back; 1 if it was the last and the container is freed, 0 if not, -1 for null.
///
/// # Safety
///
/// The header's rules; the caller has a reference.
// SAFETY: the name is the interface's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lxc_container_put(c: *mut LxcContainer) -> c_int {
    if c.is_null() {
        return -1;
    }
    // SAFETY: as in `lxc_container_get`.
    let references = unsafe { AtomicI32::from_ptr(&raw mut (*c).numthreads) };
    if references.fetch_sub(1, Ordering::AcqRel) > 1 {
        return 0;
    }
    // SAFETY: nobody has another reference; it was made by `Box` in `handle`, and its texts by malloc.
    unsafe {
        let handle = Box::from_raw(c.cast::<Handle>());
        let LxcContainer { name, configfile, pidfile, error_string, config_path, .. } =
            handle.public;
        for text in [name, configfile, pidfile, error_string, config_path] {
            libc::free(text.cast());
        }
    }
    1
}

/// A container for C, with its configuration if it has one.
pub fn handle(mut container: Container) -> Result<*mut LxcContainer> {
    helper::find();
    if container.is_defined()? {
        container.document()?;
    }
    let identity = container.identity();
    let public = LxcContainer {
        name: give(identity.name.as_str()),
        configfile: give(bytes(&identity.config_file())),
        config_path: give(bytes(&identity.lxcpath)),
        ..EMPTY
    };
    let is_loaded = container.is_loaded();
    let c: *mut LxcContainer =
        Box::into_raw(Box::new(Handle { public, private: Mutex::new(container) })).cast();
    if is_loaded {
        // SAFETY: it was just made, and nobody else has it.
        unsafe { (*c).lxc_conf = c.cast() };
    }
    Ok(c)
}

/// A container without a name, and with all methods.
const EMPTY: LxcContainer = LxcContainer {
    name: ptr::null_mut(),
    configfile: ptr::null_mut(),
    pidfile: ptr::null_mut(),
    slock: ptr::null_mut(),
    privlock: ptr::null_mut(),
    numthreads: 1,
    lxc_conf: ptr::null_mut(),
    error_string: ptr::null_mut(),
    error_num: 0,
    daemonize: true,
    config_path: ptr::null_mut(),
    is_defined: inspect::is_defined,
    state: inspect::state,
    is_running: inspect::is_running,
    freeze: lifecycle::freeze,
    unfreeze: lifecycle::unfreeze,
    init_pid: inspect::init_pid,
    load_config: configuration::load_config,
    start: lifecycle::start,
    startl: variadic::startl,
    stop: lifecycle::stop,
    want_daemonize: lifecycle::want_daemonize,
    want_close_all_fds: lifecycle::want_close_all_fds,
    config_file_name: configuration::config_file_name,
    wait: lifecycle::wait,
    set_config_item: configuration::set_config_item,
    destroy: lifecycle::destroy,
    save_config: configuration::save_config,
    create: lifecycle::create,
    createl: variadic::createl,
    rename: lifecycle::rename,
    reboot: lifecycle::reboot,
    shutdown: lifecycle::shutdown,
    clear_config: configuration::clear_config,
    clear_config_item: configuration::clear_config_item,
    get_config_item: configuration::get_config_item,
    get_running_config_item: configuration::get_running_config_item,
    get_keys: configuration::get_keys,
    get_interfaces: inspect::get_interfaces,
    get_ips: inspect::get_ips,
    get_cgroup_item: inspect::get_cgroup_item,
    set_cgroup_item: inspect::set_cgroup_item,
    get_config_path: configuration::get_config_path,
    set_config_path: configuration::set_config_path,
    clone: copy::clone,
    console_getfd: console::console_getfd,
    console: console::console,
    attach: attach::attach,
    attach_run_wait: attach::attach_run_wait,
    attach_run_waitl: variadic::attach_run_waitl,
    snapshot: copy::snapshot,
    snapshot_list: copy::snapshot_list,
    snapshot_restore: copy::snapshot_restore,
    snapshot_destroy: copy::snapshot_destroy,
    may_control: inspect::may_control,
    add_device_node: inspect::add_device_node,
    remove_device_node: inspect::remove_device_node,
    attach_interface: inspect::attach_interface,
    detach_interface: inspect::detach_interface,
    checkpoint: checkpoint::checkpoint,
    restore: checkpoint::restore,
    destroy_with_snapshots: lifecycle::destroy_with_snapshots,
    snapshot_destroy_all: copy::snapshot_destroy_all,
    migrate: checkpoint::migrate,
    console_log: console::console_log,
    reboot2: lifecycle::reboot2,
    mount: mount::mount,
    umount: mount::umount,
    seccomp_notify_fd: inspect::seccomp_notify_fd,
    seccomp_notify_fd_active: inspect::seccomp_notify_fd_active,
    init_pidfd: inspect::init_pidfd,
    devpts_fd: inspect::devpts_fd,
    rcv_timeout: 0,
    set_timeout: inspect::set_timeout,
};
