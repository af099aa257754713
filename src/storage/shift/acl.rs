//! POSIX ACLs in extended attributes (linux/posix_acl_xattr.h): a version, then a tag, permissions and an
//! id for each entry, all little-endian.

use super::ids::{Fate, Shift};

/// The attributes that have them.
pub(super) const NAMES: [&std::ffi::CStr; 2] =
    [c"system.posix_acl_access", c"system.posix_acl_default"];

const VERSION: [u8; 4] = 2_u32.to_le_bytes();
const USER: u16 = 0x02;
const GROUP: u16 = 0x08;

/// `acl` with new ids, if any of its ids changes. What is not an ACL has none.
pub(super) fn shifted(acl: &[u8], shift: &Shift) -> Option<Vec<u8>> {
    let mut new = acl.to_owned();
    let (version, entries) = new.split_at_mut_checked(VERSION.len())?;
    if *version != VERSION || entries.len() % 8 != 0 {
        return None;
    }
    for entry in entries.chunks_exact_mut(8) {
        let (what, id) = entry.split_at_mut(4);
        let old = u32::from_le_bytes(id.try_into().ok()?);
        let fate = match u16::from_le_bytes([what[0], what[1]]) {
            USER => shift.user(old),
            GROUP => shift.group(old),
            _ => Fate::Stays,
        };
        if let Fate::Moves(to) = fate {
            id.copy_from_slice(&to.to_le_bytes());
        }
    }
    (new != acl).then_some(new)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ids::tests::maps;
    use super::*;

    fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let bytes = |&(tag, permissions, id): &(u16, u16, u32)| {
            [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat()
        };
        [VERSION.to_vec(), entries.iter().flat_map(bytes).collect()].concat()
    }

    #[test]
    fn only_named_users_and_groups_have_ids() {
        let shift = Shift::new(&maps(&[(0, 0, 100)]), &maps(&[(0, 1000, 100)])).unwrap();
        let old =
            acl(&[(1, 7, u32::MAX), (2, 6, 5), (4, 5, 5), (8, 4, 7), (0x10, 7, 6), (0x20, 0, 5)]);
        let new = acl(&[
            (1, 7, u32::MAX),
            (2, 6, 1005),
            (4, 5, 5),
            (8, 4, 1007),
            (0x10, 7, 6),
            (0x20, 0, 5),
        ]);
        assert_eq!(shifted(&old, &shift), Some(new.clone()));
        assert_eq!(shifted(&new, &shift), None);
        for bad in [&old[..3], &old[..9], &[1, 0, 0, 0][..], b""] {
            assert_eq!(shifted(bad, &shift), None);
        }
    }

    proptest! {
        #[test]
        fn an_acl_comes_back(
            entries in prop::collection::vec((0..0x40_u16, any::<u16>(), 0..150_u32), 0..20),
        ) {
            let (here, there) = (maps(&[(0, 0, 100)]), maps(&[(0, 1000, 100)]));
            let old = acl(&entries);
            let there_and_back = shifted(&old, &Shift::new(&here, &there).unwrap())
                .map_or_else(|| old.clone(), |new| {
                    shifted(&new, &Shift::new(&there, &here).unwrap()).unwrap_or(new)
                });
            prop_assert_eq!(there_and_back, old);
        }

        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let shift = Shift::new(&maps(&[(0, 0, u32::MAX)]), &maps(&[(0, 1 << 31, 65_536)])).unwrap();
            let new = shifted(&bytes, &shift).unwrap_or_else(|| bytes.clone());
            prop_assert_eq!(new.len(), bytes.len());
        }
    }
}
