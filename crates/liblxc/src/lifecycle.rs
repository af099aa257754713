//! Methods that make, start, stop and remove a container.

use std::ffi::{c_char, c_int};
use std::path::PathBuf;
use std::time::Duration;

use lxc_rs::error::Kind;
use lxc_rs::request::{Create, Mode, Start, Storage};
use lxc_rs::{Container, Error, Result, Started, State};

use crate::entry::{beside, beside_with_configuration, timeout, with};
use crate::layout::{BdevSpecs, List, LxcContainer};
use crate::strings::{path, required, text, words};

/// `LXC_CREATE_QUIET`.
const QUIET: c_int = 1;
/// How long freezing may take.
const FREEZE_WITHIN: Duration = Duration::from_secs(10);

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn freeze(c: *mut LxcContainer) -> bool {
    // SAFETY: as the caller promises.
    unsafe { beside(c, false, |container| container.freeze(FREEZE_WITHIN).map(|()| true)) }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn unfreeze(c: *mut LxcContainer) -> bool {
    // SAFETY: as the caller promises.
    unsafe { beside(c, false, |container| container.unfreeze().map(|()| true)) }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn start(c: *mut LxcContainer, useinit: c_int, argv: List) -> bool {
    // SAFETY: as the caller promises; `beside` does nothing with a null container.
    unsafe {
        beside_with_configuration(c, false, |container| {
            let request = Start {
                mode: if useinit == 0 { Mode::Boot } else { Mode::Execute },
                command: words(argv),
                daemon: (*c).daemonize,
                pidfile: path((*c).pidfile).map(PathBuf::from),
                ..container.to_start()
            };
            (*c).error_num = 1;
            (*c).error_num = match container.start(&request)? {
                Started::Background(_) => 0,
                // As wait(2) has it.
                Started::Ended(code) => code << 8,
            };
            Ok(true)
        })
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn stop(c: *mut LxcContainer) -> bool {
    // SAFETY: as the caller promises.
    unsafe { beside(c, false, |container| unless_stopped(container.stop().map(|()| true))) }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn shutdown(c: *mut LxcContainer, seconds: c_int) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        beside(c, false, |container| {
            // Without time to wait the request alone counts.
            unless_stopped(container.shut_down(timeout(seconds)).map(|ended| ended || seconds == 0))
        })
    }
}

/// What does not run is as it should be.
fn unless_stopped(result: Result<bool>) -> Result<bool> {
    match result {
        Err(error) if error.kind == Kind::NotRunning => Ok(true),
        result => result,
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn reboot(c: *mut LxcContainer) -> bool {
    // SAFETY: as the caller promises.
    unsafe { reboot2(c, 0) }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn reboot2(c: *mut LxcContainer, seconds: c_int) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        beside(c, false, |container| {
            container.reboot(timeout(seconds)).map(|done| done || seconds == 0)
        })
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn wait(c: *mut LxcContainer, states: *const c_char, seconds: c_int) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        beside(c, false, |container| {
            let parse = |word: &str| {
                word.parse().map_err(|()| Error::new(format!("there is no state {word}")))
            };
            let states: Result<Vec<State>> =
                required(states, "a state to wait for")?.split('|').map(parse).collect();
            container.wait(&states?, timeout(seconds))
        })
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn want_daemonize(c: *mut LxcContainer, state: bool) -> bool {
    // SAFETY: as the caller promises; `with` does nothing with a null container.
    unsafe {
        with(c, false, |container| {
            require_configuration(container)?;
            (*c).daemonize = state;
            Ok(true)
        })
    }
}

/// A monitor never keeps its caller's descriptors, wanted or not.
///
/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn want_close_all_fds(c: *mut LxcContainer, _: bool) -> bool {
    // SAFETY: as the caller promises.
    unsafe { with(c, false, |container| require_configuration(container).map(|()| true)) }
}

fn require_configuration(container: &Container) -> Result<()> {
    if container.is_loaded() { Ok(()) } else { Err(Error::new("there is no configuration")) }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn create(
    c: *mut LxcContainer,
    template: *const c_char,
    bdevtype: *const c_char,
    specs: *const BdevSpecs,
    flags: c_int,
    argv: List,
) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        with(c, false, |container| {
            let backend = text(bdevtype).unwrap_or("dir");
            let request = Create {
                template: text(template).map(str::to_owned),
                arguments: words(argv),
                backend: Some(backend.to_owned()).filter(|backend| backend != "best"),
                storage: storage(specs, backend),
                quiet: flags & QUIET != 0,
                ..container.to_create()
            };
            container.create(&request)?;
            container.document().map(|_| true)
        })
    }
}

/// The settings of the storage of `backend`.
///
/// # Safety
///
/// The header's rules.
unsafe fn storage(specs: *const BdevSpecs, backend: &str) -> Storage {
    if specs.is_null() {
        return Storage::default();
    }
    // SAFETY: as the caller promises.
    unsafe {
        let dir = path((*specs).dir).map(PathBuf::from);
        if backend == "dir" {
            // Whatever else is in there means nothing to it.
            return Storage { dir, ..Storage::default() };
        }
        let owned = |pointer| text(pointer).map(str::to_owned);
        Storage {
            dir,
            size: Some((*specs).fssize).filter(|size| *size > 0).map(|size| format!("{size}B")),
            filesystem: owned((*specs).fstype),
            logical_volume: owned((*specs).lvm_lv),
            volume_group: owned((*specs).lvm_vg),
            thin_pool: owned((*specs).lvm_thinpool),
            zfs_root: owned((*specs).zfs_root),
            rbd_name: owned((*specs).rbd_name),
            rbd_pool: owned((*specs).rbd_pool),
        }
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn destroy(c: *mut LxcContainer) -> bool {
    // SAFETY: as the caller promises.
    unsafe { with(c, false, |container| container.destroy().map(|()| true)) }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn destroy_with_snapshots(c: *mut LxcContainer) -> bool {
    // SAFETY: as the caller promises.
    unsafe { with(c, false, |container| container.destroy_with_snapshots().map(|()| true)) }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn rename(c: *mut LxcContainer, name: *const c_char) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        with(c, false, |container| {
            container.rename(required(name, "the new name")?)?;
            container.document().map(|_| true)
        })
    }
}
