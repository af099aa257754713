//! Methods that have CRIU write a container down and make it again.

use std::ffi::{c_char, c_int, c_uint};
use std::path::{Path, PathBuf};

use lxc_rs::request::{Checkpoint, Images, Start};
use lxc_rs::{Container, Error, Result};

use crate::entry::beside_with_configuration;
use crate::layout::{LxcContainer, MigrateOptions};
use crate::strings::{path, text};

/// `MIGRATE_*`.
mod command {
    pub const PRE_DUMP: u32 = 0;
    pub const DUMP: u32 = 1;
    pub const RESTORE: u32 = 2;
    pub const FEATURE_CHECK: u32 = 3;
}

/// `FEATURE_*`, with CRIU's names.
const FEATURES: [(u64, &str); 2] = [(1, "mem_dirty_track"), (2, "lazy_pages")];

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn checkpoint(
    c: *mut LxcContainer,
    directory: *mut c_char,
    stop: bool,
    verbose: bool,
) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        beside_with_configuration(c, false, |container| {
            let images = images(directory, verbose)?;
            container.checkpoint(&Checkpoint { stop, ..Checkpoint::to(images) }).map(|()| true)
        })
    }
}

/// # Safety
///
/// The header's rules.
pub unsafe extern "C" fn restore(
    c: *mut LxcContainer,
    directory: *mut c_char,
    verbose: bool,
) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        beside_with_configuration(c, false, |container| {
            let images = images(directory, verbose)?;
            remake(c, container, images).map(|()| true)
        })
    }
}

/// # Safety
///
/// The header's rules; there are `size` bytes of the options.
pub unsafe extern "C" fn migrate(
    c: *mut LxcContainer,
    what: c_uint,
    options: *mut MigrateOptions,
    size: c_uint,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe {
        beside_with_configuration(c, -1, |container| {
            let given = read(options, size)?;
            match what {
                command::PRE_DUMP | command::DUMP => {
                    let pre_dump = what == command::PRE_DUMP;
                    container.checkpoint(&request(&given, pre_dump)?)?;
                }
                command::RESTORE => {
                    let images = Images {
                        action_script: script(&given)?,
                        ..images(given.directory, given.verbose)?
                    };
                    remake(c, container, images)?;
                }
                command::FEATURE_CHECK => {
                    let wanted = given.features_to_check;
                    let known = FEATURES.iter().filter(|(bit, _)| wanted & bit != 0);
                    let mut found = 0;
                    for (bit, name) in known {
                        if container.has_checkpoint_feature(name)? {
                            found |= bit;
                        }
                    }
                    // The last member: one who asks has it.
                    (*options).features_to_check = found;
                    if found != wanted {
                        return Err(Error::new("CRIU does not have all of these features here"));
                    }
                }
                _ => return Err(Error::new(format!("{what} is no command of migrate"))),
            }
            Ok(0)
        })
    }
}

/// The options as far as the caller has them; what is beyond is zero.
///
/// # Safety
///
/// There are `size` bytes of them, if they are not null.
unsafe fn read(options: *const MigrateOptions, size: c_uint) -> Result<MigrateOptions> {
    if options.is_null() {
        return Err(Error::new("there are no options"));
    }
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let own = size_of::<MigrateOptions>();
    // SAFETY: zero is a value of each member, and as the caller promises. Each byte is copied.
    unsafe {
        let bytes = options.cast::<u8>();
        if (own..size).any(|at| *bytes.add(at) != 0) {
            return Err(Error::new("there are options that this release does not know"));
        }
        let mut copy: MigrateOptions = std::mem::zeroed();
        std::ptr::copy_nonoverlapping(bytes, (&raw mut copy).cast::<u8>(), size.min(own));
        Ok(copy)
    }
}

/// # Safety
///
/// The header's rules.
unsafe fn request(given: &MigrateOptions, pre_dump: bool) -> Result<Checkpoint> {
    // SAFETY: as the caller promises.
    unsafe {
        let images =
            Images { action_script: script(given)?, ..images(given.directory, given.verbose)? };
        let server = (text(given.pageserver_address), text(given.pageserver_port));
        Ok(Checkpoint {
            stop: given.stop,
            pre_dump,
            previous: path(given.predump_dir).map(PathBuf::from),
            page_server: match server {
                (Some(address), Some(port)) => Some((address.to_owned(), port.to_owned())),
                (None, None) => None,
                _ => return Err(Error::new("a page server has an address and a port")),
            },
            skip_in_flight: !given.disable_skip_in_flight,
            ghost_limit: Some(given.ghost_limit).filter(|limit| *limit > 0),
            other_inodes: !given.preserves_inodes,
            ..Checkpoint::to(images)
        })
    }
}

/// # Safety
///
/// The header's rules.
unsafe fn script(given: &MigrateOptions) -> Result<Option<PathBuf>> {
    // SAFETY: as the caller promises.
    unsafe { path(given.action_script) }.map(absolute).transpose()
}

/// # Safety
///
/// The header's rules.
unsafe fn images(directory: *const c_char, verbose: bool) -> Result<Images> {
    // SAFETY: as the caller promises.
    let dir = unsafe { path(directory) }.ok_or_else(|| Error::new("no directory is named"))?;
    Ok(Images { dir: absolute(dir)?, verbose, action_script: None })
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path)
        .map_err(|error| Error::new(format!("cannot resolve {}: {error}", path.display())))
}

/// # Safety
///
/// The header's rules; not null.
unsafe fn remake(c: *mut LxcContainer, container: &mut Container, images: Images) -> Result<()> {
    let request = Start {
        // SAFETY: as the caller promises.
        daemon: unsafe { (*c).daemonize },
        restore: Some(images),
        ..container.to_start()
    };
    container.start(&request).map(drop)
}
