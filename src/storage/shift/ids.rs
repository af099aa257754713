//! Which ids become which.

use crate::config::{IdKind, IdMap};
use crate::error::{Error, Result};
use crate::namespace::ranges::overlap;

/// Ids that become others, in one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    from: u32,
    to: u32,
    count: u32,
}

impl Step {
    fn moves(self) -> bool {
        self.from != self.to
    }

    /// The ids that the new ones of `self` and the old ones of `other` have in common, first and last.
    fn meets(self, other: Self) -> Option<(u32, u32)> {
        overlap((self.to, self.count), (other.from, other.count))
    }
}

/// What becomes of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Moves(u32),
    /// It is one that ids become, or no other one becomes of it.
    Stays,
    /// It is neither an old one nor a new one.
    Foreign,
}

/// Old ids on the disk and the new ones for them.
///
/// No id is an old one and a new one of something else. So what has been shifted is not shifted again,
/// whoever comes by once more: by another hard link, or after the first walk was killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift {
    users: Vec<Step>,
    groups: Vec<Step>,
}

impl Shift {
    /// From the ids that `from` has outside to those that `to` has there for the same ones inside. Fails if
    /// that cannot be told from an unfinished shift.
    pub fn new(from: &[IdMap], to: &[IdMap]) -> Result<Self> {
        let shift =
            Self { users: steps(from, to, IdKind::User), groups: steps(from, to, IdKind::Group) };
        for steps in [&shift.users, &shift.groups] {
            let moving = || steps.iter().filter(|step| step.moves());
            let both = moving().find_map(|one| moving().find_map(|other| one.meets(*other)));
            if let Some((first, last)) = both {
                return Err(Error::new(format!(
                    "the ids {first}-{last} are among the old ones and among the new ones"
                ))
                .hint("shift to ids that are not among the old ones first, and then to these"));
            }
        }
        Ok(shift)
    }

    /// Whether no id becomes another one.
    pub fn is_idle(&self) -> bool {
        !self.users.iter().chain(&self.groups).any(|step| step.moves())
    }

    pub(super) fn user(&self, id: u32) -> Fate {
        fate(&self.users, id)
    }

    pub(super) fn group(&self, id: u32) -> Fate {
        fate(&self.groups, id)
    }
}

fn steps(from: &[IdMap], to: &[IdMap], kind: IdKind) -> Vec<Step> {
    let of_kind = |maps: &[IdMap]| -> Vec<IdMap> {
        maps.iter().filter(|map| map.kind == kind).copied().collect()
    };
    let (from, to) = (of_kind(from), of_kind(to));
    let both = from.iter().flat_map(|old| to.iter().map(move |new| (old, new)));
    both.filter_map(|(old, new)| {
        let (first, last) = overlap((old.inside, old.range), (new.inside, new.range))?;
        Some(Step {
            from: old.outside + (first - old.inside),
            to: new.outside + (first - new.inside),
            count: last - first + 1,
        })
    })
    .collect()
}

fn fate(steps: &[Step], id: u32) -> Fate {
    let offset = |first: u32, count: u32| id.checked_sub(first).filter(|at| *at < count);
    if let Some((step, at)) =
        steps.iter().find_map(|step| Some((step, offset(step.from, step.count)?)))
    {
        return if step.moves() { Fate::Moves(step.to + at) } else { Fate::Stays };
    }
    let is_new = steps.iter().any(|step| offset(step.to, step.count).is_some());
    if is_new { Fate::Stays } else { Fate::Foreign }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in super::super) fn maps(lines: &[(u32, u32, u32)]) -> Vec<IdMap> {
        let map = |kind| {
            move |&(inside, outside, range): &(u32, u32, u32)| IdMap {
                kind,
                inside,
                outside,
                range,
            }
        };
        lines.iter().map(map(IdKind::User)).chain(lines.iter().map(map(IdKind::Group))).collect()
    }

    #[test]
    fn ids_go_through_the_container() {
        let host = maps(&[(0, 0, u32::MAX)]);
        let own = maps(&[(0, 100_000, 1000), (1000, 1000, 1), (1001, 101_001, 64_535)]);
        let shift = Shift::new(&host, &own).unwrap();
        for (id, fate) in [
            (0, Fate::Moves(100_000)),
            (999, Fate::Moves(100_999)),
            (1000, Fate::Stays),
            (65_535, Fate::Moves(165_535)),
            (100_000, Fate::Stays),
            (65_536, Fate::Foreign),
        ] {
            assert_eq!(shift.user(id), fate, "{id}");
            assert_eq!(shift.group(id), fate, "{id}");
        }
        assert!(!shift.is_idle());
        assert!(Shift::new(&own, &own).unwrap().is_idle());
    }

    #[test]
    fn a_shift_that_could_not_be_resumed_is_refused() {
        let error = Shift::new(&maps(&[(0, 100, 50)]), &maps(&[(0, 120, 50)])).unwrap_err();
        assert!(error.what.contains("120-149"), "{error}");
    }

    proptest! {
        #[test]
        fn a_shift_is_undone_by_its_reverse_and_done_once(
            old in 0..1000_u32, new in 0..1000_u32, count in 1..300_u32, id in 0..1500_u32,
        ) {
            let (from, to) = (maps(&[(0, old, count)]), maps(&[(0, new, count)]));
            let Ok(shift) = Shift::new(&from, &to) else {
                prop_assert!(old.abs_diff(new) < count);
                return Ok(());
            };
            if let Fate::Moves(moved) = shift.user(id) {
                prop_assert_eq!(moved - new, id - old);
                prop_assert_eq!(shift.user(moved), Fate::Stays);
                prop_assert_eq!(Shift::new(&to, &from).unwrap().user(moved), Fate::Moves(id));
            }
        }
    }
}
