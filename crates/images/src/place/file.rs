//! A file that gets its name when it is whole.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use super::spare_name;
use crate::archive::{Entries, Entry, Extent};
use crate::unpack::attributes::Attributes;
use crate::{Context, Error, Result};

/// Bytes that are written at once.
pub(super) const BUFFER: usize = 256 << 10;
/// Bytes that the kernel copies at once.
const RANGE: usize = 64 << 20;

/// Makes the file `name` in `dir`, in the place of what has the name, from `data`; how many of its
/// `attributes` were left out.
pub(super) fn put(
    dir: BorrowedFd<'_>,
    name: &OsStr,
    entry: &Entry,
    attributes: &Attributes<'_>,
    data: &mut impl Entries,
    buffer: &mut [u8],
) -> Result<u64> {
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let failed = || "cannot make it";
    // Without a name it is gone with this process, whatever ends it.
    match openat(dir, c".", flags | OFlag::O_TMPFILE, mode) {
        Ok(fd) => {
            let file = File::from(fd);
            let left_out = fill(&file, entry, attributes, data, buffer)?;
            give_name(&file, dir, name).context(|| "cannot put it in its place")?;
            Ok(left_out)
        }
        // A file system that cannot.
        Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL | Errno::ENOENT) => {
            let spare = spare_name();
            let flags = flags | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
            let file = File::from(openat(dir, spare.as_os_str(), flags, mode).context(failed)?);
            let put = fill(&file, entry, attributes, data, buffer).and_then(|left_out| {
                renameat(dir, spare.as_os_str(), dir, name)
                    .context(|| "cannot put it in its place")?;
                Ok(left_out)
            });
            if put.is_err() {
                let _ = unlinkat(dir, spare.as_os_str(), UnlinkatFlags::NoRemoveDir);
            }
            put
        }
        Err(errno) => Err(Error::new(failed()).errno(errno)),
    }
}

/// Gives a file without a name this one.
fn give_name(file: &File, dir: BorrowedFd<'_>, name: &OsStr) -> nix::Result<()> {
    let link = |name: &OsStr| {
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        linkat(AT_FDCWD, path.as_str(), dir, name, AtFlags::AT_SYMLINK_FOLLOW)
    };
    match link(name) {
        Err(Errno::EEXIST) => {}
        result => return result,
    }
    // A link takes no other's place, so it gets there in two steps.
    let spare = spare_name();
    link(&spare)?;
    renameat(dir, spare.as_os_str(), dir, name).inspect_err(|_| {
        let _ = unlinkat(dir, spare.as_os_str(), UnlinkatFlags::NoRemoveDir);
    })
}

fn fill(
    file: &File,
    entry: &Entry,
    attributes: &Attributes<'_>,
    data: &mut impl Entries,
    buffer: &mut [u8],
) -> Result<u64> {
    content(file, entry, data, buffer).map_err(|error| {
        if error.is(Errno::ENOSPC) || error.is(Errno::EDQUOT) {
            error.hint("the disk is full; what was there before is still there")
        } else {
            error
        }
    })?;
    attributes.of_open(file.as_fd())
}

fn content(
    mut file: &File,
    entry: &Entry,
    data: &mut impl Entries,
    buffer: &mut [u8],
) -> Result<()> {
    let whole = [Extent { offset: 0, length: entry.size }];
    let extents = entry.extents.as_deref().unwrap_or(&whole);
    let failed = || "cannot write it";
    if let Some(source) = data.file()
        && by_kernel(source, file, extents).context(failed)?
    {
        return file.set_len(entry.size).context(failed);
    }
    for extent in extents {
        if entry.extents.is_some() {
            file.seek(SeekFrom::Start(extent.offset)).context(failed)?;
        }
        let mut left = extent.length;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let count = data.read(&mut buffer[..most]).context(|| "cannot read it")?;
            if count == 0 {
                return Err(Error::new("the archive was cut off"));
            }
            file.write_all(&buffer[..count]).context(failed)?;
            left -= count as u64;
        }
    }
    if entry.extents.is_some() { file.set_len(entry.size).context(failed) } else { Ok(()) }
}

/// Lets the kernel copy, or share, the `extents` of `source`; `false` if it cannot between these files.
fn by_kernel(source: BorrowedFd<'_>, target: &File, extents: &[Extent]) -> nix::Result<bool> {
    for (number, extent) in extents.iter().enumerate() {
        let (mut from, mut to) = (extent.offset, extent.offset);
        let mut left = extent.length;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(RANGE);
            let copied =
                rustix::fs::copy_file_range(source, Some(&mut from), target, Some(&mut to), most);
            match copied.map_err(|error| Errno::from_raw(error.raw_os_error())) {
                // It became shorter: who reads it knows what to do.
                Ok(0) => return Ok(false),
                Ok(count) => left -= count as u64,
                Err(Errno::EXDEV | Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL)
                    if number == 0 && left == extent.length =>
                {
                    return Ok(false);
                }
                Err(errno) => return Err(errno),
            }
        }
    }
    Ok(true)
}
