//! System calls, as safe functions: the only place for `unsafe` in this program.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_int, c_long};
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

/// ioctl_ns(2)
const GET_USERNS: libc::Ioctl = 0xb701;
const GET_PARENT: libc::Ioctl = 0xb702;
const GET_TYPE: libc::Ioctl = 0xb703;
const GET_OWNER_UID: libc::Ioctl = 0xb704;
/// `NSFS_MAGIC` in linux/magic.h.
const NSFS_MAGIC: c_long = 0x6e73_6673;
/// linux/capability.h
const CAPABILITY_VERSION: u32 = 0x2008_0522;
const CAP_NET_ADMIN: u32 = 12;

fn checked(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn owned(result: c_int) -> io::Result<OwnedFd> {
    // SAFETY: callers pass what a system call returned that makes a descriptor; nothing else has it.
    checked(result).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The real and the effective user id.
pub fn user_ids() -> (u32, u32) {
    // SAFETY: these calls take nothing and cannot fail.
    unsafe { (libc::getuid(), libc::geteuid()) }
}

pub fn set_user_ids(real: u32, effective: u32, saved: u32) -> io::Result<()> {
    // SAFETY: takes numbers only.
    checked(unsafe { libc::setresuid(real, effective, saved) }).map(drop)
}

/// The real group and the supplementary ones.
pub fn groups() -> io::Result<Vec<u32>> {
    // SAFETY: with the size 0 nothing is written.
    let count = checked(unsafe { libc::getgroups(0, std::ptr::null_mut()) })?;
    let mut groups = vec![0; usize::try_from(count).unwrap_or_default()];
    // SAFETY: the buffer has room for `count` ids.
    let count = checked(unsafe { libc::getgroups(count, groups.as_mut_ptr()) })?;
    groups.truncate(usize::try_from(count).unwrap_or_default());
    // SAFETY: takes nothing and cannot fail.
    groups.push(unsafe { libc::getgid() });
    groups.dedup();
    Ok(groups)
}

/// Makes the group root's, the only one.
pub fn leave_groups() -> io::Result<()> {
    // SAFETY: with the size 0 nothing is read.
    let left = checked(unsafe { libc::setgroups(0, std::ptr::null()) });
    match left {
        // A user namespace may forbid it, and then root's groups are those of whoever made it.
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {}
        left => drop(left?),
    }
    // SAFETY: takes numbers only.
    checked(unsafe { libc::setresgid(0, 0, 0) }).map(drop)
}

/// The name of a user; `None` if nobody has the id.
pub fn user_name(uid: u32) -> io::Result<Option<Vec<u8>>> {
    let mut entry = MaybeUninit::<libc::passwd>::uninit();
    look_up(|buffer, found| {
        // SAFETY: the entry and the buffer, whose size is given, outlive the call.
        unsafe {
            let (text, size) = (buffer.as_mut_ptr().cast(), buffer.len());
            let mut result = std::ptr::null_mut();
            let code = libc::getpwuid_r(uid, entry.as_mut_ptr(), text, size, &raw mut result);
            if !result.is_null() {
                *found = Some(CStr::from_ptr((*result).pw_name).to_bytes().to_vec());
            }
            code
        }
    })
}

/// The name of a group; `None` if none has the id.
pub fn group_name(gid: u32) -> io::Result<Option<Vec<u8>>> {
    let mut entry = MaybeUninit::<libc::group>::uninit();
    look_up(|buffer, found| {
        // SAFETY: the entry and the buffer, whose size is given, outlive the call.
        unsafe {
            let (text, size) = (buffer.as_mut_ptr().cast(), buffer.len());
            let mut result = std::ptr::null_mut();
            let code = libc::getgrgid_r(gid, entry.as_mut_ptr(), text, size, &raw mut result);
            if !result.is_null() {
                *found = Some(CStr::from_ptr((*result).gr_name).to_bytes().to_vec());
            }
            code
        }
    })
}

/// Calls `ask` with a larger buffer as long as it finds the one it got too small.
fn look_up(
    mut ask: impl FnMut(&mut [u8], &mut Option<Vec<u8>>) -> c_int,
) -> io::Result<Option<Vec<u8>>> {
    let mut buffer = vec![0u8; 1024];
    loop {
        let mut found = None;
        match ask(&mut buffer, &mut found) {
            libc::ERANGE if buffer.len() < 1 << 24 => buffer.resize(buffer.len() * 4, 0),
            libc::EINTR => {}
            // What C libraries say where a database has no such entry or is not there (getpwuid(3)).
            0 | libc::ENOENT | libc::ESRCH | libc::EBADF | libc::EPERM => return Ok(found),
            code => return Err(io::Error::from_raw_os_error(code)),
        }
    }
}

/// Opens those of the descriptors 0 to 2 that are closed, so that no file of ours becomes one.
pub fn open_standard_descriptors() -> io::Result<()> {
    for fd in 0..3 {
        // SAFETY: asks for the flags of a number.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
            // SAFETY: the path is a C string. The lowest number that is free is `fd`.
            checked(unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) })?;
        }
    }
    Ok(())
}

/// Closes all other descriptors. Call it before this program opens one.
pub fn close_other_descriptors() -> io::Result<()> {
    // SAFETY: takes numbers; nothing in this program has a descriptor yet.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32) };
    if closed == 0 {
        return Ok(());
    }
    // Before Linux 5.9.
    let open: Vec<RawFd> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for fd in open.into_iter().filter(|fd| *fd > 2) {
        // SAFETY: as above. That of the directory, which is closed already, is refused.
        unsafe { libc::close(fd) };
    }
    Ok(())
}

pub fn clear_environment() {
    // SAFETY: this program has one thread, and keeps no pointer into the environment.
    unsafe { libc::clearenv() };
}

pub fn set_umask(mask: libc::mode_t) {
    // SAFETY: takes a number and cannot fail.
    unsafe { libc::umask(mask) };
}

/// Blocks all signals that can be blocked.
pub fn block_signals() -> io::Result<()> {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the first call fills the set that the second one reads.
    checked(unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, all.as_ptr(), std::ptr::null_mut())
    })
    .map(drop)
}

pub fn stop_alarm() {
    // SAFETY: takes a number and cannot fail.
    unsafe { libc::alarm(0) };
}

/// Replaces limits that the caller may have set by ones that do not matter here. Where root may not raise
/// them, as in some containers, those of the caller's must be high enough.
pub fn reset_limits() -> io::Result<()> {
    let enough = [
        (libc::RLIMIT_CPU, 60),
        (libc::RLIMIT_FSIZE, 1 << 24),
        (libc::RLIMIT_DATA, 1 << 28),
        (libc::RLIMIT_AS, 1 << 30),
        (libc::RLIMIT_RTTIME, 60_000_000),
        (libc::RLIMIT_NOFILE, 32),
    ];
    for (resource, enough) in enough {
        let usual = if resource == libc::RLIMIT_NOFILE { 1024 } else { libc::RLIM_INFINITY };
        let mut limit = libc::rlimit { rlim_cur: usual, rlim_max: usual };
        // SAFETY: reads the limits it is given.
        if unsafe { libc::setrlimit(resource, &raw const limit) } == 0 {
            continue;
        }
        // SAFETY: fills the limits it is given.
        checked(unsafe { libc::getrlimit(resource, &raw mut limit) })?;
        if limit.rlim_max < enough {
            return Err(io::Error::from_raw_os_error(libc::EPERM));
        }
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: reads the limits it is given.
        checked(unsafe { libc::setrlimit(resource, &raw const limit) })?;
    }
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: reads the limits it is given.
    checked(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) }).map(drop)
}

/// The usual share of the processor: whoever holds the lock must get on.
pub fn reset_priority() {
    // The kernel's `struct sched_param`; musl has another one, and no such function.
    let usual: c_int = 0;
    // SAFETY: take numbers and a struct that outlives the call. Where the kernel refuses it stays as it is.
    unsafe {
        libc::syscall(libc::SYS_sched_setscheduler, 0, libc::SCHED_OTHER, &raw const usual);
        libc::setpriority(libc::PRIO_PROCESS, 0, 0);
    }
}

pub fn deny_tracing() -> io::Result<()> {
    // SAFETY: takes numbers only.
    checked(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) }).map(drop)
}

/// Gives up all capabilities but CAP_NET_ADMIN, and what a program that is executed could bring.
pub fn keep_net_admin() -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: c_int,
    }
    #[repr(C)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    // SAFETY: takes numbers only.
    checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    let header = Header { version: CAPABILITY_VERSION, pid: 0 };
    let kept = 1 << CAP_NET_ADMIN;
    let data = [
        Data { effective: kept, permitted: kept, inheritable: 0 },
        Data { effective: 0, permitted: 0, inheritable: 0 },
    ];
    // SAFETY: the version says that there are two structs of data; the kernel reads all three.
    let set = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    if set < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether `file`, which may be opened with `O_PATH`, is a namespace.
pub fn is_namespace_file(file: BorrowedFd<'_>) -> bool {
    let mut found = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: fills the struct, for which zeroes are valid.
    let found = unsafe {
        libc::fstatfs(file.as_raw_fd(), found.as_mut_ptr());
        found.assume_init()
    };
    // C libraries and machines differ in the type.
    #[allow(clippy::unnecessary_cast)]
    let kind = found.f_type as c_long;
    kind == NSFS_MAGIC
}

pub fn is_network_namespace(namespace: BorrowedFd<'_>) -> bool {
    // SAFETY: takes no argument.
    unsafe { libc::ioctl(namespace.as_raw_fd(), GET_TYPE) == libc::CLONE_NEWNET }
}

/// The user namespace that `namespace` belongs to.
pub fn user_namespace_of(namespace: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: takes no argument and makes a descriptor.
    owned(unsafe { libc::ioctl(namespace.as_raw_fd(), GET_USERNS) })
}

/// The user namespace above `namespace`.
pub fn parent_of(namespace: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: takes no argument and makes a descriptor.
    owned(unsafe { libc::ioctl(namespace.as_raw_fd(), GET_PARENT) })
}

/// The user who made the user namespace `namespace`.
pub fn owner_of(namespace: BorrowedFd<'_>) -> io::Result<u32> {
    let mut uid = u32::MAX;
    // SAFETY: fills the number it is given.
    checked(unsafe { libc::ioctl(namespace.as_raw_fd(), GET_OWNER_UID, &raw mut uid) })?;
    Ok(uid)
}

/// Opens the file `name` in `directory`, which is made where it is missing; follows no link and waits
/// for nobody at a FIFO.
pub fn open_record_file(directory: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
    let name = CString::new(name)?;
    let flags =
        libc::O_RDWR | libc::O_CREAT | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;
    // SAFETY: the name is a C string.
    owned(unsafe { libc::openat(directory.as_raw_fd(), name.as_ptr(), flags, 0o600) })
}

/// Device and inode of `name` in `directory`; `None` if it is not there.
pub fn inode_of(directory: BorrowedFd<'_>, name: &str) -> Option<(u64, u64)> {
    let name = CString::new(name).ok()?;
    let mut found = MaybeUninit::<libc::stat>::zeroed();
    let (fd, flags) = (directory.as_raw_fd(), libc::AT_SYMLINK_NOFOLLOW);
    // SAFETY: the name is a C string, and the struct is filled.
    checked(unsafe { libc::fstatat(fd, name.as_ptr(), found.as_mut_ptr(), flags) }).ok()?;
    // SAFETY: the call succeeded.
    let found = unsafe { found.assume_init() };
    // C libraries and machines differ in the types.
    #[allow(clippy::useless_conversion)]
    Some((found.st_dev.into(), found.st_ino.into()))
}

pub fn make_private(file: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes numbers only.
    checked(unsafe { libc::fchmod(file.as_raw_fd(), 0o600) }).map(drop)
}

pub fn make_readable(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755))
}

/// Takes the lock of the whole file, if nobody else has it. It goes with the descriptor.
pub fn try_lock(file: BorrowedFd<'_>) -> io::Result<bool> {
    // SAFETY: all of the struct are numbers, for which zeroes are valid.
    let mut lock: libc::flock = unsafe { MaybeUninit::zeroed().assume_init() };
    lock.l_type = i16::try_from(libc::F_WRLCK).unwrap_or_default();
    lock.l_whence = i16::try_from(libc::SEEK_SET).unwrap_or_default();
    // SAFETY: reads the struct.
    let locked = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw const lock) };
    match checked(locked) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// A socket to the kernel's links (rtnetlink(7)).
pub fn netlink_socket() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: takes numbers only.
    owned(unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) })
}

fn kernel_address() -> libc::sockaddr_nl {
    // SAFETY: all of the struct are numbers, for which zeroes are valid; 0 is the kernel's id.
    let mut address: libc::sockaddr_nl = unsafe { MaybeUninit::zeroed().assume_init() };
    address.nl_family = libc::sa_family_t::try_from(libc::AF_NETLINK).unwrap_or_default();
    address
}

/// Sends `message` to the kernel.
pub fn send_to_kernel(socket: BorrowedFd<'_>, message: &[u8]) -> io::Result<()> {
    let address = kernel_address();
    let size = libc::socklen_t::try_from(size_of::<libc::sockaddr_nl>()).unwrap_or_default();
    // SAFETY: the message and the address are given with their sizes, and outlive the call.
    let sent = unsafe {
        let (text, to) = (message.as_ptr().cast(), (&raw const address).cast());
        libc::sendto(socket.as_raw_fd(), text, message.len(), 0, to, size)
    };
    match usize::try_from(sent) {
        Ok(sent) if sent == message.len() => Ok(()),
        Ok(_) => Err(io::ErrorKind::WriteZero.into()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

/// Receives one message from the kernel. What is longer than `buffer` is an error.
pub fn receive_from_kernel(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        let mut address = kernel_address();
        let mut size =
            libc::socklen_t::try_from(size_of::<libc::sockaddr_nl>()).unwrap_or_default();
        // SAFETY: buffer and address are given with their sizes, and outlive the call.
        let received = unsafe {
            let (text, from) = (buffer.as_mut_ptr().cast(), (&raw mut address).cast());
            let flags = libc::MSG_TRUNC;
            libc::recvfrom(socket.as_raw_fd(), text, buffer.len(), flags, from, &raw mut size)
        };
        match usize::try_from(received) {
            // From another process.
            Ok(_) if address.nl_pid != 0 => {}
            Ok(length) if length > buffer.len() => {
                return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
            }
            Ok(length) => return Ok(length),
            Err(_) => return Err(io::Error::last_os_error()),
        }
    }
}

/// Random bytes.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    // SAFETY: the buffer is given with its size.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), N, 0) };
    match usize::try_from(got) {
        Ok(got) if got == N => Ok(bytes),
        Ok(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}
