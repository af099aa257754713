//! Processes: `clone3(2)`, pidfds, personal attributes.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

/// `struct clone_args`, the version with `cgroup` (linux/sched.h).
#[repr(C, align(8))]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

const CLONE_PIDFD: u64 = 0x1000;
const CLONE_PARENT: u64 = 0x8000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Which side of a clone the caller finds itself on.
#[derive(Debug)]
pub enum Cloned {
    /// The caller; the child's pid in the caller's pid namespace, and its pidfd.
    Parent(Pid, OwnedFd),
    /// The new process.
    Child,
}

/// How [`clone3`] makes the process, besides its namespaces.
#[derive(Clone, Copy, Debug, Default)]
pub struct CloneOptions<'fd> {
    /// The cgroup v2 directory the child starts in.
    pub cgroup: Option<BorrowedFd<'fd>>,
    /// The child becomes a sibling of the caller.
    pub sibling: bool,
}

/// Makes a process with a copy of the caller's memory in new namespaces (`CLONE_NEW*` in `flags`).
///
/// Refuses to in a process with more than one thread: the child may then not even allocate memory.
pub fn clone3(flags: u64, options: CloneOptions<'_>) -> io::Result<Cloned> {
    if !is_single_threaded() {
        return Err(io::Error::other(
            "the calling process has more than one thread",
        ));
    }
    let mut pidfd: RawFd = -1;
    let mut args = CloneArgs {
        flags: flags | CLONE_PIDFD,
        pidfd: std::ptr::from_mut(&mut pidfd) as u64,
        exit_signal: if options.sibling {
            0
        } else {
            Signal::SIGCHLD as u64
        },
        ..CloneArgs::default()
    };
    if options.sibling {
        args.flags |= CLONE_PARENT;
    }
    if let Some(cgroup) = options.cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::try_from(cgroup.as_raw_fd()).map_err(io::Error::other)?;
    }
    // SAFETY: without CLONE_VM the child gets its own copy of the memory, stack included, as with
    // fork; the process has one thread, so the copy is consistent. `args` is a `struct clone_args`
    // of the size that is passed, and `pidfd` outlives the call.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            std::ptr::from_mut(&mut args),
            size_of::<CloneArgs>(),
        )
    };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Cloned::Child),
        pid => {
            // SAFETY: with CLONE_PIDFD the kernel stored a new descriptor there.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Cloned::Parent(
                Pid::from_raw(i32::try_from(pid).map_err(io::Error::other)?),
                pidfd,
            ))
        }
    }
}

/// Whether this process has one thread only, by the link count of `/proc/self/task`.
pub fn is_single_threaded() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self/task").is_ok_and(|task| task.nlink() == 3)
}

/// A pidfd of process `pid`.
pub fn pidfd_open(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: the arguments are plain numbers.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let raw = RawFd::try_from(result).map_err(io::Error::other)?;
    // SAFETY: the kernel just returned this descriptor and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// Sends signal number `signal` (also a real-time one; 0 only tests) to the process of `pidfd`.
pub fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    // SAFETY: a null `siginfo` is allowed (pidfd_send_signal(2)).
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Joins the namespaces `flags` (`CLONE_NEW*`) of the process of `pidfd`, or the one namespace that
/// `fd` is of (then `flags` is its kind or 0).
pub fn setns(fd: BorrowedFd<'_>, flags: u64) -> io::Result<()> {
    let flags = i32::try_from(flags).map_err(io::Error::other)?;
    // SAFETY: the arguments are plain numbers.
    if unsafe { libc::setns(fd.as_raw_fd(), flags) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Moves this process into new namespaces `flags` (`CLONE_NEW*`).
pub fn unshare(flags: u64) -> io::Result<()> {
    let flags = i32::try_from(flags).map_err(io::Error::other)?;
    // SAFETY: the argument is a plain number.
    if unsafe { libc::unshare(flags) } < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Ends this process at once, without destructors or exit handlers: the end of a process made by
/// [`clone3`], which shares them with its parent.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` may be called at any point.
    unsafe { libc::_exit(code) }
}

/// Sets or clears a `prctl(2)` attribute that takes one number.
pub fn prctl(option: i32, value: u64) -> io::Result<()> {
    // SAFETY: callers pass options whose arguments are numbers; the kernel ignores the rest.
    if unsafe { libc::prctl(option, value, 0, 0, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Closes all descriptors from `first` on.
pub fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: only called where nothing above `first` is used any more, before exec or in a new
    // process; closing a descriptor that is not open is no error.
    if unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Gives unused heap memory back to the system.
pub fn trim_heap() {
    // SAFETY: `malloc_trim` may be called at any point.
    unsafe { libc::malloc_trim(0) };
}

/// Makes the terminal `fd` the controlling terminal of this session leader.
pub fn set_controlling_terminal(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: TIOCSCTTY takes a plain number.
    if unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCSCTTY, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A new, empty session keyring (`KEYCTL_JOIN_SESSION_KEYRING`, keyctl(2)).
pub fn new_session_keyring() -> io::Result<()> {
    const JOIN_SESSION_KEYRING: i32 = 1;
    // SAFETY: a null name makes an anonymous keyring.
    let result = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            JOIN_SESSION_KEYRING,
            std::ptr::null::<libc::c_char>(),
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Gives all signals their default action, for a process that goes on without exec.
pub fn reset_signal_handlers() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: SIG_DFL is a valid action; signals that cannot be changed are refused.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}
