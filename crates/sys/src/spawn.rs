//! Programs that work for this one, or go on without it.

use std::ffi::OsString;
use std::io;
use std::ops::RangeInclusive;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::OFlag;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::SigSet;
use nix::sys::stat::Mode;
use nix::unistd::Pid;

use super::{exec, process, signals};

/// A program to be executed. It ignores the signals that the caller of this one ignored.
#[derive(Clone, Debug)]
pub struct Program<'a> {
    /// Its file.
    pub program: Image<'a>,
    /// What it is told, from its name on.
    pub arguments: Vec<OsString>,
    /// Its environment ([`exec::own_environment`] is this process's).
    pub environment: Vec<OsString>,
    /// Whether it gets a session of its own.
    pub session: bool,
    /// Whether it blocks no signal, instead of those that the caller of this one blocked.
    pub unblocked: bool,
    /// The standard descriptors that lead nowhere; the others are this process's.
    pub null: Option<RangeInclusive<i32>>,
    /// Descriptors it gets, under these numbers; the first three stand in for this process's.
    pub keep: &'a [(BorrowedFd<'a>, i32)],
}

/// The file of a program.
#[derive(Clone, Copy, Debug)]
pub enum Image<'a> {
    /// At a path.
    Path(&'a Path),
    /// Open, perhaps without a path. The program does not get this descriptor. Needs procfs.
    Open(BorrowedFd<'a>),
}

impl Program<'_> {
    /// Executes it; returns its pid. It shares this process's memory until then (posix_spawn(3)), so
    /// that the size of that does not matter, nor the number of threads.
    pub fn spawn(self) -> io::Result<Pid> {
        let mut actions = PosixSpawnFileActions::init()?;
        for fd in self.null.into_iter().flatten() {
            actions.add_open(fd, "/dev/null", OFlag::O_RDWR, Mode::empty())?;
        }
        // Out of the way of the numbers they are to get, so that none overwrites another.
        let above = self.keep.iter().map(|(_, number)| number + 1).max().unwrap_or(3).max(3);
        let mut held = Vec::with_capacity(self.keep.len());
        for (fd, number) in self.keep {
            let copy = process::duplicate_above(*fd, above)?;
            actions.add_dup2(copy.as_raw_fd(), *number)?;
            held.push(copy);
        }
        let mut attributes = PosixSpawnAttr::init()?;
        let mut flags =
            PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK;
        if self.session {
            flags |= PosixSpawnFlags::from_bits_retain(libc::POSIX_SPAWN_SETSID.into());
        }
        attributes.set_flags(flags)?;
        let mask = if self.unblocked { SigSet::empty() } else { signals::blocked() };
        attributes.set_sigmask(&mask)?;
        attributes.set_sigdefault(&signals::not_handed_on())?;
        let path = match self.program {
            Image::Path(path) => path.to_path_buf(),
            Image::Open(fd) => {
                let copy = process::duplicate_above(fd, above)?;
                let path = format!("/proc/self/fd/{}", copy.as_raw_fd());
                // It is closed by the execution, after the kernel has found the file by it.
                held.push(copy);
                path.into()
            }
        };
        let pid = posix_spawn(
            path.as_path(),
            &actions,
            &attributes,
            &exec::c_strings(&self.arguments)?,
            &exec::c_strings(&self.environment)?,
        )?;
        Ok(pid)
    }
}

/// Takes over the descriptors that this program was executed with under `numbers`, close-on-exec from
/// now on. Can be called once, before anything else opened a descriptor.
///
/// # Panics
///
/// When it is called again.
pub fn inherited<const N: usize>(numbers: [i32; N]) -> io::Result<[OwnedFd; N]> {
    let owned = inherited_all(&numbers)?;
    owned.try_into().map_err(|_| io::Error::other("not as many descriptors as numbers"))
}

/// The same of any number.
///
/// # Panics
///
/// When this, or [`inherited`], is called again.
pub fn inherited_all(numbers: &[i32]) -> io::Result<Vec<OwnedFd>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    assert!(!TAKEN.swap(true, Ordering::Relaxed), "inherited descriptors have an owner already");
    for number in numbers {
        // SAFETY: F_SETFD only changes a flag, and fails on a number that is not open.
        if unsafe { libc::fcntl(*number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    // SAFETY: they are open, as just seen, and the program's convention makes them ours; nobody got them
    // from here before.
    Ok(numbers.iter().map(|number| unsafe { OwnedFd::from_raw_fd(*number) }).collect())
}
