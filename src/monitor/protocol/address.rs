//! Where a container's command socket is.

use std::os::unix::ffi::OsStrExt;

use crate::hash::fnv1a64;
use crate::identity::Identity;

/// Longest literal address; a longer one is hashed.
const ADDRESS_MAX: usize = 105;

/// The abstract address of a container's command socket, without the leading NUL.
pub fn socket_address(identity: &Identity) -> Vec<u8> {
    let (lxcpath, name) = (identity.lxcpath.as_os_str().as_bytes(), identity.name.as_str());
    let literal = [lxcpath, b"/", name.as_bytes(), b"/command"].concat();
    if literal.len() <= ADDRESS_MAX {
        return literal;
    }
    let path = literal.strip_suffix(b"/command").unwrap_or(&literal);
    format!("lxc/{:016x}/command", fnv1a64(path)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::ContainerName;

    #[test]
    fn addresses_are_literal_up_to_105_bytes() {
        let name = |text: &str| ContainerName::new(text).unwrap();
        let short = Identity::new("/var/lib/lxc", name("b1"));
        assert_eq!(socket_address(&short), b"/var/lib/lxc/b1/command");
        let long = Identity::new(format!("/srv/{}", "x".repeat(100)), name("b1"));
        assert_eq!(socket_address(&long), b"lxc/084d2889f8b4dcb0/command");
        let edge = |len: usize| Identity::new(format!("/{}", "x".repeat(len - 11)), name("b"));
        assert_eq!(socket_address(&edge(105)).len(), 105);
        assert!(socket_address(&edge(106)).starts_with(b"lxc/"));
    }
}
