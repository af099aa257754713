//! Lines for programs: LXC's values separated by commas, or JSON.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::Pace;
use crate::cli::outln;
use crate::container::samples::{Sample, Watch};
use crate::error::{Error, Result};

const HEADER: &str = "time_ms,container,cpu_nanos,cpu_sys_userhz,cpu_user_userhz,blkio_bytes,\
                      blkio_iops,mem_used_bytes,memsw_used_bytes,kernel_mem_used_bytes";
/// Nanoseconds of one of the kernel's ticks as programs see them.
const USER_HZ_NANOSECONDS: u64 = 10_000_000;

#[derive(Serialize)]
struct Line<'a> {
    time_ms: u128,
    #[serde(flatten)]
    sample: &'a Sample,
}

/// Prints what `watch` sees, until nobody reads it or `pace` ends.
pub(super) fn run(mut watch: Watch, mut pace: Pace, json: bool) -> Result<()> {
    if !json {
        outln!("{HEADER}");
    }
    loop {
        let samples = watch.look()?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time_ms = since.as_millis();
        for sample in &samples {
            if json {
                let line = serde_json::to_string(&Line { time_ms, sample })
                    .map_err(|error| Error::new(format!("cannot print JSON: {error}")))?;
                outln!("{line}");
            } else {
                outln!("{}", values(time_ms, sample));
            }
        }
        if !pace.goes_on() {
            return Ok(());
        }
        std::thread::sleep(pace.delay);
    }
}

/// One line; what is missing is empty.
fn values(time_ms: u128, sample: &Sample) -> String {
    let statistics = &sample.statistics;
    let ticks = |nanoseconds: Option<u64>| nanoseconds.map(|time| time / USER_HZ_NANOSECONDS);
    let numbers = [
        statistics.cpu.usage_nanoseconds,
        ticks(statistics.cpu.system_nanoseconds),
        ticks(statistics.cpu.user_nanoseconds),
        statistics.io.listed_bytes,
        statistics.io.listed_requests,
        statistics.memory.usage_bytes,
        statistics.memory.with_swap(),
        statistics.memory.kernel_bytes,
    ];
    let mut line = format!("{time_ms},{}", sample.name);
    for number in numbers {
        line.push(',');
        line.extend(number.map(|number| number.to_string()));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::statistics::Statistics;

    #[test]
    fn a_line_has_a_field_for_each_word_of_the_header() {
        let mut statistics = Statistics::default();
        statistics.cpu.usage_nanoseconds = Some(25_000_000);
        statistics.cpu.user_nanoseconds = Some(25_000_000);
        statistics.memory.usage_bytes = Some(0);
        let sample = Sample { name: "c".into(), statistics, links: Vec::new() };
        let line = values(7, &sample);
        assert_eq!(line, "7,c,25000000,,2,,,0,,");
        assert_eq!(line.matches(',').count(), HEADER.matches(',').count());
    }
}
