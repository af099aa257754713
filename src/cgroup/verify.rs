//! Whether a limit that was written holds: the kernel rounds some values, clamps others, and takes a
//! few without effect. So each is read back.

use std::collections::BTreeSet;
use std::os::fd::BorrowedFd;

use super::file;
use super::translate::parse_size;

/// Files that act when written and do not keep the value.
const ACTIONS: &[&str] = &[
    "cgroup.procs",
    "cgroup.threads",
    "cgroup.kill",
    "cgroup.subtree_control",
    "tasks",
    "memory.force_empty",
    "memory.reclaim",
    "memory.oom_control",
    "freezer.state",
    "devices.allow",
    "devices.deny",
];

/// What the kernel keeps in `file` of `dir` instead of `value`; `None` if it keeps that, or if the
/// file cannot tell.
pub fn kept_instead(dir: BorrowedFd<'_>, file: &str, value: &str) -> Option<String> {
    if ACTIONS.contains(&file) {
        return None;
    }
    // A file that cannot be read has nothing to compare.
    let kept = file::read(dir, file).ok()?;
    if !holds(file, value.trim(), kept.trim()) {
        return Some(kept.trim().to_owned());
    }
    // On v2 any set is taken, and the parent's is used if none of the set is available.
    let wanted = matches!(file, "cpuset.cpus" | "cpuset.mems").then(|| list(value)).flatten()?;
    let effective = file::read(dir, &format!("{file}.effective")).ok()?;
    let in_effect = list(effective.trim())?;
    let outside = !wanted.is_empty() && !in_effect.is_subset(&wanted);
    outside.then(|| effective.trim().to_owned())
}

/// Whether `kept` is how the kernel shows `value`.
fn holds(file: &str, value: &str, kept: &str) -> bool {
    if value == kept {
        return true;
    }
    match file {
        "cpuset.cpus" | "cpuset.mems" => match (list(value), list(kept)) {
            (Some(value), Some(kept)) => value == kept,
            _ => true,
        },
        // A quota alone keeps the period.
        "cpu.max" => kept.split_whitespace().zip(value.split_whitespace()).all(|(a, b)| a == b),
        _ if value.contains(':') => device_line_holds(value, kept),
        _ if kept.lines().count() == 1 => numbers_agree(file, value, kept),
        // A table of which the value is a part; nothing is known of its form.
        _ => true,
    }
}

/// A line for one device or key: all words of it are there, but for those that take a limit away.
fn device_line_holds(value: &str, kept: &str) -> bool {
    let mut words = value.split_whitespace();
    let device = words.next().unwrap_or_default();
    let line = kept.lines().find_map(|line| line.strip_prefix(device)?.strip_prefix(' '));
    let kept: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
    words.all(|word| {
        let number = word.rsplit_once('=').map_or(word, |(_, number)| number);
        kept.contains(&word) || matches!(number, "max" | "0" | "default")
    })
}

fn numbers_agree(file: &str, value: &str, kept: &str) -> bool {
    let Some(hex) = value.strip_prefix("0x") else {
        let (Ok(value), Ok(kept)) = (parse_size(value), parse_size(kept)) else {
            // Words are not compared; the kernel took them and shows them in its own form.
            return true;
        };
        return match (value, kept) {
            (Some(value), Some(kept)) => value == kept || rounded(file, value, kept),
            (value, kept) => value == kept,
        };
    };
    u64::from_str_radix(hex, 16).ok() == kept.parse().ok()
}

/// The kernel counts memory in pages, huge ones in theirs, and rounds down.
fn rounded(file: &str, value: u64, kept: u64) -> bool {
    let page = 65_536;
    let unit = if file.starts_with("hugetlb.") {
        value.saturating_sub(kept) < 1 << 30
    } else {
        file.starts_with("memory.") && value.saturating_sub(kept) < page
    };
    kept < value && unit
}

/// The numbers of a list such as `0-2,5`; `None` if it is not a list.
pub(super) fn list(text: &str) -> Option<BTreeSet<u32>> {
    let mut numbers = BTreeSet::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: u32 = first.trim().parse().ok()?;
        let last: u32 = last.trim().parse().ok()?;
        numbers.extend((first..=last).take(1 << 16));
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_ways_to_show_a_value_hold() {
        for (file, value, kept) in [
            ("memory.max", "64M", "67108864"),
            ("memory.max", "1000000", "999424"),
            ("memory.max", "max", "max"),
            ("memory.limit_in_bytes", "-1", "9223372036854771712"),
            ("hugetlb.2MB.max", "3M", "2097152"),
            ("cpu.max", "25000", "25000 100000"),
            ("cpuset.cpus", "0,1,2", "0-2"),
            ("io.max", "8:0 rbps=4096", "8:16 rbps=1 wbps=max\n8:0 rbps=4096 wbps=max"),
            ("io.max", "8:0 rbps=max", ""),
            ("io.weight", "8:0 50", "default 100\n8:0 50"),
            ("blkio.throttle.read_bps_device", "8:0 0", ""),
            ("net_cls.classid", "0x10001", "65537"),
            ("misc.max", "res_a 1", "res_a 1\nres_b max"),
        ] {
            assert!(holds(file, value, kept), "{file}: {value} kept as {kept}");
        }
    }

    #[test]
    fn what_the_kernel_changed_does_not_hold() {
        for (file, value, kept) in [
            ("cpu.shares", "1", "2"),
            ("memory.max", "64M", "max"),
            ("memory.max", "64M", "33554432"),
            ("memory.max", "64M", "67112960"),
            ("cpuset.cpus", "0-3", "0-1"),
            ("cpu.max", "25000 50000", "25000 100000"),
            ("io.max", "8:0 rbps=4096", "8:0 rbps=max wbps=max"),
            ("net_cls.classid", "0x10001", "0"),
        ] {
            assert!(!holds(file, value, kept), "{file}: {value} kept as {kept}");
        }
    }
}
