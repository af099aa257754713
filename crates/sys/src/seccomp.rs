//! Loading a seccomp filter (seccomp(2)).

use std::io;

/// Loads `program`, an array of `struct sock_filter` (linux/filter.h), into this process.
pub fn load(program: &[u8]) -> io::Result<()> {
    const INSTRUCTION: usize = size_of::<libc::sock_filter>();
    const SECCOMP_SET_MODE_FILTER: libc::c_uint = 1;
    let mut instructions: Vec<libc::sock_filter> = program
        .chunks_exact(INSTRUCTION)
        .map(|bytes| libc::sock_filter {
            code: u16::from_ne_bytes([bytes[0], bytes[1]]),
            jt: bytes[2],
            jf: bytes[3],
            k: u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        })
        .collect();
    let len = u16::try_from(instructions.len()).map_err(io::Error::other)?;
    let filter = libc::sock_fprog { len, filter: instructions.as_mut_ptr() };
    // SAFETY: `filter` points at `len` instructions that live across the call; the kernel copies and
    // checks them.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, std::ptr::from_ref(&filter))
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
