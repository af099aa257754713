//! Processes: `clone3(2)`, pidfds, personal attributes.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

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
pub(super) const CLONE_PARENT: u64 = 0x8000;
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

/// Whether the process has one thread, once those that were joined just now are gone: joining one does not
/// wait until the kernel has done with it.
fn becomes_single_threaded() -> bool {
    (0..200).any(|_| {
        is_single_threaded() || {
            std::thread::sleep(std::time::Duration::from_millis(1));
            false
        }
    })
}

/// Makes a process with a copy of the caller's memory in new namespaces (`CLONE_NEW*` in `flags`).
///
/// Refuses to in a process with more than one thread: the child may then not even allocate memory.
pub fn clone3(flags: u64, options: CloneOptions<'_>) -> io::Result<Cloned> {
    if !becomes_single_threaded() {
        return Err(io::Error::other("the calling process has more than one thread"));
    }
    let mut pidfd: RawFd = -1;
    let mut args = CloneArgs {
        flags: flags | CLONE_PIDFD,
        pidfd: std::ptr::from_mut(&mut pidfd) as u64,
        exit_signal: if options.sibling { 0 } else { Signal::SIGCHLD as u64 },
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
        libc::syscall(libc::SYS_clone3, std::ptr::from_mut(&mut args), size_of::<CloneArgs>())
    };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            IS_CHILD.store(true, Ordering::Relaxed);
            Ok(Cloned::Child)
        }
        pid => {
            // SAFETY: with CLONE_PIDFD the kernel stored a new descriptor there.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Cloned::Parent(Pid::from_raw(i32::try_from(pid).map_err(io::Error::other)?), pidfd))
        }
    }
}

/// Whether this process has one thread only. The kernel lets only such a process unshare what threads
/// share, which does nothing (unshare(2)); where a filter forbids that, the link count of
/// `/proc/self/task` tells. Without both, as inside a container, only a process that was made by
/// [`clone3`] or [`fork`] counts as one: it begins with one thread and makes none there.
pub fn is_single_threaded() -> bool {
    use std::os::unix::fs::MetadataExt;
    match unshare(u64::from(libc::CLONE_THREAD.unsigned_abs())) {
        Ok(()) => true,
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => false,
        Err(_) => {
            let task = std::fs::metadata("/proc/self/task");
            task.map_or(IS_CHILD.load(Ordering::Relaxed), |task| task.nlink() == 3)
        }
    }
}

/// Whether this process is a copy of another one of this program.
static IS_CHILD: AtomicBool = AtomicBool::new(false);

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

/// The pid of the process of `pidfd`: `ESRCH` if it has ended, `EBADF` if the descriptor is not a pidfd or
/// of a process that is not in our pid namespace.
pub fn pid_of(pidfd: BorrowedFd<'_>) -> io::Result<Pid> {
    // The kernel knows a pidfd from anything else, also where this process may not send a signal.
    match pidfd_send_signal(pidfd, 0) {
        Err(error) if error.raw_os_error() != Some(libc::EPERM) => return Err(error),
        _ => {}
    }
    let facts = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()))?;
    let pid = facts.lines().find_map(|line| line.strip_prefix("Pid:"));
    match pid.and_then(|pid| pid.trim().parse().ok()) {
        Some(pid) if pid > 0 => Ok(Pid::from_raw(pid)),
        Some(-1) => Err(io::Error::from_raw_os_error(libc::ESRCH)),
        _ => Err(io::Error::from_raw_os_error(libc::EBADF)),
    }
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
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
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

/// Moves the calling thread into new namespaces, or whatever else it then no longer shares, `flags`
/// (`CLONE_*` in unshare(2)).
pub fn unshare(flags: u64) -> io::Result<()> {
    let flags = i32::try_from(flags).map_err(io::Error::other)?;
    // SAFETY: the argument is a plain number.
    if unsafe { libc::unshare(flags) } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Gives the calling thread a copy of the table of descriptors: those it opens from now on are its own,
/// and it does not wait for other threads that open some (`CLONE_FILES` in unshare(2)). Where that
/// fails it goes on with the common one.
pub fn own_descriptors() {
    let _ = unshare(u64::from(libc::CLONE_FILES.unsigned_abs()));
}

/// A copy of `fd` whose number is `least` or more, close-on-exec.
pub fn duplicate_above(fd: BorrowedFd<'_>, least: RawFd) -> io::Result<OwnedFd> {
    let raw = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(least))?;
    // SAFETY: fcntl just returned this new descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
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
    // process; closing a descriptor that is not open is not an error.
    if unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Lets exec close all descriptors from `first` on.
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: the arguments are plain numbers, and no descriptor is closed now.
    if unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Closes all descriptors but the standard ones and `kept`, before container-controlled paths are
/// followed: a link there may lead to any descriptor that is open (CVE-2024-21626).
pub fn close_all_but(kept: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut numbers: Vec<u32> = kept.iter().map(|fd| fd.as_raw_fd().unsigned_abs()).collect();
    numbers.sort_unstable();
    let mut first = 3;
    for number in numbers.into_iter().chain([u32::MAX]) {
        if first < number {
            // SAFETY: for a process on its way to exec or exit, which uses the kept ones only.
            if unsafe { libc::syscall(libc::SYS_close_range, first, number - 1, 0) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        first = first.max(number.saturating_add(1));
    }
    Ok(())
}

/// Takes a variable out of this process's environment, which must have one thread: `None` otherwise.
pub fn take_variable(name: &str) -> Option<std::ffi::OsString> {
    let value = std::env::var_os(name).filter(|_| is_single_threaded())?;
    // SAFETY: there is one thread, so nobody else reads the environment.
    unsafe { std::env::remove_var(name) };
    Some(value)
}

/// Overwrites this process's environment, which `/proc/PID/environ` shows, with zeros; there are no
/// variables afterwards.
///
/// # Panics
///
/// With more than one thread.
pub fn erase_environment() {
    unsafe extern "C" {
        static mut environ: *mut *mut libc::c_char;
    }
    assert!(is_single_threaded(), "another thread may read the environment");
    // SAFETY: there is one thread. `environ` is null or a list of writable
    // strings, the kernel's on the stack or libc's on the heap, with a null at its end. Empty strings
    // are not variables.
    unsafe {
        let mut next = environ;
        while !next.is_null() && !(*next).is_null() {
            (*next).write_bytes(0, libc::strlen(*next));
            next = next.add(1);
        }
    }
}

/// Asks for the handle of the root directory with no room for it: `ENOSYS` without
/// name_to_handle_at(2), `EOVERFLOW` with it, `EOPNOTSUPP` if that file system has none.
pub fn file_handle_support() -> io::Result<()> {
    // `struct file_handle` with `handle_bytes` 0.
    let mut handle = [0_u32; 2];
    let mut mount_id = 0_i32;
    // SAFETY: the kernel writes no more than the two numbers, both of which live across the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            libc::AT_FDCWD,
            c"/".as_ptr(),
            handle.as_mut_ptr(),
            &raw mut mount_id,
            0,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Gives unused heap memory back to the system, where the C library can (glibc).
pub fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `malloc_trim` may be called at any point.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Gives the pages of the main thread's stack that lie deeper than the caller back to the system. In another
/// thread it does nothing.
pub fn trim_stack() {
    /// What the kernel maps of a stack from the start (`setup_arg_pages`). Nothing else is as near to it.
    const DEPTH: usize = 128 << 10;
    if nix::unistd::gettid() != nix::unistd::getpid() {
        return;
    }
    let here = 0_u8;
    let page = usize::try_from(
        nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096),
    )
    .unwrap_or(4096);
    // The page below this frame is the callee's, and the red zone.
    let end = (&raw const here).map_addr(|address| (address & !(page - 1)) - page);
    // SAFETY: the stack grows downwards, so nothing below the frames in use has a value; a page that is given
    // back reads as zeroes when it is used again. What is not mapped in the range is skipped (`ENOMEM`).
    unsafe {
        libc::madvise(
            end.map_addr(|address| address - DEPTH).cast_mut().cast(),
            DEPTH,
            libc::MADV_DONTNEED,
        );
    }
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
        libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, std::ptr::null::<libc::c_char>())
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Gives all signals their default action, for a process that goes on without exec.
pub fn reset_signal_handlers() {
    (1..=libc::SIGRTMAX()).for_each(reset_signal_handler);
}

/// Gives signal number `signal` its default action. Rust programs ignore SIGPIPE, and a command that
/// they execute would, too.
pub fn reset_signal_handler(signal: i32) {
    // SAFETY: SIG_DFL is a valid action; signals that cannot be changed are refused.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

/// Whether this process ignores signal number `signal`.
pub fn is_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action only the present one is stored, which lives across the call; it is
    // read only if that succeeded.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

/// Ends this process by signal number `signal`, as its caller is to see.
pub fn die_of(signal: i32) -> ! {
    reset_signal_handler(signal);
    unblock_signals();
    // SAFETY: a signal to the own thread, whose action is the default one.
    unsafe { libc::raise(signal) };
    exit_now(128 + signal)
}

/// Ignores signal number `signal`.
pub fn ignore_signal(signal: i32) {
    // SAFETY: SIG_IGN is a valid action; signals that cannot be changed are refused.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// The number of `fd`, as the kernel's structures hold it.
pub fn raw(fd: BorrowedFd<'_>) -> u64 {
    // An open descriptor is never negative.
    u64::from(fd.as_raw_fd().unsigned_abs())
}

/// Blocks every signal of this thread; returns nothing, since exec and [`unblock_signals`] are the
/// ways out.
pub fn block_signals() {
    set_signal_mask(true);
}

/// Unblocks every signal of this thread.
pub fn unblock_signals() {
    set_signal_mask(false);
}

fn set_signal_mask(block: bool) {
    let set = all_signals();
    let how = if block { libc::SIG_BLOCK } else { libc::SIG_UNBLOCK };
    // SAFETY: `set` is initialised, and a null pointer asks for no old mask.
    unsafe { libc::sigprocmask(how, &raw const set, std::ptr::null_mut()) };
}

fn all_signals() -> libc::sigset_t {
    let mut set = std::mem::MaybeUninit::uninit();
    // SAFETY: `sigfillset` initialises the set.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        set.assume_init()
    }
}

/// Waits for a blocked signal, at most `timeout`; `None` when that ran out.
pub fn wait_signal(timeout: Option<std::time::Duration>) -> Option<i32> {
    let set = all_signals();
    let timeout = timeout.map(|timeout| libc::timespec {
        tv_sec: timeout.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: libc::c_long::from(timeout.subsec_nanos().cast_signed()),
    });
    let pointer = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    loop {
        // SAFETY: all pointers are null or to initialised memory that lives across the call.
        let signal = unsafe { libc::sigtimedwait(&raw const set, std::ptr::null_mut(), pointer) };
        if signal > 0 {
            return Some(signal);
        }
        if io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN) {
            return None;
        }
    }
}

/// Sends signal number `signal` (also a real-time one) to `pid` as kill(2) does.
pub fn kill(pid: Pid, signal: i32) -> io::Result<()> {
    // SAFETY: the arguments are plain numbers.
    if unsafe { libc::kill(pid.as_raw(), signal) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Makes a child process with a copy of this one's memory (fork(2)).
pub fn fork() -> io::Result<Option<Pid>> {
    if !is_single_threaded() {
        return Err(io::Error::other("the calling process has more than one thread"));
    }
    // SAFETY: the process has one thread, so the child's copy of the memory is consistent.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            IS_CHILD.store(true, Ordering::Relaxed);
            Ok(None)
        }
        pid => Ok(Some(Pid::from_raw(pid))),
    }
}

/// One of the standard descriptors, 0 to 2, which every program has.
///
/// # Panics
///
/// With another number.
pub fn standard(number: i32) -> BorrowedFd<'static> {
    assert!((0..3).contains(&number), "{number} is not a standard descriptor");
    // SAFETY: the standard descriptors are open for the whole life of the process: std opens
    // /dev/null in their place at the program's start where they are not.
    unsafe { BorrowedFd::borrow_raw(number) }
}

/// Makes the standard descriptor `number` a copy of `fd`.
///
/// # Panics
///
/// With a number that is not 0, 1 or 2.
pub fn dup_onto(fd: BorrowedFd<'_>, number: i32) -> io::Result<()> {
    assert!((0..3).contains(&number), "{number} is not a standard descriptor");
    // SAFETY: replaces a standard descriptor, which nobody in this program owns.
    if unsafe { libc::dup2(fd.as_raw_fd(), number) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Puts `/dev/null` in the place of the three standard descriptors.
pub fn silence_stdio() -> io::Result<()> {
    let null = std::fs::File::options().read(true).write(true).open("/dev/null")?;
    (0..3).try_for_each(|number| dup_onto(null.as_fd(), number))
}

/// Sets resource limit number `resource` of process `pid` (prlimit(2)); `None` is no limit.
pub fn set_limit(pid: Pid, resource: u32, soft: Option<u64>, hard: Option<u64>) -> io::Result<()> {
    // `struct rlimit64`
    let limit = [soft.unwrap_or(u64::MAX), hard.unwrap_or(u64::MAX)];
    let old = std::ptr::null_mut::<u64>();
    // SAFETY: `limit` lives across the call, and a null pointer asks for no old limit.
    let result =
        unsafe { libc::syscall(libc::SYS_prlimit64, pid.as_raw(), resource, limit.as_ptr(), old) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

const PR_SCHED_CORE: i32 = 62;

/// Gives this thread the core scheduling cookie of process `pid` (Linux 5.14).
pub fn share_core_cookie_of(pid: Pid) -> io::Result<()> {
    const SHARE_FROM: libc::c_ulong = 3;
    const THREAD: libc::c_ulong = 0;
    core_scheduling(SHARE_FROM, pid, THREAD)
}

/// Gives all threads of process `pid` a core scheduling cookie of their own (Linux 5.14).
pub fn new_core_cookie(pid: Pid) -> io::Result<()> {
    const CREATE: libc::c_ulong = 1;
    const THREAD_GROUP: libc::c_ulong = 1;
    core_scheduling(CREATE, pid, THREAD_GROUP)
}

fn core_scheduling(command: libc::c_ulong, pid: Pid, scope: libc::c_ulong) -> io::Result<()> {
    // SAFETY: the arguments are plain numbers.
    if unsafe { libc::prctl(PR_SCHED_CORE, command, pid.as_raw(), scope, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
