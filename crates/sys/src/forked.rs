//! A process with this one's memory that changes itself step by step and then calls a function, also where
//! this process has threads.
//!
//! Between the fork and the function nothing is done that is not safe there (signal-safety(7)): no memory is
//! allocated and no lock is taken, as another thread may have held it. What the steps need is laid out before,
//! and what fails is told as the number of the step and an errno.
//!
//! Two processes are made: the first takes the steps *outside*, among them those that only have an effect on its
//! children, and makes the second, which is a child of this process as well; that one goes on with the steps
//! *inside*.

use std::ffi::{CString, c_char, c_int, c_long, c_ulong, c_void};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::process::CLONE_PARENT;
use super::scm;

/// What the new process calls; its result is the exit code.
pub type Function = unsafe extern "C" fn(*mut c_void) -> c_int;

/// Something that a process does to itself.
#[derive(Debug)]
pub enum Step {
    /// prctl(2) with one number.
    Prctl(c_int, c_ulong),
    /// Joins namespaces of a process, or a namespace (setns(2)).
    Join(RawFd, c_int),
    /// unshare(2).
    Unshare(c_int),
    /// A new session keyring. Where there are none, none is left.
    Keyring,
    /// Writes a file of /proc or of a cgroup.
    Write(CString, Vec<u8>),
    /// Enters the cgroup: the directory, and the name of the leaf where it wants no processes itself.
    Cgroup(RawFd, CString),
    /// Takes the core scheduling cookie of a process.
    CoreCookie(Pid),
    /// setrlimit(2): number, soft and hard limit.
    Limit(u32, u64, u64),
    /// Opens the first of these files that is there, for [`WriteOpened`](Self::WriteOpened).
    Open(Vec<CString>),
    /// Writes to it.
    WriteOpened(Vec<u8>),
    /// mount(2), without source and data: type, target, flags.
    Mount(Option<CString>, CString, c_ulong),
    /// Unmounts what is there, if something is.
    Unmount(CString),
    /// A session of its own.
    Session,
    /// Duplicates a descriptor to another number.
    Duplicate(RawFd, RawFd),
    /// The root directory becomes the working directory.
    ToRoot,
    /// A directory becomes the working directory, if there is one; no link of /proc leads there.
    ToDirectory(CString),
    /// personality(2).
    Personality(c_ulong),
    /// Lets no capability pass through exec by way of the inheritable and ambient sets.
    InheritNothing,
    /// Drops from the bounding set what is not in this mask.
    KeepCapabilities(u64),
    /// Supplementary groups; whether these have to be set also where that is forbidden.
    Groups(Vec<u32>, bool),
    /// The group, in all its roles.
    Group(u32),
    /// The user, in all its roles.
    User(u32),
    /// Loads a seccomp filter; its listener goes to the caller.
    Filter(Vec<libc::sock_filter>, bool),
    /// Closes a descriptor.
    Close(RawFd),
}

/// A list of steps, each with what it is for in messages.
pub type Steps = Vec<(Step, String)>;

/// What the processes do.
#[derive(Debug, Default)]
pub struct Plan {
    /// The steps of the first process.
    pub outside: Steps,
    /// The steps of the second.
    pub inside: Steps,
    /// The environment of the function, `NAME=VALUE`.
    pub environment: Vec<CString>,
}

/// What became of it.
#[derive(Debug)]
pub enum Forked {
    /// The second process calls the function; what a filter's listener is.
    Begun(Pid, Option<OwnedFd>),
    /// A step failed, of which this is said; the processes are gone.
    Failed(String, Errno),
}

/// A message to the caller: what it is about, and a number.
type Message = [i32; 3];

/// The pid of the second process.
const MADE: i32 = 1;
/// A step failed: its number, and the errno.
const FAILED: i32 = 2;
/// A listener comes along.
const LISTENER: i32 = 3;
/// The number of no step: making the second process.
const NO_STEP: i32 = -1;

/// Carries out `plan`, and returns when `function` is about to be called, with `argument`.
///
/// # Safety
///
/// `function` may be called with `argument` in a copy of this process that has only this thread, and does
/// there what is safe in such a one.
pub unsafe fn fork(plan: &Plan, function: Function, argument: *mut c_void) -> io::Result<Forked> {
    let (ours, theirs) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    let mut environment: Vec<*const c_char> =
        plan.environment.iter().map(|variable| variable.as_ptr()).collect();
    environment.push(ptr::null());
    let child = Child { plan, environment: &environment, channel: theirs.as_raw_fd() };
    // No handler of the caller's runs in a process that is on its way.
    let mut before = SigSet::empty();
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before))?;
    // SAFETY: the child does what its type promises, and nothing else.
    let forked = unsafe { libc::fork() };
    if forked == 0 {
        // SAFETY: as the caller promises; this is the child.
        unsafe { child.run(&before, function, argument) }
    }
    let error = io::Error::last_os_error();
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
    drop(theirs);
    if forked < 0 {
        return Err(error);
    }
    let result = follow(plan, ours.as_fd());
    // Another thread may have waited for all children.
    reap(Pid::from_raw(forked));
    result
}

/// Listens to what the processes say.
fn follow(plan: &Plan, channel: BorrowedFd<'_>) -> io::Result<Forked> {
    let (mut pid, mut listener, mut failed) = (None, None, None);
    loop {
        let mut bytes = [0; size_of::<Message>()];
        let received = scm::receive(channel, &mut bytes)?;
        if received.len == 0 {
            break;
        }
        let number = |at: usize| i32::from_ne_bytes([0, 1, 2, 3].map(|byte| bytes[at * 4 + byte]));
        match number(0) {
            MADE => pid = Some(Pid::from_raw(number(1))),
            LISTENER => listener = received.fds.into_iter().next(),
            _ => failed = Some((number(1), Errno::from_raw(number(2)))),
        }
    }
    match (pid, failed) {
        (Some(pid), None) => Ok(Forked::Begun(pid, listener)),
        (pid, failed) => {
            if let Some(pid) = pid {
                reap(pid);
            }
            let Some((step, errno)) = failed else {
                return Err(io::Error::other("a process of ours died"));
            };
            // Inside they go on counting.
            let steps = plan.outside.iter().chain(&plan.inside);
            let step =
                usize::try_from(step).ok().and_then(|step| steps.map(|(_, what)| what).nth(step));
            Ok(Forked::Failed(step.map_or("cannot make a process", |what| what).to_owned(), errno))
        }
    }
}

fn reap(pid: Pid) {
    while waitpid(pid, None) == Err(Errno::EINTR) {}
}

/// A process on its way. Everything that its methods do is safe in the child of a process with threads.
struct Child<'a> {
    plan: &'a Plan,
    environment: &'a [*const c_char],
    channel: RawFd,
}

impl Child<'_> {
    /// # Safety
    ///
    /// As for [`fork`]; called in a child of it.
    unsafe fn run(&self, before: &SigSet, function: Function, argument: *mut c_void) -> ! {
        unsafe extern "C" {
            static mut environ: *const *const c_char;
        }
        self.take(&self.plan.outside, 0);
        // The second process is the caller's child as well: CLONE_PARENT takes no exit signal, as it has this one's.
        let mut arguments = [0_u64; 11];
        arguments[0] = CLONE_PARENT;
        // SAFETY: without CLONE_VM the new process gets its own copy of the memory, stack included; the array is
        // a `struct clone_args` of that size.
        let pid = unsafe {
            libc::syscall(libc::SYS_clone3, arguments.as_mut_ptr(), size_of_val(&arguments))
        };
        if pid != 0 {
            match i32::try_from(pid) {
                Ok(pid) if pid > 0 => self.say([MADE, pid, 0], None),
                _ => self.fail(NO_STEP),
            }
            // SAFETY: `_exit` may be called at any point.
            unsafe { libc::_exit(0) }
        }
        self.take(&self.plan.inside, i32::try_from(self.plan.outside.len()).unwrap_or(i32::MAX));
        // SAFETY: this process has one thread, and the list outlives it. The channel is not used again.
        let code = unsafe {
            environ = self.environment.as_ptr();
            libc::close(self.channel);
            libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ref(), ptr::null_mut());
            function(argument)
        };
        // SAFETY: as above.
        unsafe { libc::_exit(code) }
    }

    /// Takes the steps; returns if all of them worked.
    fn take(&self, steps: &[(Step, String)], first: i32) {
        let mut opened = -1;
        for (number, (step, _)) in (first..).zip(steps) {
            if !self.step(step, &mut opened) {
                self.fail(number);
            }
        }
    }

    /// Ends the process with the errno of the call that failed just now.
    fn fail(&self, step: i32) -> ! {
        self.say([FAILED, step, Errno::last_raw()], None);
        // SAFETY: `_exit` may be called at any point.
        unsafe { libc::_exit(1) }
    }

    /// Sends a message. A caller that is gone cannot be told.
    fn say(&self, message: Message, fd: Option<RawFd>) {
        #[repr(C)]
        struct Rights {
            header: libc::cmsghdr,
            fd: RawFd,
        }
        let mut part = libc::iovec {
            iov_base: message.as_ptr().cast_mut().cast(),
            iov_len: size_of::<Message>(),
        };
        // SAFETY: zero is a value of all members of both.
        let (mut header, mut rights): (libc::msghdr, Rights) = unsafe { std::mem::zeroed() };
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        if let Some(fd) = fd {
            let length = size_of::<libc::cmsghdr>() + size_of::<RawFd>();
            rights.header.cmsg_len = length as _;
            rights.header.cmsg_level = libc::SOL_SOCKET;
            rights.header.cmsg_type = libc::SCM_RIGHTS;
            rights.fd = fd;
            header.msg_control = (&raw mut rights).cast();
            header.msg_controllen = size_of::<Rights>() as _;
        }
        // SAFETY: everything that the header points to lives across the call.
        unsafe { libc::sendmsg(self.channel, &raw const header, libc::MSG_NOSIGNAL) };
    }

    /// Takes one step; whether it worked. `opened` is the file that is open for later.
    fn step(&self, step: &Step, opened: &mut RawFd) -> bool {
        // SAFETY: plain system calls, whose pointers are to what the plan holds. The wrappers of libc are used
        // where they are no more than that: those that change ids signal all threads.
        unsafe {
            match step {
                Step::Prctl(option, value) => libc::prctl(*option, *value, 0, 0, 0) >= 0,
                Step::Join(fd, kinds) => libc::setns(*fd, *kinds) == 0,
                Step::Unshare(kinds) => libc::unshare(*kinds) == 0,
                Step::Keyring => join_keyring(),
                Step::Write(path, content) => write(libc::AT_FDCWD, path.as_ptr(), content),
                Step::Cgroup(dir, leaf) => enter_cgroup(*dir, leaf.as_ptr()),
                Step::CoreCookie(pid) => share_cookie(*pid),
                Step::Limit(number, soft, hard) => {
                    let limit = libc::rlimit64 { rlim_cur: *soft, rlim_max: *hard };
                    let none = ptr::null_mut::<libc::rlimit64>();
                    libc::syscall(libc::SYS_prlimit64, 0, *number, &raw const limit, none) == 0
                }
                Step::Open(paths) => {
                    *opened = -1;
                    for path in paths {
                        if *opened < 0 {
                            *opened = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
                        }
                    }
                    *opened >= 0
                }
                Step::WriteOpened(content) => write_all(*opened, content),
                Step::Mount(fstype, target, flags) => {
                    let fstype = fstype.as_ref().map_or(ptr::null(), |fstype| fstype.as_ptr());
                    let none = c"none".as_ptr();
                    libc::mount(none, target.as_ptr(), fstype, *flags, ptr::null()) == 0
                }
                Step::Unmount(target) => {
                    libc::umount2(target.as_ptr(), libc::MNT_DETACH);
                    true
                }
                Step::Session => libc::setsid() >= 0,
                Step::Duplicate(from, to) => libc::dup2(*from, *to) >= 0,
                Step::ToRoot => libc::chdir(c"/".as_ptr()) == 0,
                Step::ToDirectory(path) => {
                    to_directory(path.as_ptr());
                    true
                }
                Step::Personality(persona) => libc::syscall(libc::SYS_personality, *persona) >= 0,
                Step::InheritNothing => inherit_nothing(),
                Step::KeepCapabilities(mask) => keep_capabilities(*mask),
                Step::Groups(groups, wanted) => {
                    let set =
                        libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) == 0;
                    set || (!wanted && Errno::last_raw() == libc::EPERM)
                }
                Step::Group(id) => libc::syscall(libc::SYS_setresgid, *id, *id, *id) == 0,
                Step::User(id) => libc::syscall(libc::SYS_setresuid, *id, *id, *id) == 0,
                Step::Filter(filter, listens) => self.load_filter(filter, *listens),
                Step::Close(fd) => libc::close(*fd) == 0,
            }
        }
    }

    /// # Safety
    ///
    /// Any filter is safe: it restricts.
    unsafe fn load_filter(&self, filter: &[libc::sock_filter], listens: bool) -> bool {
        let program = libc::sock_fprog {
            len: u16::try_from(filter.len()).unwrap_or(u16::MAX),
            filter: filter.as_ptr().cast_mut(),
        };
        let flags = if listens { libc::SECCOMP_FILTER_FLAG_NEW_LISTENER } else { 0 };
        // SAFETY: the kernel reads as many instructions as there are.
        let loaded = unsafe {
            let operation = libc::SECCOMP_SET_MODE_FILTER;
            libc::syscall(libc::SYS_seccomp, operation, flags, &raw const program)
        };
        match (i32::try_from(loaded), listens) {
            (Ok(listener @ 0..), true) => {
                self.say([LISTENER, 0, 0], Some(listener));
                // SAFETY: nobody else has it.
                unsafe { libc::close(listener) == 0 }
            }
            (Ok(loaded), _) => loaded >= 0,
            (Err(_), _) => false,
        }
    }
}

/// # Safety
///
/// In a child of [`fork`], as all of these.
unsafe fn join_keyring() -> bool {
    const JOIN_SESSION_KEYRING: c_int = 1;
    // SAFETY: a null name makes an anonymous keyring.
    let joined =
        unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, ptr::null::<c_char>()) };
    joined >= 0 || matches!(Errno::last(), Errno::ENOSYS | Errno::EPERM)
}

/// # Safety
///
/// `path` is a text that ends in NUL.
unsafe fn write(dir: RawFd, path: *const c_char, content: &[u8]) -> bool {
    // SAFETY: as the caller promises; the descriptor is closed here.
    unsafe {
        let file = libc::openat(dir, path, libc::O_WRONLY | libc::O_CLOEXEC);
        if file < 0 {
            return false;
        }
        let written = write_all(file, content);
        let errno = Errno::last();
        libc::close(file);
        errno.set();
        written
    }
}

/// In one piece, as the kernel's files want it.
///
/// # Safety
///
/// None.
unsafe fn write_all(file: RawFd, content: &[u8]) -> bool {
    // SAFETY: there is as much content.
    let written = unsafe { libc::write(file, content.as_ptr().cast(), content.len()) };
    usize::try_from(written) == Ok(content.len())
}

/// # Safety
///
/// `leaf` is a name that ends in NUL.
unsafe fn enter_cgroup(dir: RawFd, leaf: *const c_char) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        if write(dir, c"tasks".as_ptr(), b"0") {
            return true;
        }
        // A v2 directory has no such file.
        if Errno::last() != Errno::ENOENT {
            return false;
        }
        if write(dir, c"cgroup.procs".as_ptr(), b"0") {
            return true;
        }
        if !matches!(Errno::last(), Errno::EBUSY | Errno::EOPNOTSUPP) {
            return false;
        }
        if libc::mkdirat(dir, leaf, 0o755) < 0 && Errno::last() != Errno::EEXIST {
            return false;
        }
        let leaf = libc::openat(dir, leaf, libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC);
        leaf >= 0 && write(leaf, c"cgroup.procs".as_ptr(), b"0") && libc::close(leaf) == 0
    }
}

/// # Safety
///
/// None.
unsafe fn share_cookie(pid: Pid) -> bool {
    const PR_SCHED_CORE: c_int = 62;
    const SHARE_FROM: c_ulong = 3;
    // SAFETY: plain numbers; the scope is one thread.
    unsafe { libc::prctl(PR_SCHED_CORE, SHARE_FROM, c_long::from(pid.as_raw()), 0, 0) == 0 }
}

/// # Safety
///
/// `path` is a text that ends in NUL.
unsafe fn to_directory(path: *const c_char) {
    let how =
        [(libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC) as u64, 0, RESOLVE_NO_MAGICLINKS];
    // SAFETY: the array is a `struct open_how`; the descriptor is closed here.
    unsafe {
        let at = libc::AT_FDCWD;
        let opened = libc::syscall(libc::SYS_openat2, at, path, how.as_ptr(), size_of_val(&how));
        if let Ok(opened @ 0..) = i32::try_from(opened) {
            libc::fchdir(opened);
            libc::close(opened);
        }
    }
}

/// linux/openat2.h.
const RESOLVE_NO_MAGICLINKS: u64 = 0x02;

/// # Safety
///
/// None.
unsafe fn inherit_nothing() -> bool {
    /// `_LINUX_CAPABILITY_VERSION_3` (linux/capability.h).
    const VERSION: u32 = 0x2008_0522;
    let mut header = [VERSION, 0];
    // Effective, permitted and inheritable, the lower 32 of each before the upper ones.
    let mut sets = [0_u32; 6];
    // SAFETY: the arrays are the structs that the kernel wants.
    unsafe {
        libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        if libc::syscall(libc::SYS_capget, header.as_mut_ptr(), sets.as_mut_ptr()) != 0 {
            return false;
        }
        (sets[2], sets[5]) = (0, 0);
        libc::syscall(libc::SYS_capset, header.as_mut_ptr(), sets.as_ptr()) == 0
    }
}

/// # Safety
///
/// None.
unsafe fn keep_capabilities(mask: u64) -> bool {
    for number in 0..64 {
        if mask & 1 << number != 0 {
            continue;
        }
        // SAFETY: plain numbers.
        unsafe {
            match libc::prctl(libc::PR_CAPBSET_READ, number, 0, 0, 0) {
                0 => {}
                1 if libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) == 0 => {}
                1 => return false,
                // The kernel knows no more.
                _ => return true,
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::wait::WaitStatus;

    unsafe extern "C" fn five(argument: *mut c_void) -> c_int {
        // SAFETY: the tests pass a number; the environment is that of the plan.
        unsafe {
            let variable = libc::getenv(c"FROM".as_ptr());
            let is_set = !variable.is_null() && libc::strcmp(variable, c"test".as_ptr()) == 0;
            let root = libc::getenv(c"PATH".as_ptr()).is_null();
            if is_set && root && libc::getsid(0) == libc::getpid() { *argument.cast() } else { 1 }
        }
    }

    #[test]
    fn the_function_is_called_after_the_steps_by_a_child_of_the_caller() {
        let mut number: c_int = 5;
        let step = |step| (step, "never said".to_owned());
        let plan = Plan {
            outside: vec![step(Step::Prctl(libc::PR_SET_DUMPABLE, 0))],
            inside: vec![step(Step::Session), step(Step::ToDirectory(c"/nowhere".into()))],
            environment: vec![c"FROM=test".into()],
        };
        // SAFETY: the function only looks at its process.
        let forked = unsafe { fork(&plan, five, (&raw mut number).cast()) }.unwrap();
        let Forked::Begun(pid, None) = forked else { panic!("{forked:?}") };
        assert_eq!(waitpid(pid, None), Ok(WaitStatus::Exited(pid, 5)));
    }

    #[test]
    fn a_step_that_fails_is_named_and_nothing_is_left() {
        let mut plan = Plan::default();
        plan.outside.push((Step::Prctl(libc::PR_SET_DUMPABLE, 0), "one".to_owned()));
        plan.inside.push((Step::Write(c"/nowhere/file".into(), b"1".to_vec()), "two".to_owned()));
        // SAFETY: the function only looks at its process.
        let forked = unsafe { fork(&plan, five, ptr::null_mut()) }.unwrap();
        assert!(
            matches!(&forked, Forked::Failed(what, Errno::ENOENT) if what == "two"),
            "{forked:?}"
        );
    }
}
