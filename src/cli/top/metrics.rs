//! OpenMetrics text (openmetrics.io, version 1.0), for a collector such as Prometheus' node exporter.

use std::fmt::Write;

use crate::cgroup::statistics::{Limit, Pressure, Statistics};
use crate::container::samples::Sample;

/// Whether a value only grows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}

/// One metric of a container: its labels beside the name, and its value.
type Point = (Vec<(&'static str, String)>, f64);

struct Family {
    name: &'static str,
    kind: Kind,
    unit: &'static str,
    help: &'static str,
    points: fn(&Sample) -> Vec<Point>,
}

const NANOSECONDS: f64 = 1e9;
const MICROSECONDS: f64 = 1e6;

/// A value without labels, if there is one.
fn plain(value: Option<u64>) -> Vec<Point> {
    value.into_iter().map(|value| (Vec::new(), float(value))).collect()
}

fn seconds(nanoseconds: Option<u64>) -> Vec<Point> {
    nanoseconds.into_iter().map(|time| (Vec::new(), float(time) / NANOSECONDS)).collect()
}

/// Those of the values that are there, each under its `label`.
fn labelled(label: &'static str, values: &[(&str, Option<u64>)]) -> Vec<Point> {
    let known = values.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    known.map(|(name, value)| (vec![(label, (*name).to_owned())], float(value))).collect()
}

/// Numbers beyond 2^53 lose digits nobody counts.
#[allow(clippy::cast_precision_loss)]
fn float(value: u64) -> f64 {
    value as f64
}

fn pressures(statistics: &Statistics) -> Vec<Point> {
    let pressure = &statistics.pressure;
    let resources = [("cpu", pressure.cpu), ("memory", pressure.memory), ("io", pressure.io)];
    let of = |(resource, pressure): (&str, Pressure)| {
        let kinds = [("some", pressure.some), ("full", pressure.full)];
        let point = |(kind, waiting): (&str, Option<_>)| {
            let waiting: crate::cgroup::statistics::Waiting = waiting?;
            let labels = vec![("resource", resource.to_owned()), ("kind", kind.to_owned())];
            Some((labels, float(waiting.total_microseconds) / MICROSECONDS))
        };
        kinds.into_iter().filter_map(point).collect::<Vec<Point>>()
    };
    resources.into_iter().flat_map(of).collect()
}

fn links(sample: &Sample) -> Vec<Point> {
    let point = |link: &str, direction: &str, bytes: u64| {
        (vec![("link", link.to_owned()), ("direction", direction.to_owned())], float(bytes))
    };
    let of = |link: &crate::container::report::LinkUse| {
        [point(&link.name, "received", link.received), point(&link.name, "sent", link.sent)]
    };
    sample.links.iter().flat_map(of).collect()
}

const FAMILIES: &[Family] = &[
    Family {
        name: "lxc_cpu_usage_seconds",
        kind: Kind::Counter,
        unit: "seconds",
        help: "CPU time used.",
        points: |sample| seconds(sample.statistics.cpu.usage_nanoseconds),
    },
    Family {
        name: "lxc_cpu_throttled_seconds",
        kind: Kind::Counter,
        unit: "seconds",
        help: "Time spent waiting because the CPU quota was used up.",
        points: |sample| seconds(sample.statistics.cpu.throttled_nanoseconds),
    },
    Family {
        name: "lxc_memory_usage_bytes",
        kind: Kind::Gauge,
        unit: "bytes",
        help: "Memory charged in all.",
        points: |sample| plain(sample.statistics.memory.usage_bytes),
    },
    Family {
        name: "lxc_memory_bytes",
        kind: Kind::Gauge,
        unit: "bytes",
        help: "Memory by kind.",
        points: |sample| {
            let memory = &sample.statistics.memory;
            let kinds = [
                ("anon", memory.anon_bytes),
                ("cache", memory.cache_bytes),
                ("kernel", memory.kernel_bytes),
                ("swap", memory.swap_bytes),
            ];
            labelled("kind", &kinds)
        },
    },
    Family {
        name: "lxc_memory_peak_bytes",
        kind: Kind::Gauge,
        unit: "bytes",
        help: "The most memory that was ever charged.",
        points: |sample| plain(sample.statistics.memory.peak_bytes),
    },
    Family {
        name: "lxc_memory_limit_bytes",
        kind: Kind::Gauge,
        unit: "bytes",
        help: "The memory limit, where there is one.",
        points: |sample| plain(sample.statistics.memory.limit_bytes.and_then(Limit::number)),
    },
    Family {
        name: "lxc_memory_kills",
        kind: Kind::Counter,
        unit: "",
        help: "Processes killed by the memory limit.",
        points: |sample| plain(sample.statistics.memory.oom_kills),
    },
    Family {
        name: "lxc_io_bytes",
        kind: Kind::Counter,
        unit: "bytes",
        help: "Bytes read from and written to block devices.",
        points: |sample| {
            let io = &sample.statistics.io;
            labelled("operation", &[("read", io.read_bytes), ("write", io.written_bytes)])
        },
    },
    Family {
        name: "lxc_io_requests",
        kind: Kind::Counter,
        unit: "",
        help: "Requests to block devices.",
        points: |sample| {
            let io = &sample.statistics.io;
            labelled("operation", &[("read", io.reads), ("write", io.writes)])
        },
    },
    Family {
        name: "lxc_pids",
        kind: Kind::Gauge,
        unit: "",
        help: "Processes and threads.",
        points: |sample| plain(sample.statistics.pids.current),
    },
    Family {
        name: "lxc_pressure_waiting_seconds",
        kind: Kind::Counter,
        unit: "seconds",
        help: "Time in which some or all processes waited for a resource.",
        points: |sample| pressures(&sample.statistics),
    },
    Family {
        name: "lxc_network_bytes",
        kind: Kind::Counter,
        unit: "bytes",
        help: "Bytes over a link, as the container sees it.",
        points: links,
    },
];

/// All metrics of `samples`.
pub(super) fn text(samples: &[Sample]) -> String {
    let mut text = String::new();
    for family in FAMILIES {
        let kind = if family.kind == Kind::Counter { "counter" } else { "gauge" };
        let suffix = if family.kind == Kind::Counter { "_total" } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# TYPE {} {kind}", family.name);
        if !family.unit.is_empty() {
            let _ = writeln!(text, "# UNIT {} {}", family.name, family.unit);
        }
        let _ = writeln!(text, "# HELP {} {}", family.name, family.help);
        for sample in samples {
            for (labels, value) in (family.points)(sample) {
                let mut shown = format!("container=\"{}\"", escaped(&sample.name));
                for (label, word) in labels {
                    let _ = write!(shown, ",{label}=\"{}\"", escaped(&word));
                }
                let _ = writeln!(text, "{}{suffix}{{{shown}}} {value}", family.name);
            }
        }
    }
    text.push_str("# EOF\n");
    text
}

fn escaped(word: &str) -> String {
    word.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_missing_have_no_line() {
        let mut statistics = Statistics::default();
        statistics.cpu.usage_nanoseconds = Some(1_500_000_000);
        statistics.io.read_bytes = Some(0);
        let sample = Sample { name: "a\"b".into(), statistics, links: Vec::new() };
        let text = text(&[sample]);
        let values: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            values,
            [
                "lxc_cpu_usage_seconds_total{container=\"a\\\"b\"} 1.5",
                "lxc_io_bytes_total{container=\"a\\\"b\",operation=\"read\"} 0",
            ]
        );
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn names_end_in_their_unit() {
        for family in FAMILIES {
            assert!(
                family.unit.is_empty() || family.name.ends_with(family.unit),
                "{}",
                family.name
            );
        }
    }
}
