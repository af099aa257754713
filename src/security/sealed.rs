//! Memory files that nobody can change any more (memfd_create(2), "File sealing").

use std::ffi::CStr;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::error::{Context, Result};

/// A sealed copy of what `source` holds, to be read from its beginning; close-on-exec.
pub fn copy_of(name: &CStr, mut source: impl Read) -> Result<OwnedFd> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let mut file =
        memfd_create(name, flags).map(File::from).what(|| "cannot make a memory file")?;
    std::io::copy(&mut source, &mut file)
        .and_then(|_| file.rewind())
        .what(|| "cannot fill a memory file")?;
    let seals = SealFlag::F_SEAL_WRITE
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).what(|| "cannot seal a memory file")?;
    Ok(file.into())
}
