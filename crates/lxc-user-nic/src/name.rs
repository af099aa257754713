//! The name of a link: what the kernel takes, and no more than can stand in a path, a record and a line
//! of output.

use std::fmt;

/// As long as the kernel takes them (`IFNAMSIZ` without the byte that ends it).
const MAX: usize = 15;

/// A valid name of a link.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LinkName(String);

impl LinkName {
    /// `None` for a name that the kernel does not take, or takes as a pattern (`eth%d`), and for one with
    /// other than visible ASCII characters.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let is_valid = |byte: &u8| byte.is_ascii_graphic() && !b"/:%".contains(byte);
        let valid = (1..=MAX).contains(&bytes.len()) && bytes.iter().all(is_valid);
        if !valid || bytes == b"." || bytes == b".." {
            return None;
        }
        String::from_utf8(bytes.to_vec()).ok().map(Self)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_kernel_takes() {
        for name in ["e", "eth0", "veth1000_aB3z", "br-lan.5", "fifteen-bytes-x", "@x", "#1"] {
            assert!(LinkName::new(name.as_bytes()).is_some(), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "../a",
            "a:b",
            "eth%d",
            "a b",
            "a\tb",
            "a\nb",
            "sixteen-bytes-xx",
            "ä",
        ] {
            assert!(LinkName::new(name.as_bytes()).is_none(), "{name:?}");
        }
        assert!(LinkName::new(b"a\0b").is_none() && LinkName::new(&[0xff]).is_none());
    }
}
