//! lxc-monitord: passes what all monitors of one directory of containers announce on to those who
//! listen (lxc-monitor(1)). Both sides speak LXC's protocol, so that either may be LXC's own.

mod client;
mod daemon;

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub use client::{Subscription, quit};
pub use daemon::{PROGRAM, Stay, serve};

use crate::hash::fnv1a64;

/// Longest address, bytes (`sun_path` without its first and last).
const ADDRESS_MAX: usize = 105;

/// The abstract address of the daemon for `lxcpath`, without the leading NUL.
fn socket_address(lxcpath: &Path) -> Vec<u8> {
    let path = lxcpath.as_os_str().as_bytes();
    let hash = fnv1a64(&[b"lxc/", path, b"/monitor-sock"].concat());
    let mut address = [format!("lxc/{hash:016x}/").as_bytes(), path].concat();
    address.truncate(ADDRESS_MAX);
    address
}

#[cfg(test)]
mod tests {
    #[test]
    fn address_is_that_of_lxc() {
        let address = super::socket_address("/var/lib/lxc".as_ref());
        assert_eq!(address, b"lxc/ad055575fe28ddd5//var/lib/lxc");
    }
}
