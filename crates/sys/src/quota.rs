//! Quotas of projects (quotactl_fd(2), Linux 5.14; quotactl(2)), and the projects of files
//! (ioctl_xfs_fsgetxattr(2)), which ext4 has as well.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// New entries of the directory belong to its project (`FS_XFLAG_PROJINHERIT`, linux/fs.h).
const PROJECT_INHERIT: u32 = 0x200;

/// `struct fsxattr` (linux/fs.h).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Attributes {
    flags: u32,
    extent_size: u32,
    extents: u32,
    /// The project that the file counts for; 0 is none.
    pub project: u32,
    copy_extent_size: u32,
    pad: [u8; 8],
}

/// The ioctls, which nix makes public.
mod ioctl {
    use super::Attributes;

    nix::ioctl_read!(get_attributes, b'X', 31, Attributes);
    nix::ioctl_write_ptr!(set_attributes, b'X', 32, Attributes);
}

impl Attributes {
    /// Those of an open file or directory. `ENOTTY`: its file system has none.
    pub fn of(file: BorrowedFd<'_>) -> nix::Result<Self> {
        let mut found = Self::default();
        // SAFETY: the ioctl fills the structure it is given, of numbers only.
        unsafe { ioctl::get_attributes(file.as_raw_fd(), &raw mut found) }?;
        Ok(found)
    }

    /// Whether new entries belong to the project.
    pub fn is_inherited(&self) -> bool {
        self.flags & PROJECT_INHERIT != 0
    }

    /// The same with `project`, which new entries of a directory have as well if `inherited`.
    #[must_use]
    pub fn with(self, project: u32, inherited: bool) -> Self {
        let inherit = if inherited { PROJECT_INHERIT } else { 0 };
        Self { project, flags: self.flags & !PROJECT_INHERIT | inherit, ..self }
    }

    /// Gives them to an open file or directory.
    pub fn set(&self, file: BorrowedFd<'_>) -> nix::Result<()> {
        // SAFETY: the ioctl reads the structure it is given, which lives across the call.
        unsafe { ioctl::set_attributes(file.as_raw_fd(), std::ptr::from_ref(self)) }.map(drop)
    }
}

/// What a file system does about projects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It does not count.
    Nothing,
    /// It counts, and has no limits.
    Counted,
    /// Limits hold.
    Enforced,
}

/// What a project uses, and may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Bytes on the disk.
    pub used: u64,
    /// Files and directories.
    pub files: u64,
    /// Most bytes; 0 for as many as there are.
    pub limit: u64,
}

const PROJECTS: u32 = 2;
const GET: u32 = 0x80_0007;
const SET: u32 = 0x80_0008;
const GET_NEXT: u32 = 0x80_0009;
const GET_STATE: u32 = 0x5808;
/// Limits are in these (`QIF_DQBLKSIZE`).
const BLOCK: u64 = 1024;

/// `struct if_nextdqblk`, which begins as `struct if_dqblk` (linux/quota.h).
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Limits {
    hard_blocks: u64,
    soft_blocks: u64,
    used: u64,
    hard_files: u64,
    soft_files: u64,
    files: u64,
    block_grace: u64,
    file_grace: u64,
    valid: u32,
    id: u32,
}

/// `struct fs_quota_statv` (linux/dqblk_xfs.h), as far as it is of use here.
#[repr(C)]
struct State {
    version: i8,
    pad: u8,
    flags: u16,
    rest: [u32; 39],
}

const _: () = assert!(size_of::<Limits>() == 72 && size_of::<State>() == 160);

fn control<T>(file: BorrowedFd<'_>, command: u32, id: u32, data: &mut T) -> nix::Result<()> {
    // SAFETY: `data` has the type and so the size that the command is about: see the callers.
    let done = unsafe {
        libc::syscall(
            libc::SYS_quotactl_fd,
            file.as_raw_fd(),
            command << 8 | PROJECTS,
            id,
            std::ptr::from_mut(data),
        )
    };
    Errno::result(done).map(drop)
}

/// What the file system of `file` does about projects.
pub fn support(file: BorrowedFd<'_>) -> nix::Result<Support> {
    const COUNTED: u16 = 1 << 4;
    const ENFORCED: u16 = 1 << 5;
    let mut state = State { version: 1, pad: 0, flags: 0, rest: [0; 39] };
    match control(file, GET_STATE, 0, &mut state) {
        // No quotas at all; none of projects.
        Err(Errno::ENOSYS | Errno::ESRCH | Errno::EINVAL) => return Ok(Support::Nothing),
        asked => asked?,
    }
    Ok(match state.flags {
        flags if flags & ENFORCED != 0 => Support::Enforced,
        flags if flags & COUNTED != 0 => Support::Counted,
        _ => Support::Nothing,
    })
}

/// The record of `project` on the file system of `file`.
pub fn record(file: BorrowedFd<'_>, project: u32) -> nix::Result<Record> {
    let mut limits = Limits::default();
    match control(file, GET, project, &mut limits) {
        // XFS says so of one that never had anything.
        Err(Errno::ENOENT | Errno::ESRCH) => Ok(Record::default()),
        asked => asked.map(|()| limits.record()),
    }
}

/// The next project with a record, from `first` on.
pub fn next(file: BorrowedFd<'_>, first: u32) -> nix::Result<Option<(u32, Record)>> {
    let mut limits = Limits::default();
    match control(file, GET_NEXT, first, &mut limits) {
        Err(Errno::ENOENT | Errno::ESRCH) => Ok(None),
        asked => asked.map(|()| Some((limits.id, limits.record()))),
    }
}

/// Lets `project` have `bytes`; 0 for as many as there are. It is of no consequence how much it has now.
pub fn limit(file: BorrowedFd<'_>, project: u32, bytes: u64) -> nix::Result<()> {
    const BLOCK_LIMITS: u32 = 1;
    let hard_blocks = bytes.div_ceil(BLOCK);
    let mut limits = Limits { hard_blocks, valid: BLOCK_LIMITS, ..Limits::default() };
    control(file, SET, project, &mut limits)
}

impl Limits {
    fn record(&self) -> Record {
        let limit = self.hard_blocks.saturating_mul(BLOCK);
        Record { used: self.used, files: self.files, limit }
    }
}
