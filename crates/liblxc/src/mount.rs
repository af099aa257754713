//! Methods that change the mounts of a running container.

use std::ffi::{c_char, c_int, c_ulong, c_void};

use lxc_rs::request::Injection;
use lxc_rs::{Error, Result};

use crate::entry::beside;
use crate::layout::{LxcContainer, LxcMount};
use crate::strings::{path, required, text};

/// `LXC_MOUNT_API_V1`, and what LXD says, which is the same to LXC.
const VERSIONS: [c_int; 2] = [1, 0];

/// # Safety
///
/// The header's rules; the data is a text.
pub unsafe extern "C" fn mount(
    c: *mut LxcContainer,
    source: *const c_char,
    target: *const c_char,
    fstype: *const c_char,
    flags: c_ulong,
    data: *const c_void,
    how: *mut LxcMount,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        beside(c, -1, |container| {
            check(how)?;
            let mount = Injection {
                source: text(source).unwrap_or("none").to_owned(),
                target: required(target, "the place to mount on")?.into(),
                fstype: text(fstype).map(str::to_owned),
                flags,
                data: text(data.cast()).map(str::to_owned),
            };
            container.mount(&mount).map(|()| 0)
        })
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn umount(
    c: *mut LxcContainer,
    target: *const c_char,
    flags: c_ulong,
    how: *mut LxcMount,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        beside(c, -1, |container| {
            check(how)?;
            let target = path(target).ok_or_else(|| Error::new("no mount is named"))?;
            let flags = i32::try_from(flags)
                .map_err(|_| Error::new(format!("{flags:#x} are no flags of umount2(2)")))?;
            container.unmount(target, flags).map(|()| 0)
        })
    }
}

/// # Safety
///
/// The header's rules.
unsafe fn check(how: *const LxcMount) -> Result<()> {
    // SAFETY: as the caller promises.
    match unsafe { how.as_ref() } {
        Some(how) if VERSIONS.contains(&how.version) => Ok(()),
        _ => Err(Error::new("the version of the interface for mounts is not 1")),
    }
}
