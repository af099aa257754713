//! Free ranges of ids.

use std::ops::Range;

/// Ids, from the first to the one after the last.
pub type Ids = Range<u64>;

/// The first `count` ids of a range in `pool` that are in none of `used`.
pub fn first_free(pool: &[Ids], used: &[Ids], count: u64) -> Option<u64> {
    let mut pool = joined(pool);
    pool.sort_unstable_by_key(|part| part.start);
    let mut used: Vec<&Ids> = used.iter().filter(|one| !one.is_empty()).collect();
    used.sort_unstable_by_key(|one| one.start);
    pool.into_iter().find_map(|part| {
        let mut next = part.start;
        for taken in &used {
            if taken.start < next.saturating_add(count) && next < taken.end {
                next = taken.end;
            }
        }
        (next.checked_add(count)? <= part.end).then_some(next)
    })
}

/// The ids that are in both.
pub fn common(one: &[Ids], other: &[Ids]) -> Vec<Ids> {
    let with = |a: &Ids| {
        let overlaps = other.iter().map(|b| a.start.max(b.start)..a.end.min(b.end));
        overlaps.filter(|both| !both.is_empty()).collect::<Vec<_>>()
    };
    joined(&one.iter().flat_map(with).collect::<Vec<_>>())
}

/// The first and the last of the ids that two rows have in common, each given by its first one and by how many
/// there are, at least 1.
pub fn overlap(one: (u32, u32), other: (u32, u32)) -> Option<(u32, u32)> {
    let last = |(first, count): (u32, u32)| first.saturating_add(count - 1);
    let (first, last) = (one.0.max(other.0), last(one).min(last(other)));
    (first <= last).then_some((first, last))
}

/// The first of the ids `wanted` that is in none of `parts`.
pub fn first_missing(wanted: &Ids, parts: &[Ids]) -> Option<u64> {
    let mut next = wanted.start;
    while next < wanted.end {
        let Some(part) = parts.iter().find(|part| part.contains(&next)) else { return Some(next) };
        next = part.end;
    }
    None
}

/// Ids in a message.
pub fn shown(ids: &Ids) -> String {
    format!("{}-{}", ids.start, ids.end.saturating_sub(1))
}

/// The same ids, ranges that adjoin or overlap as one.
fn joined(ranges: &[Ids]) -> Vec<Ids> {
    let mut sorted: Vec<Ids> = ranges.iter().filter(|one| !one.is_empty()).cloned().collect();
    sorted.sort_unstable_by_key(|one| one.start);
    let mut all: Vec<Ids> = Vec::new();
    for one in sorted {
        match all.last_mut().filter(|last| last.end >= one.start) {
            Some(last) => last.end = last.end.max(one.end),
            None => all.push(one),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows_overlap_in_their_ids() {
        assert_eq!(overlap((0, 10), (9, 10)), Some((9, 9)));
        assert_eq!(overlap((5, 1), (0, 100)), Some((5, 5)));
        assert_eq!(overlap((0, 10), (10, 10)), None);
        assert_eq!(overlap((1, u32::MAX), (0, u32::MAX)), Some((1, u32::MAX - 1)));
    }

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "they are ranges of ids")]
    fn the_first_free_range_is_taken() {
        let pool = [100..400, 1000..2000];
        for (used, wanted) in [
            (&[][..], 100),
            (&[100..200], 200),
            (&[150..160], 160),
            (&[100..301], 1000),
            (&[250..260, 100..200], 260),
            (&[0..1000], 1000),
            (&[99..101, 150..150], 101),
        ] {
            assert_eq!(first_free(&pool, used, 100), Some(wanted), "{used:?}");
        }
        assert_eq!(first_free(&pool, &[0..1901], 100), None);
        assert_eq!(first_free(&[], &[], 1), None);
        assert_eq!(first_free(&[0..50, 50..100], &[], 100), Some(0));
    }

    fn some_ranges() -> impl Strategy<Value = Vec<Ids>> {
        prop::collection::vec((0..200_u64, 0..40_u64), 0..12)
            .prop_map(|all| all.into_iter().map(|(first, count)| first..first + count).collect())
    }

    proptest! {
        #[test]
        fn what_is_found_is_free_and_nothing_before_it(
            pool in some_ranges(), used in some_ranges(), count in 1..30_u64,
        ) {
            let has = |ranges: &[Ids], id: u64| ranges.iter().any(|one| one.contains(&id));
            let fits = |first: u64| {
                (first..first + count).all(|id| has(&pool, id) && !has(&used, id))
            };
            prop_assert_eq!(first_free(&pool, &used, count), (0..300).find(|first| fits(*first)));
        }

        #[test]
        fn the_first_missing_id_is_the_first_that_no_part_has(
            first in 0..100_u64, count in 0..60_u64, parts in some_ranges(),
        ) {
            let mut wanted = first..first + count;
            let missing = first_missing(&wanted, &parts);
            prop_assert_eq!(missing, wanted.find(|id| !parts.iter().any(|part| part.contains(id))));
        }

        #[test]
        fn common_ids_are_in_both(one in some_ranges(), other in some_ranges(), id in 0..250_u64) {
            let has = |ranges: &[Ids]| ranges.iter().any(|part| part.contains(&id));
            prop_assert_eq!(has(&common(&one, &other)), has(&one) && has(&other));
        }
    }
}
