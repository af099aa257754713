//! Methods on the configuration.

use std::ffi::{c_char, c_int};
use std::path::PathBuf;
use std::ptr;

use lxc_rs::config::{Document, get, key};
use lxc_rs::{Container, Error, Result};

use crate::entry::{bytes, with};
use crate::layout::LxcContainer;
use crate::strings::{fill, give, path, required, text};

/// The file to read or write: `file`, or the container's own, which the program may have changed.
///
/// # Safety
///
/// The header's rules; not null.
unsafe fn file(c: *mut LxcContainer, container: &Container, file: *const c_char) -> PathBuf {
    // SAFETY: as the caller promises.
    unsafe { path(file).or_else(|| path((*c).configfile)) }
        .map_or_else(|| container.identity().config_file(), PathBuf::from)
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn load_config(c: *mut LxcContainer, alternative: *const c_char) -> bool {
    // SAFETY: as the caller promises; `with` does nothing with a null container.
    unsafe {
        with(c, false, |container| {
            let file = file(c, container, alternative);
            // A configuration that was read already gets the file once more, as in LXC.
            if container.is_loaded() || file != container.identity().config_file() {
                container.load(&file)?;
            } else if container.is_defined()? {
                container.document()?;
            } else {
                return Err(Error::new(format!("there is no file {}", file.display())));
            }
            Ok(true)
        })
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn save_config(c: *mut LxcContainer, alternative: *const c_char) -> bool {
    // SAFETY: as the caller promises; `with` does nothing with a null container.
    unsafe {
        with(c, false, |container| {
            let file = file(c, container, alternative);
            container.save_to(&file).map(|()| true)
        })
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn config_file_name(c: *mut LxcContainer) -> *mut c_char {
    // SAFETY: as the caller promises.
    unsafe {
        with(c, ptr::null_mut(), |container| Ok(give(bytes(&container.identity().config_file()))))
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn get_config_path(c: *mut LxcContainer) -> *const c_char {
    // SAFETY: as the caller promises.
    if c.is_null() { ptr::null() } else { unsafe { (*c).config_path } }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn set_config_path(c: *mut LxcContainer, lxcpath: *const c_char) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        with(c, false, |container| {
            let lxcpath = path(lxcpath).ok_or_else(|| Error::new("the path is missing"))?;
            container.set_lxcpath(lxcpath)?;
            if container.is_defined()? {
                container.document()?;
            }
            Ok(true)
        })
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn set_config_item(
    c: *mut LxcContainer,
    key: *const c_char,
    value: *const c_char,
) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        with(c, false, |container| {
            let (key, value) = (required(key, "the key")?, text(value).unwrap_or_default());
            container.document()?.set(key, value, "set_config_item").map(|()| true)
        })
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn clear_config_item(c: *mut LxcContainer, key: *const c_char) -> bool {
    // SAFETY: as the caller promises.
    unsafe { set_config_item(c, key, ptr::null()) }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn clear_config(c: *mut LxcContainer) {
    // SAFETY: as the caller promises.
    unsafe {
        with(c, (), |container| {
            *container.document()? = Document::default();
            Ok(())
        });
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn get_config_item(
    c: *mut LxcContainer,
    key: *const c_char,
    buffer: *mut c_char,
    length: c_int,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        with(c, -1, |container| {
            let value = get(&loaded(container)?.config, required(key, "the key")?)?;
            fill(&value, buffer, length)
        })
    }
}

fn loaded(container: &mut Container) -> Result<&Document> {
    if !container.is_loaded() {
        return Err(Error::new("there is no configuration"));
    }
    container.document().map(|document| &*document)
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn get_keys(
    c: *mut LxcContainer,
    key: *const c_char,
    buffer: *mut c_char,
    length: c_int,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        with(c, -1, |container| {
            let names = match text(key) {
                None => key::names(),
                Some(key) => key::names_below(&container.document()?.config, key),
            };
            if names.is_empty() {
                return Err(Error::new("no key begins with that"));
            }
            let lines: String = names.into_iter().flat_map(|name| [name, "\n"]).collect();
            fill(&lines, buffer, length)
        })
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn get_running_config_item(
    c: *mut LxcContainer,
    key: *const c_char,
) -> *mut c_char {
    // SAFETY: as the caller promises.
    unsafe {
        with(c, ptr::null_mut(), |container| {
            let value = container.running_item(required(key, "the key")?)?;
            Ok(value.map_or(ptr::null_mut(), give))
        })
    }
}
