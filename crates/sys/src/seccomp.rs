//! Seccomp filters (seccomp(2)), and the system calls that they leave to another process
//! (seccomp_unotify(2)).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

const INSTRUCTION: usize = size_of::<libc::sock_filter>();

/// Loads `program`, an array of `struct sock_filter` (linux/filter.h), into this process. If the program
/// leaves calls to another process, the descriptor at which that one gets them, close-on-exec.
pub fn load(program: &[u8]) -> io::Result<Option<OwnedFd>> {
    const SECCOMP_SET_MODE_FILTER: libc::c_uint = 1;
    const SECCOMP_FILTER_FLAG_NEW_LISTENER: libc::c_ulong = 1 << 3;
    let notifies = notifies(program);
    let mut instructions: Vec<libc::sock_filter> = instructions(program).collect();
    let len = u16::try_from(instructions.len()).map_err(io::Error::other)?;
    let filter = libc::sock_fprog { len, filter: instructions.as_mut_ptr() };
    let flags = if notifies { SECCOMP_FILTER_FLAG_NEW_LISTENER } else { 0 };
    // SAFETY: `filter` points at `len` instructions that live across the call; the kernel copies and
    // checks them.
    let result = unsafe {
        let filter = std::ptr::from_ref(&filter);
        libc::syscall(libc::SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, filter)
    };
    match i32::try_from(result) {
        Ok(-1) => Err(io::Error::last_os_error()),
        // SAFETY: the kernel has just made this descriptor, and nothing else owns it.
        Ok(fd) if notifies => Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) })),
        Ok(_) => Ok(None),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Whether `program` leaves calls to another process.
pub fn notifies(program: &[u8]) -> bool {
    const RETURN: u16 = 0x06;
    const SECCOMP_RET_ACTION_FULL: u32 = 0xffff_0000;
    const SECCOMP_RET_USER_NOTIF: u32 = 0x7fc0_0000;
    instructions(program)
        .any(|one| one.code == RETURN && one.k & SECCOMP_RET_ACTION_FULL == SECCOMP_RET_USER_NOTIF)
}

/// The instructions of `program`.
pub fn instructions(program: &[u8]) -> impl Iterator<Item = libc::sock_filter> {
    program.chunks_exact(INSTRUCTION).map(|bytes| libc::sock_filter {
        code: u16::from_ne_bytes([bytes[0], bytes[1]]),
        jt: bytes[2],
        jf: bytes[3],
        k: u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
    })
}

/// Length of `struct seccomp_notif`.
pub const CALL_LEN: usize = 80;
/// Length of `struct seccomp_notif_resp`.
pub const ANSWER_LEN: usize = 24;
/// Length of `struct seccomp_data`, a part of the former.
pub const DATA_LEN: usize = 64;

/// A call that waits for an answer: `struct seccomp_notif`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(transparent)]
pub struct Call([u64; CALL_LEN / 8]);

impl Call {
    /// What it is answered by.
    pub fn id(&self) -> u64 {
        self.0[0]
    }

    /// Who called, as a number in the pid namespace of the process that received it; 0 for one that is
    /// not in it.
    pub fn pid(&self) -> u32 {
        let [a, b, c, d, ..] = self.0[1].to_ne_bytes();
        u32::from_ne_bytes([a, b, c, d])
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        bytes(&self.0)
    }
}

/// An answer: `struct seccomp_notif_resp`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(transparent)]
pub struct Answer([u64; ANSWER_LEN / 8]);

impl Answer {
    /// The call `id` fails with `errno`; 0 for one without an answer yet.
    pub fn error(id: u64, errno: i32) -> Self {
        let [a, b, c, d] = (-errno).to_ne_bytes();
        Self([id, 0, u64::from_ne_bytes([a, b, c, d, 0, 0, 0, 0])])
    }

    /// From its bytes.
    pub fn of(bytes: [u8; ANSWER_LEN]) -> Self {
        let mut words = [0; ANSWER_LEN / 8];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_ne_bytes(*bytes);
        }
        Self(words)
    }

    /// The call that it answers.
    pub fn id(&self) -> u64 {
        self.0[0]
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        bytes(&self.0)
    }
}

fn bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// The next call at `listener`; waits for one. `ENOENT`: its process is gone.
pub fn receive(listener: BorrowedFd<'_>) -> io::Result<Call> {
    let mut call = Call::default();
    // SAFETY: the request has the length of the struct, all zero as the kernel wants it, in its number.
    let result =
        unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut call) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(call) }
}

/// Answers a call.
pub fn answer(listener: BorrowedFd<'_>, mut answer: Answer) -> io::Result<()> {
    // SAFETY: the request has the length of the struct in its number.
    let result = unsafe {
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether the call `id` still waits: its process is the one that its number named.
pub fn is_waiting(listener: BorrowedFd<'_>, mut id: u64) -> bool {
    // SAFETY: the request is about eight bytes.
    unsafe {
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw mut id) == 0
    }
}

/// Whether `fd` is the listener of a filter.
pub fn is_listener(fd: BorrowedFd<'_>) -> bool {
    let link = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    link.is_ok_and(|link| link.as_os_str() == "anon_inode:seccomp notify")
}
