//! Copies and snapshots.

use std::ffi::{c_char, c_int};
use std::ptr;

use lxc_rs::request::{Copy, Storage};
use lxc_rs::{Container, Error, Result};

use crate::container::handle;
use crate::entry::{beside, beside_with_configuration, bytes, with};
use crate::layout::{List, LxcContainer, LxcSnapshot};
use crate::strings::{give, give_array, path, required, text, texts};

/// `LXC_CLONE_*`.
mod flag {
    pub const KEEP_NAME: i32 = 1;
    pub const KEEP_MAC: i32 = 2;
    pub const SNAPSHOT: i32 = 4;
    /// The copy has the source's storage, which is the rule here unless another one is named.
    pub const KEEP_BACKEND: i32 = 8;
    /// A snapshot where the storage has them, else a copy.
    pub const MAYBE_SNAPSHOT: i32 = 16;
    pub const ALLOW_RUNNING: i32 = 64;
    pub const ALL: i32 =
        KEEP_NAME | KEEP_MAC | SNAPSHOT | KEEP_BACKEND | MAYBE_SNAPSHOT | ALLOW_RUNNING;
}

/// No kind of storage here has a use for `bdevdata`.
///
/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn clone(
    c: *mut LxcContainer,
    name: *const c_char,
    lxcpath: *const c_char,
    flags: c_int,
    bdevtype: *const c_char,
    _bdevdata: *const c_char,
    size: u64,
    hook_arguments: List,
) -> *mut LxcContainer {
    // SAFETY: as the caller promises.
    unsafe {
        beside_with_configuration(c, ptr::null_mut(), |container| {
            if flags & !flag::ALL != 0 {
                return Err(Error::new(format!("{:#x} is no flag of clone", flags & !flag::ALL)));
            }
            let own = container.identity().clone();
            let name = text(name).unwrap_or(own.name.as_str());
            let target = Container::new(name, Some(path(lxcpath).unwrap_or(&own.lxcpath)))?;
            let request = Copy {
                snapshot: flags & flag::SNAPSHOT != 0,
                snapshot_if_possible: flags & flag::MAYBE_SNAPSHOT != 0,
                backend: text(bdevtype).map(str::to_owned),
                storage: Storage {
                    size: Some(size).filter(|size| *size > 0).map(|size| format!("{size}B")),
                    ..Storage::default()
                },
                keep_name: flags & flag::KEEP_NAME != 0,
                keep_mac: flags & flag::KEEP_MAC != 0,
                allow_running: flags & flag::ALLOW_RUNNING != 0,
                hook_arguments: texts(hook_arguments)?,
                ..container.to_copy(&target)
            };
            container.copy(&request)?;
            handle(target)
        })
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn snapshot(c: *mut LxcContainer, comment: *const c_char) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        beside(c, -1, |container| {
            let (name, _) = container.snapshot(path(comment))?;
            let number = name.strip_prefix("snap").and_then(|number| number.parse().ok());
            number.ok_or_else(|| Error::new(format!("the snapshot {name} has no number")))
        })
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn snapshot_list(
    c: *mut LxcContainer,
    snapshots: *mut *mut LxcSnapshot,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        beside(c, -1, |container| {
            if snapshots.is_null() {
                return Err(Error::new("there is no place for the list"));
            }
            // Programs free it also when there are none.
            *snapshots = ptr::null_mut();
            if !container.is_defined()? {
                return Err(Error::new(format!("{} is not defined", container.identity())));
            }
            let all = container.snapshots()?;
            let count = c_int::try_from(all.len())
                .map_err(|_| Error::new("there are too many snapshots"))?;
            let for_c = |one: lxc_rs::Snapshot| LxcSnapshot {
                name: give(one.identity.name.as_str()),
                comment_pathname: give(bytes(&one.identity.dir().join("comment"))),
                timestamp: give(one.time),
                lxcpath: give(bytes(&one.identity.lxcpath)),
                free: free_snapshot,
            };
            if count > 0 {
                *snapshots = give_array(&all.into_iter().map(for_c).collect::<Vec<_>>());
            }
            Ok(count)
        })
    }
}

/// Frees the members.
///
/// # Safety
///
/// `snapshot` is null or one of `snapshot_list`, and was not freed.
unsafe extern "C" fn free_snapshot(snapshot: *mut LxcSnapshot) {
    if snapshot.is_null() {
        return;
    }
    // SAFETY: its members are null or of malloc.
    unsafe {
        let LxcSnapshot { name, comment_pathname, timestamp, lxcpath, .. } = *snapshot;
        for text in [name, comment_pathname, timestamp, lxcpath] {
            libc::free(text.cast());
        }
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn snapshot_restore(
    c: *mut LxcContainer,
    snapshot: *const c_char,
    name: *const c_char,
) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        with(c, false, |container| {
            container.restore_snapshot(required(snapshot, "the snapshot")?, text(name))?;
            container.document().map(|_| true)
        })
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn snapshot_destroy(c: *mut LxcContainer, name: *const c_char) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        beside(c, false, |container| {
            container.destroy_snapshot(required(name, "the snapshot")?).map(|()| true)
        })
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn snapshot_destroy_all(c: *mut LxcContainer) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        beside(c, false, |container| -> Result<bool> {
            container.destroy_snapshot("ALL").map(|()| true)
        })
    }
}
