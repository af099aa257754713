//! Settings that are one file on v1 and one file on v2.

use super::super::layout::Version;
use super::value::{NO_LIMIT, Scale, parse_size, rescale};
use super::{Current, Refusal, Write};

/// How a value changes between the two files.
#[derive(Clone, Copy)]
enum Meaning {
    /// Not at all.
    Same,
    /// Bytes; no limit is `-1` on v1 and `max` on v2.
    Size,
    /// A weight on v1's scale.
    Weight(Scale),
    /// A weight for one device, after `MAJOR:MINOR`.
    DeviceWeight(Scale),
    /// `FROZEN` and `THAWED` on v1, `1` and `0` on v2.
    Frozen,
    /// Bytes that can only be read.
    Used,
}

struct Pair {
    v1: &'static str,
    v2: &'static str,
    meaning: Meaning,
}

const SHARES: Scale = Scale { default: 1024, min: 2, max: 262_144 };
const WEIGHT: Scale = Scale { default: 100, min: 1, max: 10_000 };
/// The scale of the I/O scheduler CFQ.
const BLKIO: Scale = Scale { default: 500, min: 10, max: 1000 };
/// The scale of the I/O scheduler BFQ, on both versions.
const BFQ: Scale = Scale { default: 100, min: 1, max: 1000 };

const PAIRS: &[Pair] = &[
    pair("cpu.shares", "cpu.weight", Meaning::Weight(SHARES)),
    pair("cpu.cfs_burst_us", "cpu.max.burst", Meaning::Same),
    pair("cpu.idle", "cpu.idle", Meaning::Same),
    pair("cpuset.cpus", "cpuset.cpus", Meaning::Same),
    pair("cpuset.mems", "cpuset.mems", Meaning::Same),
    pair("cpuset.effective_cpus", "cpuset.cpus.effective", Meaning::Same),
    pair("cpuset.effective_mems", "cpuset.mems.effective", Meaning::Same),
    pair("memory.limit_in_bytes", "memory.max", Meaning::Size),
    pair("memory.soft_limit_in_bytes", "memory.high", Meaning::Size),
    pair("memory.usage_in_bytes", "memory.current", Meaning::Used),
    pair("memory.max_usage_in_bytes", "memory.peak", Meaning::Used),
    // Whichever of the two weights the host has; on v1 today's kernels have that of BFQ.
    pair("blkio.bfq.weight", "io.weight", Meaning::Weight(BFQ)),
    pair("blkio.bfq.weight", "io.bfq.weight", Meaning::Weight(BFQ)),
    pair("blkio.weight", "io.weight", Meaning::Weight(BLKIO)),
    pair("blkio.weight", "io.bfq.weight", Meaning::Weight(BLKIO)),
    pair("blkio.bfq.weight_device", "io.weight", Meaning::DeviceWeight(BFQ)),
    pair("blkio.bfq.weight_device", "io.bfq.weight", Meaning::DeviceWeight(BFQ)),
    pair("blkio.weight_device", "io.weight", Meaning::DeviceWeight(BLKIO)),
    pair("blkio.weight_device", "io.bfq.weight", Meaning::DeviceWeight(BLKIO)),
    pair("pids.max", "pids.max", Meaning::Same),
    pair("freezer.state", "cgroup.freeze", Meaning::Frozen),
    pair("rdma.max", "rdma.max", Meaning::Same),
    pair("misc.max", "misc.max", Meaning::Same),
];

const fn pair(v1: &'static str, v2: &'static str, meaning: Meaning) -> Pair {
    Pair { v1, v2, meaning }
}

/// The counterpart of a file of the other version.
struct Found {
    file: String,
    meaning: Meaning,
}

/// The counterpart on version `on` of `file` of the other version; where there are two, the one that the
/// host has. `device`: the one with a value for each device.
fn find(file: &str, on: Version, device: bool, current: Current<'_>) -> Option<Found> {
    if let Some(file) = hugetlb(file, on) {
        let used = file.ends_with("usage_in_bytes") || file.ends_with("current");
        return Some(Found { file, meaning: if used { Meaning::Used } else { Meaning::Size } });
    }
    let names = |pair: &Pair| match on {
        Version::V1 => (pair.v2, pair.v1),
        Version::V2 => (pair.v1, pair.v2),
    };
    let mut candidates = PAIRS
        .iter()
        .filter(|pair| names(pair).0 == file)
        .filter(|pair| {
            on == Version::V2 || matches!(pair.meaning, Meaning::DeviceWeight(_)) == device
        })
        .map(|pair| Found { file: names(pair).1.to_owned(), meaning: pair.meaning })
        .peekable();
    let first = candidates.peek().map(|found| Found { file: found.file.clone(), ..*found });
    candidates.find(|found| current(&found.file).is_some()).or(first)
}

/// `hugetlb.SIZE.[rsvd.]limit_in_bytes` is `hugetlb.SIZE.[rsvd.]max`.
fn hugetlb(file: &str, on: Version) -> Option<String> {
    file.strip_prefix("hugetlb.")?;
    let words = [("limit_in_bytes", "max"), ("usage_in_bytes", "current")];
    words.iter().find_map(|(v1, v2)| {
        let (from, to) = if on == Version::V1 { (v2, v1) } else { (v1, v2) };
        file.strip_suffix(from).filter(|rest| rest.ends_with('.')).map(|rest| format!("{rest}{to}"))
    })
}

pub(super) fn write(
    file: &str,
    value: &str,
    on: Version,
    current: Current<'_>,
) -> Option<Result<Write, Refusal>> {
    // On v2 the weights of single devices stand in one file with the default.
    let value = value.strip_prefix("default ").unwrap_or(value).trim();
    let found = find(file, on, value.contains(':'), current)?;
    let converted = match found.meaning {
        Meaning::Same => Ok(value.to_owned()),
        Meaning::Size => parse_size(value).map(|size| match (size, on) {
            (Some(bytes), _) => bytes.to_string(),
            (None, Version::V1) => "-1".to_owned(),
            (None, Version::V2) => "max".to_owned(),
        }),
        Meaning::Weight(scale) => weight(value, scale, on),
        Meaning::DeviceWeight(scale) => match value.split_once(' ') {
            Some((device, value)) => {
                weight(value.trim(), scale, on).map(|value| format!("{device} {value}"))
            }
            None => Err(Refusal::value(value, "device and its weight, as in 8:0 100")),
        },
        Meaning::Frozen => frozen(value, on),
        Meaning::Used => Err(Refusal { why: format!("{file} can only be read"), instead: None }),
    };
    Some(converted.map(|value| Write { file: found.file, value }))
}

fn weight(value: &str, scale: Scale, on: Version) -> Result<String, Refusal> {
    match on {
        Version::V1 => rescale(value, WEIGHT, scale),
        Version::V2 => rescale(value, scale, WEIGHT),
    }
}

fn frozen(value: &str, on: Version) -> Result<String, Refusal> {
    match (value, on) {
        ("FROZEN", Version::V2) => Ok("1".into()),
        ("THAWED", Version::V2) => Ok("0".into()),
        ("1", Version::V1) => Ok("FROZEN".into()),
        ("0", Version::V1) => Ok("THAWED".into()),
        (_, Version::V2) => Err(Refusal::value(value, "state: FROZEN or THAWED")),
        (_, Version::V1) => Err(Refusal::value(value, "state: 1 or 0")),
    }
}

pub(super) fn read(
    file: &str,
    on: Version,
    current: Current<'_>,
) -> Option<Result<String, Refusal>> {
    let Found { file: here, meaning } = find(file, on, false, current)?;
    let Some(text) = current(&here) else {
        return Some(Err(Refusal {
            why: format!("it would be {here} here, and the container has no such file"),
            instead: None,
        }));
    };
    let text = text.trim();
    let text = text.lines().find_map(|line| line.strip_prefix("default ")).unwrap_or(text);
    let other = on.other();
    let converted = match meaning {
        Meaning::Same => Ok(text.to_owned()),
        Meaning::Size | Meaning::Used => parse_size(text).map(|size| match (size, other) {
            (Some(bytes), _) => bytes.to_string(),
            (None, Version::V1) => (NO_LIMIT | 0xf000).to_string(),
            (None, Version::V2) => "max".to_owned(),
        }),
        Meaning::Weight(scale) => weight(text, scale, other),
        Meaning::DeviceWeight(scale) => Ok(text
            .lines()
            .filter_map(|line| line.split_once(' ').filter(|(device, _)| device.contains(':')))
            .filter_map(|(device, value)| {
                weight(value, scale, other).ok().map(|value| format!("{device} {value}"))
            })
            .collect::<Vec<_>>()
            .join("\n")),
        Meaning::Frozen if on == Version::V1 && text == "FREEZING" => Ok("1".into()),
        Meaning::Frozen => frozen(text, other),
    };
    Some(converted.map(|text| format!("{text}\n")))
}
