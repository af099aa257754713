//! Settings of which several share one file in one of the versions: the CPU quota with its period, memory
//! with swap, a device's throttles.

use super::super::layout::Version;
use super::value::{NO_LIMIT, parse_size};
use super::{Current, Refusal, Write};

/// A throttle's file on v1 and its word in v2's `io.max`.
const THROTTLES: [(&str, &str); 4] = [
    ("blkio.throttle.read_bps_device", "rbps"),
    ("blkio.throttle.write_bps_device", "wbps"),
    ("blkio.throttle.read_iops_device", "riops"),
    ("blkio.throttle.write_iops_device", "wiops"),
];

fn throttle_word(file: &str) -> Option<&'static str> {
    THROTTLES.iter().find(|(name, _)| *name == file).map(|(_, word)| *word)
}

pub(super) fn write(
    file: &str,
    value: &str,
    on: Version,
    current: Current<'_>,
) -> Option<Result<Vec<Write>, Refusal>> {
    let one = |write: Write| vec![write];
    Some(match (on, file) {
        (Version::V2, "cpu.cfs_quota_us") => quota(value).map(|quota| {
            let (_, period) = cpu_max(current);
            one(Write::new("cpu.max", format!("{quota} {period}")))
        }),
        (Version::V2, "cpu.cfs_period_us") => microseconds(value).map(|period| {
            let (quota, _) = cpu_max(current);
            one(Write::new("cpu.max", format!("{quota} {period}")))
        }),
        (Version::V1, "cpu.max") => quota_and_period(value),
        (Version::V2, "memory.memsw.limit_in_bytes") => swap_of_both(value, current).map(one),
        (Version::V1, "memory.swap.max") => both_of_swap(value, current).map(one),
        (Version::V2, _) => {
            let word = throttle_word(file)?;
            device_value(value).map(|(device, value)| {
                let value = if value == "0" { "max" } else { value };
                one(Write::new("io.max", format!("{device} {word}={value}")))
            })
        }
        (Version::V1, "io.max") => throttles(value),
        _ => return None,
    })
}

/// The present quota and period, the kernel's defaults where they cannot be read.
fn cpu_max(current: Current<'_>) -> (String, String) {
    let text = current("cpu.max").unwrap_or_default();
    let mut words = text.split_whitespace();
    let word = |word: Option<&str>, default: &str| word.unwrap_or(default).to_owned();
    (word(words.next(), "max"), word(words.next(), "100000"))
}

fn microseconds(value: &str) -> Result<u64, Refusal> {
    value.parse().map_err(|_| Refusal::value(value, "number of microseconds"))
}

/// A v1 quota as v2 writes it.
fn quota(value: &str) -> Result<String, Refusal> {
    if value == "-1" { Ok("max".into()) } else { microseconds(value).map(|us| us.to_string()) }
}

/// `QUOTA [PERIOD]`, the period first: the kernel refuses a quota that the old period cannot hold.
fn quota_and_period(value: &str) -> Result<Vec<Write>, Refusal> {
    let mut words = value.split_whitespace();
    let quota = match words.next() {
        Some("max") => "-1".to_owned(),
        word => microseconds(word.unwrap_or_default())?.to_string(),
    };
    let mut writes = Vec::new();
    if let Some(period) = words.next() {
        writes.push(Write::new("cpu.cfs_period_us", microseconds(period)?.to_string()));
    }
    writes.push(Write::new("cpu.cfs_quota_us", quota));
    Ok(writes)
}

/// What `file` holds, in bytes; `None` for no limit.
fn limit(file: &str, current: Current<'_>) -> Result<Option<u64>, Refusal> {
    current(file).map_or(Ok(None), |text| parse_size(text.trim()))
}

/// v1 limits memory and swap together, v2 swap alone.
fn swap_of_both(value: &str, current: Current<'_>) -> Result<Write, Refusal> {
    let swap = match (parse_size(value)?, limit("memory.max", current)?) {
        (None, _) => "max".to_owned(),
        (Some(both), Some(memory)) if both >= memory => (both - memory).to_string(),
        (Some(_), Some(memory)) => {
            return Err(Refusal {
                why: format!("{value} for memory and swap is below the {memory} for memory alone"),
                instead: None,
            });
        }
        (Some(_), None) => {
            return Err(Refusal {
                why: "memory and swap together can be limited only where memory is".into(),
                instead: Some(
                    "set memory.limit_in_bytes as well, or lxc.cgroup2.memory.swap.max".into(),
                ),
            });
        }
    };
    Ok(Write::new("memory.swap.max", swap))
}

fn both_of_swap(value: &str, current: Current<'_>) -> Result<Write, Refusal> {
    let both = match (parse_size(value)?, limit("memory.limit_in_bytes", current)?) {
        (None, _) => "-1".to_owned(),
        (Some(swap), Some(memory)) => memory.saturating_add(swap).to_string(),
        (Some(_), None) => {
            return Err(Refusal {
                why: "cgroup v1 can limit swap only where memory is limited".into(),
                instead: Some("set memory.max as well".into()),
            });
        }
    };
    Ok(Write::new("memory.memsw.limit_in_bytes", both))
}

fn device_value(value: &str) -> Result<(&str, &str), Refusal> {
    let found = value.split_once(' ').filter(|(device, _)| device.contains(':'));
    found
        .map(|(device, rest)| (device, rest.trim()))
        .ok_or_else(|| Refusal::value(value, "device and its limit, as in 8:0 1048576"))
}

/// One line of `io.max` as v1's throttles; 0 means none there.
fn throttles(value: &str) -> Result<Vec<Write>, Refusal> {
    let (device, words) = device_value(value)?;
    words
        .split_whitespace()
        .map(|word| {
            let refusal = || Refusal::value(word, "throttle: rbps=, wbps=, riops= or wiops=");
            let (word, value) = word.split_once('=').ok_or_else(refusal)?;
            let (file, _) = THROTTLES.iter().find(|(_, name)| *name == word).ok_or_else(refusal)?;
            let value = if value == "max" { "0" } else { value };
            Ok(Write::new(*file, format!("{device} {value}")))
        })
        .collect()
}

pub(super) fn read(
    file: &str,
    on: Version,
    current: Current<'_>,
) -> Option<Result<String, Refusal>> {
    let number = |file: &str| current(file).map(|text| text.trim().to_owned());
    let missing = |file: &str| Refusal {
        why: format!("it would be in {file} here, and the container has no such file"),
        instead: None,
    };
    Some(match (on, file) {
        (Version::V2, "cpu.cfs_quota_us") => {
            let (quota, _) = cpu_max(current);
            Ok(if quota == "max" { "-1\n".into() } else { format!("{quota}\n") })
        }
        (Version::V2, "cpu.cfs_period_us") => Ok(format!("{}\n", cpu_max(current).1)),
        (Version::V2, "cpuacct.usage") => current("cpu.stat")
            .and_then(|text| {
                let usage = text.lines().find_map(|line| line.strip_prefix("usage_usec "));
                usage.map(|usage| format!("{usage}000\n"))
            })
            .ok_or_else(|| missing("cpu.stat")),
        (Version::V1, "cpu.max") => number("cpu.cfs_quota_us")
            .zip(number("cpu.cfs_period_us"))
            .map(|(quota, period)| {
                format!("{} {period}\n", if quota == "-1" { "max" } else { &quota })
            })
            .ok_or_else(|| missing("cpu.cfs_quota_us")),
        (Version::V2, "memory.memsw.limit_in_bytes") => {
            let both = limit("memory.max", current).and_then(|memory| {
                Ok(memory
                    .zip(limit("memory.swap.max", current)?)
                    .map(|(memory, swap)| memory + swap))
            });
            both.map(|both| format!("{}\n", both.unwrap_or(NO_LIMIT | 0xf000)))
        }
        (Version::V1, "memory.swap.max") => {
            let swap = limit("memory.memsw.limit_in_bytes", current).and_then(|both| {
                let memory = limit("memory.limit_in_bytes", current)?;
                Ok(both.zip(memory).map(|(both, memory)| both.saturating_sub(memory)))
            });
            swap.map(|swap| swap.map_or("max\n".into(), |swap| format!("{swap}\n")))
        }
        (Version::V2, _) => {
            let word = throttle_word(file)?;
            current("io.max")
                .map(|text| throttle_lines(&text, word))
                .ok_or_else(|| missing("io.max"))
        }
        (Version::V1, "io.max") => Ok(io_max(current)),
        _ => return None,
    })
}

/// The throttle `word` of each device in `io.max`.
fn throttle_lines(text: &str, word: &str) -> String {
    let mut lines = String::new();
    for (device, words) in text.lines().filter_map(|line| line.split_once(' ')) {
        let value =
            words.split_whitespace().find_map(|one| one.strip_prefix(word)?.strip_prefix('='));
        if let Some(value) = value.filter(|value| *value != "max") {
            lines.push_str(&format!("{device} {value}\n"));
        }
    }
    lines
}

/// `io.max` as v1's four files say it.
fn io_max(current: Current<'_>) -> String {
    let mut devices: Vec<(String, [Option<String>; 4])> = Vec::new();
    for (index, (file, _)) in THROTTLES.iter().enumerate() {
        let text = current(file).unwrap_or_default();
        for (device, value) in text.lines().filter_map(|line| line.split_once(' ')) {
            if !devices.iter().any(|(known, _)| known == device) {
                devices.push((device.to_owned(), Default::default()));
            }
            if let Some((_, values)) = devices.iter_mut().find(|(known, _)| known == device) {
                values[index] = Some(value.trim().to_owned());
            }
        }
    }
    let line = |(device, values): &(String, [Option<String>; 4])| {
        let words = THROTTLES
            .iter()
            .zip(values)
            .map(|((_, word), value)| format!("{word}={}", value.as_deref().unwrap_or("max")));
        format!("{device} {}\n", words.collect::<Vec<_>>().join(" "))
    };
    devices.iter().map(line).collect()
}
