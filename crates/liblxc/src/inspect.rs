//! Methods that look at a container, its cgroup and its devices.

use std::ffi::{c_char, c_int};
use std::net::IpAddr;
use std::os::fd::IntoRawFd;
use std::ptr;
use std::time::Duration;

use libc::pid_t;
use lxc_rs::request::Device;
use lxc_rs::{Container, Error, State};

use crate::entry::{beside, with};
use crate::layout::LxcContainer;
use crate::strings::{fill, give_list, required, text};

/// Longer than any monitor lives.
const FOR_EVER: Duration = Duration::from_secs(1 << 31);

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
    unsafe {
        beside(c, -libc::EBADF, |container| container.init_pidfd().map(IntoRawFd::into_raw_fd))
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn devpts_fd(c: *mut LxcContainer) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        beside(c, -libc::EBADF, |container| {
            let devpts = container.devpts()?;
            devpts
                .map(IntoRawFd::into_raw_fd)
                .ok_or_else(|| Error::new("the container has no devpts of its own"))
        })
    }
}

/// The listener of the process that this handle started in its own process, which none does here.
///
/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn seccomp_notify_fd(c: *mut LxcContainer) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        with(c, -libc::EBADF, |_| {
            Err(Error::new("the monitor has the listener: see seccomp_notify_fd_active"))
        })
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn seccomp_notify_fd_active(c: *mut LxcContainer) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        beside(c, -libc::EBADF, |container| {
            let listener = container.seccomp_listener()?;
            listener
                .map(IntoRawFd::into_raw_fd)
                .ok_or_else(|| Error::new("the container's seccomp profile notifies nobody"))
        })
    }
}

/// Takes a number of seconds, or -1 for as long as it takes.
///
/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn set_timeout(c: *mut LxcContainer, seconds: c_int) -> bool {
    // SAFETY: as the caller promises; `with` does nothing with a null container.
    unsafe {
        with(c, false, |container| {
            let within = match seconds {
                -1 => FOR_EVER,
                1.. => Duration::from_secs(u64::from(seconds.unsigned_abs())),
                _ => return Err(Error::new(format!("{seconds} s is no time to wait"))),
            };
            container.set_answer_within(Some(within));
            (*c).rcv_timeout = seconds;
            Ok(true)
        })
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn may_control(c: *mut LxcContainer) -> bool {
    // SAFETY: as the caller promises.
    unsafe { beside(c, false, |container| container.may_control().map(|()| true)) }
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
            let scope = u32::try_from(scope).unwrap_or(u32::MAX);
            let wanted = |name: &str| interface.map_or(name != "lo", |wanted| wanted == name);
            let mut found: Vec<IpAddr> = Vec::new();
            for one in container.interfaces()?.iter().filter(|one| wanted(&one.name)) {
                let all = one.addresses.iter().chain(&one.local_addresses);
                found.extend(all.filter(|address| has_scope(address, one.index, scope)).copied());
            }
            found.retain(|address| match family {
                Some("inet") => address.is_ipv4(),
                Some("inet6") => address.is_ipv6(),
                Some(_) => false,
                None => true,
            });
            // As the kernel lists them.
            found.sort_by_key(IpAddr::is_ipv6);
            Ok(some_list(found.iter().map(ToString::to_string).collect()))
        })
    }
}

/// Whether an address of the link `index` is of this scope: of IPv6 only those of a link have one, which is the
/// link's number.
fn has_scope(address: &IpAddr, index: u32, scope: u32) -> bool {
    match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) if address.is_unicast_link_local() => scope == index,
        IpAddr::V6(_) => scope == 0,
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
