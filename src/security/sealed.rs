//! Memory files that nobody can change any more (memfd_create(2), "File sealing").

use std::ffi::CStr;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::error::{Context, Result};

const FLAGS: MFdFlags = MFdFlags::MFD_CLOEXEC.union(MFdFlags::MFD_ALLOW_SEALING);

/// A sealed copy of what `source` holds, to be read from its beginning; close-on-exec.
pub fn copy_of(name: &CStr, source: impl Read) -> Result<OwnedFd> {
    fill(memfd_create(name, FLAGS), source)
}

/// The same of a program to be executed.
pub fn program(name: &CStr, source: impl Read) -> Result<OwnedFd> {
    let executable = MFdFlags::from_bits_retain(libc::MFD_EXEC);
    // Linux 6.3; before, all can be executed.
    let file = match memfd_create(name, FLAGS | executable) {
        Err(Errno::EINVAL) => memfd_create(name, FLAGS),
        result => result,
    };
    fill(file, source)
}

fn fill(file: nix::Result<OwnedFd>, mut source: impl Read) -> Result<OwnedFd> {
    let mut file = file.map(File::from).context(|| "cannot make a memory file")?;
    std::io::copy(&mut source, &mut file)
        .and_then(|_| file.rewind())
        .context(|| "cannot fill a memory file")?;
    let seals = SealFlag::F_SEAL_WRITE
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).context(|| "cannot seal a memory file")?;
    Ok(file.into())
}
