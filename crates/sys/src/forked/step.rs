//! What a process can do to itself on its way.

use std::ffi::{CString, c_char, c_int, c_long, c_ulong};
use std::os::fd::RawFd;
use std::ptr;

use nix::errno::Errno;
use nix::unistd::Pid;

use super::child::{Child, LISTENER};

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
    /// A terminal becomes that of the session, in place of those among the standard descriptors.
    Terminal(RawFd),
    /// Gives the terminals among the standard descriptors to a user, where that is allowed.
    OwnTerminals(u32),
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

impl Child<'_> {
    /// Takes one step; whether it worked. `opened` is the file that is open for later.
    pub(super) fn step(&self, step: &Step, opened: &mut RawFd) -> bool {
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
                Step::Terminal(terminal) => take_terminal(*terminal),
                Step::OwnTerminals(user) => {
                    own_terminals(*user);
                    true
                }
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
/// In a child of [`fork`](super::fork), as all of these.
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
/// None.
unsafe fn take_terminal(terminal: RawFd) -> bool {
    // SAFETY: plain numbers.
    unsafe {
        libc::ioctl(terminal, libc::TIOCSCTTY, 0) == 0
            && (0..3).all(|number| libc::isatty(number) == 0 || libc::dup2(terminal, number) >= 0)
    }
}

/// # Safety
///
/// None.
unsafe fn own_terminals(user: u32) {
    for number in 0..3 {
        // SAFETY: plain numbers. A terminal that its user may not open again is a nuisance, and not a failure.
        unsafe {
            if libc::isatty(number) == 1 {
                libc::fchown(number, user, libc::gid_t::MAX);
            }
        }
    }
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
