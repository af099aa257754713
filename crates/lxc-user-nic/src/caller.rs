//! Who called, and doing something with no more rights than they have.

use std::fmt;

use crate::failure::{Context, Failure, Result};
use crate::sys;

/// The user who called this program.
pub struct Caller {
    pub uid: u32,
    name: String,
    groups: Vec<Vec<u8>>,
}

impl Caller {
    /// The real user, and their groups.
    pub fn new() -> Result<Self> {
        let (uid, euid) = sys::user_ids();
        if euid != 0 {
            return Err(Failure::new("this program does not run as root").hint(
                "as root: chown root FILE && chmod 4755 FILE; on a file system without nosuid",
            ));
        }
        let name = sys::user_name(uid).context(|| "cannot look up the user".to_owned())?;
        let name = name.and_then(|name| String::from_utf8(name).ok());
        // What could be taken for two words, or for a group, in a record.
        let is_word = |name: &String| {
            !name.is_empty() && !name.starts_with(['@', '#']) && !name.contains(char::is_whitespace)
        };
        let name = name.filter(is_word).ok_or_else(|| {
            Failure::new(format!("the user with id {uid} has no name that can stand in a file"))
        })?;
        let mut groups = Vec::new();
        for gid in sys::groups().context(|| "cannot look up the groups".to_owned())? {
            groups.extend(sys::group_name(gid).context(|| "cannot look up a group".to_owned())?);
        }
        Ok(Self { uid, name, groups })
    }

    #[cfg(test)]
    pub fn for_tests(uid: u32, name: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().map(|group| group.as_bytes().to_vec()).collect();
        Self { uid, name: name.to_owned(), groups }
    }

    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Whether `owner`, `USER` or `@GROUP`, is this user or a group of theirs.
    pub fn is(&self, owner: &[u8]) -> bool {
        match owner.strip_prefix(b"@") {
            None => owner == self.name.as_bytes(),
            Some(group) => !group.is_empty() && self.groups.iter().any(|own| own == group),
        }
    }

    /// How the names of this user's links begin on the host. No two users have the same, so that a link
    /// that counts for a group still tells whose it is.
    pub fn link_prefix(&self) -> String {
        if self.uid < 1_000_000 {
            return format!("veth{}_", self.uid);
        }
        // A larger number leaves no room for what makes a name unique.
        let (mut rest, mut digits) = (self.uid, Vec::new());
        for _ in 0..6 {
            digits.push(DIGITS[(rest % 62) as usize]);
            rest /= 62;
        }
        format!("veth{}-", digits.iter().rev().map(|digit| char::from(*digit)).collect::<String>())
    }

    /// Calls `action` with the effective ids of the caller and none of root's rights.
    pub fn act<T>(&self, action: impl FnOnce() -> T) -> Result<T> {
        if self.is_root() {
            return Ok(action());
        }
        let failed = || "cannot change to the caller's user id".to_owned();
        // The real and the saved one stay root's, so that the caller can neither signal nor trace this.
        sys::set_user_ids(0, self.uid, 0).context(failed)?;
        let done = action();
        sys::set_user_ids(0, 0, 0).context(failed)?;
        Ok(done)
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The digits of numbers in names of links, and what random ones are made of.
pub const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_links_tell_the_user_and_leave_four_characters() {
        let prefix = |uid| Caller::for_tests(uid, "ann", &[]).link_prefix();
        assert_eq!(prefix(1000), "veth1000_");
        assert_eq!(prefix(999_999), "veth999999_");
        assert_eq!(prefix(1_000_000), "veth004C92-");
        assert_ne!(prefix(u32::MAX), prefix(u32::MAX - 1));
        assert!([0, 999_999, 1_000_000, u32::MAX].iter().all(|uid| prefix(*uid).len() <= 11));
    }

    #[test]
    fn an_owner_is_the_user_or_a_group_of_theirs() {
        let ann = Caller::for_tests(1000, "ann", &["staff"]);
        assert!(ann.is(b"ann") && ann.is(b"@staff"));
        for other in ["@ann", "staff", "ann ", "an", "annn", "", "@", "@staf"] {
            assert!(!ann.is(other.as_bytes()), "{other:?}");
        }
    }
}
