//! Sizes as LXC's listings show them.

/// A size in its largest unit: whole ones, hundredths, and the unit; `None` for one that is shown in
/// bytes. Rounded as LXC does, gibibytes cut off.
pub(super) fn scaled(bytes: u64) -> Option<(u64, u64, &'static str)> {
    let units = [(30, "GiB", 0), (20, "MiB", 5243), (10, "KiB", 5)];
    let (shift, unit, half) = units.into_iter().find(|(shift, ..)| bytes > 1 << shift)?;
    let bytes = bytes + half;
    Some((bytes >> shift, ((bytes & ((1 << shift) - 1)) * 100) >> shift, unit))
}

/// Processor time in seconds, rounded to two digits.
pub(super) fn seconds(nanoseconds: u64) -> String {
    let hundredths = nanoseconds.saturating_add(5_000_000) / 10_000_000;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_have_two_digits() {
        assert_eq!(scaled(1024), None);
        assert_eq!(scaled(1074), Some((1, 5, "KiB")));
        assert_eq!(scaled(1408), Some((1, 37, "KiB")));
        assert_eq!(scaled(2047), Some((2, 0, "KiB")));
        assert_eq!(scaled(520_192), Some((508, 0, "KiB")));
        assert_eq!(scaled(1_269_760), Some((1, 21, "MiB")));
        assert_eq!(scaled(u64::MAX), Some((17_179_869_183, 99, "GiB")));
        assert_eq!(seconds(855_600_000), "0.86");
        assert_eq!(seconds(1_234_000_000), "1.23");
    }
}
