//! Network links, one question at a time (netdevice(7)).

use std::ffi::CStr;
use std::io;
use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

// netdevice(7); C libraries differ in the type of a request.
const GET_FLAGS: libc::Ioctl = 0x8913;
const SET_FLAGS: libc::Ioctl = 0x8914;

/// Brings the link `name` of this network namespace up.
pub fn bring_up(name: &CStr) -> io::Result<()> {
    // Links answer on sockets of every family.
    let socket = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    // SAFETY: all of `struct ifreq` are numbers and text, for which zeroes are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let bytes = name.to_bytes();
    // The last byte ends the name.
    if bytes.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(bytes) {
        // Signed or not, by architecture.
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    // SAFETY: this request reads the name and writes the flags of a `struct ifreq`, which outlives it.
    if unsafe { libc::ioctl(socket.as_raw_fd(), GET_FLAGS, &raw mut request) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the flags are the member that the kernel just wrote.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    let up = libc::c_short::try_from(libc::IFF_UP).map_err(io::Error::other)?;
    request.ifr_ifru.ifru_flags = flags | up;
    // SAFETY: this request only reads.
    if unsafe { libc::ioctl(socket.as_raw_fd(), SET_FLAGS, &raw const request) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
