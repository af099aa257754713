//! The content of a file, with its holes.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::BorrowedFd;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use crate::archive::{Entry, Extent};
use crate::{Context, Result};

/// Bytes that are written at once.
pub(super) const BUFFER: usize = 256 << 10;

/// Makes the file `name` in `dir`, where there is nothing of that name, from `data`. `room` is asked
/// whether so many bytes of it still fit.
pub(super) fn make(
    dir: BorrowedFd<'_>,
    name: &OsStr,
    entry: &Entry,
    data: &mut impl Read,
    buffer: &mut [u8],
    room: &dyn Fn(u64) -> Result<()>,
) -> Result<File> {
    let flags =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file =
        openat(dir, name, flags, Mode::S_IRUSR | Mode::S_IWUSR).context(|| "cannot make it")?;
    let mut file = File::from(file);
    let whole = [Extent { offset: 0, length: entry.size }];
    let mut written = 0;
    for extent in entry.extents.as_deref().unwrap_or(&whole) {
        if entry.extents.is_some() {
            file.seek(SeekFrom::Start(extent.offset)).context(|| "cannot write it")?;
        }
        let mut left = extent.length;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let count = data.read(&mut buffer[..most]).context(|| "cannot read it")?;
            if count == 0 {
                return Err(crate::Error::new("the archive was cut off"));
            }
            file.write_all(&buffer[..count]).context(|| "cannot write it")?;
            left -= count as u64;
            written += count as u64;
            room(written)?;
        }
    }
    if entry.extents.is_some() {
        file.set_len(entry.size).context(|| "cannot write it")?;
    }
    Ok(file)
}
