//! Which containers there are.

use std::collections::BTreeMap;
use std::ffi::{c_char, c_int};
use std::path::{Path, PathBuf};

use lxc_rs::config::SystemConfig;
use lxc_rs::{Container, Error, Result};

use crate::container::{handle, lxc_container_put};
use crate::entry::without;
use crate::layout::LxcContainer;
use crate::strings::{give, give_array, path};

/// Where the names go.
type Names = *mut *mut *mut c_char;
/// Where the containers go.
type Containers = *mut *mut *mut LxcContainer;

/// The containers that have a configuration.
///
/// # Safety
///
/// The header's rules.
// SAFETY: the name is the interface's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn list_defined_containers(
    lxcpath: *const c_char,
    names: Names,
    containers: Containers,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { list(lxcpath, names, containers, Container::defined) }
}

/// The containers that run.
///
/// # Safety
///
/// The header's rules.
// SAFETY: the name is the interface's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn list_active_containers(
    lxcpath: *const c_char,
    names: Names,
    containers: Containers,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { list(lxcpath, names, containers, Container::active) }
}

/// The containers that have a configuration or run.
///
/// # Safety
///
/// The header's rules.
// SAFETY: the name is the interface's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn list_all_containers(
    lxcpath: *const c_char,
    names: Names,
    containers: Containers,
) -> c_int {
    let all = |path: &Path| -> Result<Vec<Container>> {
        let all = Container::defined(path)?.into_iter().chain(Container::active(path)?);
        let by_name = all.map(|one| (one.identity().name.clone(), one));
        Ok(by_name.collect::<BTreeMap<_, _>>().into_values().collect())
    };
    // SAFETY: as the caller promises.
    unsafe { list(lxcpath, names, containers, all) }
}

/// Gives the caller what `find` finds, as far as it wants names and containers; how many there are. One whose
/// configuration cannot be read is left out where containers are wanted.
///
/// # Safety
///
/// The header's rules.
unsafe fn list(
    lxcpath: *const c_char,
    names: Names,
    containers: Containers,
    find: impl FnOnce(&Path) -> Result<Vec<Container>>,
) -> c_int {
    without(-1, || {
        // SAFETY: as the caller promises.
        let lxcpath = match unsafe { path(lxcpath) } {
            Some(path) => path.to_owned(),
            None => SystemConfig::load()?.get("lxc.lxcpath").map(PathBuf::from).unwrap_or_default(),
        };
        let mut found = Vec::new();
        for container in find(&lxcpath)? {
            let name = container.identity().name.clone();
            if containers.is_null() {
                found.push((name, std::ptr::null_mut()));
            } else if let Ok(container) = handle(container) {
                found.push((name, container));
            }
        }
        let Ok(count) = c_int::try_from(found.len()) else {
            for (_, container) in found {
                // SAFETY: it was made here, and nobody else has it.
                unsafe { lxc_container_put(container) };
            }
            return Err(Error::new("there are too many containers"));
        };
        // SAFETY: each place is null or the caller's.
        unsafe {
            if let Some(names) = names.as_mut() {
                let copies = found.iter().map(|(name, _)| give(name.as_str()));
                *names = give_array(&copies.collect::<Vec<_>>());
            }
            if let Some(containers) = containers.as_mut() {
                let all = found.iter().map(|(_, container)| *container);
                *containers = give_array(&all.collect::<Vec<_>>());
            }
        }
        Ok(count)
    })
}
