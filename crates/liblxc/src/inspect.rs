//! Methods that look at a container, its cgroup and its devices.

use std::ffi::{c_char, c_int};
use std::os::fd::IntoRawFd;
use std::ptr;

use libc::pid_t;
use lxc_rs::error::Kind;
use lxc_rs::request::Device;
use lxc_rs::{Container, Error, State};

use crate::entry::{beside, with};
use crate::layout::LxcContainer;
use crate::missing::not_supported;
use crate::strings::{fill, give_list, required, text};

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn is_defined(c: *mut LxcContainer) -> bool {
    // SAFETY: as the caller promises.
    unsafe { with(c, false, Container::is_defined) }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn state(c: *mut LxcContainer) -> *const c_char {
    // SAFETY: as the caller promises.
    unsafe {
        beside(c, ptr::null(), |container| Ok(crate::global::state(container.state()?).as_ptr()))
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn is_running(c: *mut LxcContainer) -> bool {
    // SAFETY: as the caller promises.
    unsafe { beside(c, false, |container| Ok(container.state()? != State::Stopped)) }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn init_pid(c: *mut LxcContainer) -> pid_t {
    // SAFETY: as the caller promises.
    unsafe { beside(c, -1, Container::init_pid) }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn init_pidfd(c: *mut LxcContainer) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { beside(c, -1, |container| container.init_pidfd().map(IntoRawFd::into_raw_fd)) }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn devpts_fd(c: *mut LxcContainer) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        beside(c, -1, |container| {
            let devpts = container.devpts()?;
            devpts
                .map(IntoRawFd::into_raw_fd)
                .ok_or_else(|| Error::new("the container has no devpts of its own"))
        })
    }
}

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

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn may_control(c: *mut LxcContainer) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        beside(c, false, |container| match container.init_pid() {
            Err(error) if error.kind != Kind::NotRunning => Err(error),
            _ => Ok(true),
        })
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn get_interfaces(c: *mut LxcContainer) -> *mut *mut c_char {
    // SAFETY: as the caller promises.
    unsafe {
        beside(c, ptr::null_mut(), |container| {
            let interfaces = container.interfaces()?;
            Ok(some_list(interfaces.into_iter().map(|one| one.name).collect()))
        })
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn get_ips(
    c: *mut LxcContainer,
    interface: *const c_char,
    family: *const c_char,
    scope: c_int,
) -> *mut *mut c_char {
    // SAFETY: as the caller promises.
    unsafe {
        beside(c, ptr::null_mut(), |container| {
            let (interface, family) = (text(interface), text(family));
            if scope != 0 && family != Some("inet") {
                return not_supported("get_ips with a scope");
            }
            let wanted = |name: &str| interface.map_or(name != "lo", |wanted| wanted == name);
            let addresses = container.interfaces()?.into_iter().filter(|one| wanted(&one.name));
            let addresses =
                addresses.flat_map(|one| one.addresses).filter(|address| match family {
                    Some("inet") => address.is_ipv4(),
                    Some("inet6") => address.is_ipv6(),
                    Some(_) => false,
                    None => true,
                });
            Ok(some_list(addresses.map(|address| address.to_string()).collect()))
        })
    }
}

/// In C an empty list is null.
fn some_list(texts: Vec<String>) -> *mut *mut c_char {
    if texts.is_empty() { ptr::null_mut() } else { give_list(texts) }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn get_cgroup_item(
    c: *mut LxcContainer,
    file: *const c_char,
    buffer: *mut c_char,
    length: c_int,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        beside(c, -1, |container| {
            let content = container.cgroup_item(required(file, "the file")?)?;
            fill(&content, buffer, length)
        })
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn set_cgroup_item(
    c: *mut LxcContainer,
    file: *const c_char,
    value: *const c_char,
) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        beside(c, false, |container| {
            let (file, value) = (required(file, "the file")?, required(value, "the value")?);
            container.set_cgroup_item(file, value).map(|()| true)
        })
    }
}

/// Methods that move a device from the first argument to the second.
macro_rules! device {
    ($($name:ident: $method:ident($kind:expr);)+) => {$(
        /// # Safety
        ///
        /// The header's rules.
        pub unsafe extern "C" fn $name(
            c: *mut LxcContainer,
            device: *const c_char,
            target: *const c_char,
        ) -> bool {
            // SAFETY: as the caller promises.
            unsafe {
                beside(c, false, |container| {
                    let device = $kind(required(device, "the device")?.into());
                    container.$method(&device, text(target)).map(|()| true)
                })
            }
        }
    )+};
}

device! {
    add_device_node: add_device(Device::Node);
    remove_device_node: remove_device(Device::Node);
    attach_interface: add_device(Device::Link);
    detach_interface: remove_device(Device::Link);
}
