//! File capabilities (linux/capability.h): version and flags, two pairs of sets, and since version 3 the
//! user who must be root of the namespace in which they count, all little-endian.

use super::ids::{Fate, Shift};

/// The attribute that has them.
pub(super) const NAME: &std::ffi::CStr = c"security.capability";

const VERSION: u32 = 0xff00_0000;
const VERSION_2: u32 = 0x0200_0000;
const VERSION_3: u32 = 0x0300_0000;
/// Bytes before the id of root: all of version 2.
const LENGTH_2: usize = 20;

/// `value` for the new root, if that is another one. Version 2 is for the host's root, or in a user
/// namespace for its root. What is neither version has none.
pub(super) fn shifted(value: &[u8], shift: &Shift) -> Option<Vec<u8>> {
    let word = |at: usize| Some(u32::from_le_bytes(value.get(at..at + 4)?.try_into().ok()?));
    let head = word(0)?;
    let root = match (head & VERSION, value.len()) {
        (VERSION_2, LENGTH_2) => 0,
        (VERSION_3, _) if value.len() == LENGTH_2 + 4 => word(LENGTH_2)?,
        _ => return None,
    };
    let Fate::Moves(root) = shift.user(root) else { return None };
    let version = if root == 0 { VERSION_2 } else { VERSION_3 };
    let mut new = (version | head & !VERSION).to_le_bytes().to_vec();
    new.extend(&value[4..LENGTH_2]);
    if root != 0 {
        new.extend(root.to_le_bytes());
    }
    Some(new)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ids::tests::maps;
    use super::*;

    fn shift(from: u32, to: u32) -> Shift {
        Shift::new(&maps(&[(0, from, 100)]), &maps(&[(0, to, 100)])).unwrap()
    }

    #[test]
    fn capabilities_are_for_the_new_root() {
        let version_2 = [&0x0200_0001_u32.to_le_bytes()[..], &[5; 16]].concat();
        let version_3 =
            [&0x0300_0001_u32.to_le_bytes()[..], &[5; 16], &1000_u32.to_le_bytes()].concat();
        assert_eq!(shifted(&version_2, &shift(0, 1000)), Some(version_3.clone()));
        assert_eq!(shifted(&version_3, &shift(0, 1000)), None);
        assert_eq!(shifted(&version_3, &shift(1000, 0)), Some(version_2.clone()));
        assert_eq!(shifted(&version_2, &shift(1000, 2000)), None);
        let other = shifted(&version_3, &shift(1000, 2000)).unwrap();
        assert_eq!((&other[..20], &other[20..]), (&version_3[..20], &2000_u32.to_le_bytes()[..]));
        let version_1 = [&0x0100_0001_u32.to_le_bytes()[..], &[5; 8]].concat();
        for bad in [&version_1[..], &version_2[..19], &version_3[..23], b""] {
            assert_eq!(shifted(bad, &shift(0, 1000)), None);
        }
    }

    proptest! {
        #[test]
        fn capabilities_come_back(
            flags in any::<u8>(), sets in prop::collection::vec(any::<u8>(), 16), root in 0..100_u32,
        ) {
            let mut old = ((if root == 0 { VERSION_2 } else { VERSION_3 }) | u32::from(flags))
                .to_le_bytes().to_vec();
            old.extend(&sets);
            if root != 0 {
                old.extend(root.to_le_bytes());
            }
            let new = shifted(&old, &shift(0, 1000)).unwrap();
            prop_assert_eq!(shifted(&new, &shift(1000, 0)), Some(old));
        }
    }
}
