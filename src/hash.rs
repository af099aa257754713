//! The 64-bit FNV-1a hash (RFC 9923): for names and against damage, not against anybody.

/// The hash of `bytes`.
pub const fn fnv1a64(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_the_one_of_command_sockets() {
        assert_eq!(super::fnv1a64(b"/var/lib/lxc/b1"), 0x5949_7257_8e72_ee3b);
        assert_eq!(super::fnv1a64(b""), 0xcbf2_9ce4_8422_2325);
    }
}
