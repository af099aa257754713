//! A hash for names that would be too long.

/// The 64-bit FNV-1a hash (RFC 9923).
pub fn fnv1a64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_path_has_the_hash_that_lxc_gives_it() {
        assert_eq!(super::fnv1a64(b"/var/lib/lxc/b1"), 0x5949_7257_8e72_ee3b);
    }
}
