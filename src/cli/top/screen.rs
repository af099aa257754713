//! The table on the terminal: LXC's columns and widths.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::cli::size;
use crate::container::samples::Sample;
use crate::sys::visible::visible_text;

const CLEAR: &str = "\x1b[H\x1b[J";
const HEADER: &str = "\x1b[7m\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// How the containers are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// One of the keys `ncbmsk`.
    pub key: char,
    /// Whether the usual order is reversed; that is names from the first, values from the largest.
    pub reverse: bool,
}

impl Order {
    /// Follows a typed key; a key typed again reverses the order. Says whether `key` was one of the keys.
    pub fn take(&mut self, key: char) -> bool {
        match key {
            'r' => self.reverse = !self.reverse,
            _ if key == self.key => self.reverse = !self.reverse,
            'n' | 'c' | 'b' | 'm' | 's' | 'k' => *self = Self { key, reverse: false },
            _ => return false,
        }
        true
    }

    fn compare(self, one: &Sample, other: &Sample) -> Ordering {
        let value = |sample: &Sample| {
            let statistics = &sample.statistics;
            match self.key {
                'c' => statistics.cpu.usage_nanoseconds,
                'b' => statistics.io.listed_bytes,
                'm' => statistics.memory.usage_bytes,
                's' => statistics.memory.with_swap(),
                _ => statistics.memory.kernel_bytes,
            }
        };
        let ordering = match self.key {
            'n' => one.name.cmp(&other.name),
            _ => value(other).cmp(&value(one)).then_with(|| one.name.cmp(&other.name)),
        };
        if self.reverse { ordering.reverse() } else { ordering }
    }
}

/// The screen.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// Lines of the terminal; `None` without one: then there is room for all.
    pub rows: Option<usize>,
    /// Whether there are colours.
    pub styled: bool,
}

/// One line's values; a missing one is `None`.
#[derive(Clone, Copy, Default)]
struct Values {
    cpu: Option<u64>,
    system: Option<u64>,
    user: Option<u64>,
    io: Option<u64>,
    read: Option<u64>,
    written: Option<u64>,
    memory: Option<u64>,
    with_swap: Option<u64>,
    kernel: Option<u64>,
}

impl Values {
    fn of(sample: &Sample) -> Self {
        let statistics = &sample.statistics;
        Self {
            cpu: statistics.cpu.usage_nanoseconds,
            system: statistics.cpu.system_nanoseconds,
            user: statistics.cpu.user_nanoseconds,
            io: statistics.io.listed_bytes,
            read: statistics.io.read_bytes,
            written: statistics.io.written_bytes,
            memory: statistics.memory.usage_bytes,
            with_swap: statistics.memory.with_swap(),
            kernel: statistics.memory.kernel_bytes,
        }
    }

    /// All of them together, as far as they are known.
    fn total(samples: &[Sample]) -> Self {
        let sum = |value: fn(&Self) -> Option<u64>| {
            Some(samples.iter().filter_map(|sample| value(&Self::of(sample))).sum())
        };
        Self {
            cpu: sum(|values| values.cpu),
            system: sum(|values| values.system),
            user: sum(|values| values.user),
            io: sum(|values| values.io),
            read: sum(|values| values.read),
            written: sum(|values| values.written),
            memory: sum(|values| values.memory),
            with_swap: sum(|values| values.with_swap),
            kernel: sum(|values| values.kernel),
        }
    }

    fn line(&self, name: &str, columns: Columns) -> String {
        let part = |bytes: Option<u64>| match bytes {
            Some(_) => size(bytes),
            // As wide as the values.
            None => "  -      ".to_owned(),
        };
        let io = format!("{}({}/{})", size(self.io), part(self.read), part(self.written));
        let mut line = format!(
            "{name:<18.18} {:>12} {:>12} {:>12} {:>36} {:>10}",
            seconds(self.cpu),
            seconds(self.system),
            seconds(self.user),
            if self.io.is_none() { "-" } else { &io },
            size(self.memory)
        );
        for (shown, value) in [(columns.with_swap, self.with_swap), (columns.kernel, self.kernel)] {
            if shown {
                line.push_str(&format!(" {:>10}", size(value)));
            }
        }
        line
    }
}

/// Which of the last columns are shown: those that are not zero throughout.
#[derive(Clone, Copy)]
struct Columns {
    with_swap: bool,
    kernel: bool,
}

impl View {
    /// As it may be printed.
    fn name(self, sample: &Sample) -> Cow<'_, str> {
        if self.styled { visible_text(&sample.name) } else { Cow::Borrowed(&sample.name) }
    }

    /// The whole screen.
    pub fn draw(self, samples: &[Sample], order: Order) -> String {
        let mut sorted: Vec<&Sample> = samples.iter().collect();
        sorted.sort_by(|one, other| order.compare(one, other));
        let total = Values::total(samples);
        let is_some = |value: Option<u64>| value.is_some_and(|value| value > 0);
        let columns =
            Columns { with_swap: is_some(total.with_swap), kernel: is_some(total.kernel) };
        // Two lines of header, one for the total.
        let room = self.rows.map_or(usize::MAX, |rows| rows.saturating_sub(3));
        let shown = sorted.len().min(room);
        let mut lines = header(columns).to_vec();
        if self.styled {
            lines[0].insert_str(0, HEADER);
        }
        lines.extend(
            sorted[..shown].iter().map(|one| Values::of(one).line(&self.name(one), columns)),
        );
        lines.push(total.line(&format!("TOTAL {shown} of {}", sorted.len()), columns));
        if self.styled {
            lines[2].insert_str(0, PLAIN);
        }
        // The terminal is raw: it adds no carriage returns by itself.
        if self.styled { format!("{CLEAR}{}", lines.join("\r\n")) } else { lines.join("\n") + "\n" }
    }
}

fn header(columns: Columns) -> [String; 2] {
    let line = |words: [&str; 8]| {
        let [name, cpu, system, user, io, memory, with_swap, kernel] = words;
        let mut line =
            format!("{name:<18} {cpu:>12} {system:>12} {user:>12} {io:>36} {memory:>10}");
        for (shown, word) in [(columns.with_swap, with_swap), (columns.kernel, kernel)] {
            if shown {
                line.push_str(&format!(" {word:>10}"));
            }
        }
        line
    };
    [
        line(["Container", "CPU", "CPU", "CPU", "BlkIO", "Mem", "MemSw", "KMem"]),
        line(["Name", "Used", "Sys", "User", "Total(Read/Write)", "Used", "Used", "Used"]),
    ]
}

fn seconds(nanoseconds: Option<u64>) -> String {
    nanoseconds.map_or("-".into(), size::seconds)
}

/// A size with its unit; bytes are as wide as three digits of another one.
fn size(bytes: Option<u64>) -> String {
    let Some(bytes) = bytes else { return "-".into() };
    match size::scaled(bytes) {
        Some((whole, hundredths, unit)) => format!("{whole}.{hundredths:02} {unit}"),
        None => format!("{bytes:>3}.00   "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::statistics::Statistics;

    fn sample(name: &str, cpu: u64, memory: Option<u64>) -> Sample {
        let mut statistics = Statistics::default();
        statistics.cpu.usage_nanoseconds = Some(cpu);
        statistics.memory.usage_bytes = memory;
        Sample { name: name.into(), statistics, links: Vec::new() }
    }

    fn names(samples: &[Sample], order: Order, rows: Option<usize>) -> Vec<String> {
        let text = View { rows, styled: false }.draw(samples, order);
        text.lines().skip(2).map(|line| line[..18].trim_end().to_owned()).collect()
    }

    #[test]
    fn rows_are_sorted_and_cut_to_the_window() {
        let samples = [sample("a", 5, Some(1)), sample("b", 9, Some(3)), sample("c", 7, None)];
        let mut order = Order { key: 'n', reverse: false };
        assert_eq!(names(&samples, order, None), ["a", "b", "c", "TOTAL 3 of 3"]);
        assert!(order.take('c'));
        assert_eq!(names(&samples, order, Some(5)), ["b", "c", "TOTAL 2 of 3"]);
        assert!(order.take('c'));
        assert_eq!(names(&samples, order, None)[0], "a");
        assert!(order.take('m') && !order.take('x'));
        assert_eq!(names(&samples, order, None), ["b", "a", "c", "TOTAL 3 of 3"]);
    }

    #[test]
    fn cells_are_as_wide_as_in_lxc() {
        let text =
            View { rows: Some(24), styled: true }.draw(&[], Order { key: 'n', reverse: false });
        assert_eq!(
            text,
            format!(
                "\x1b[H\x1b[J\x1b[7m\x1b[1mContainer{}CPU{}CPU{}CPU{}BlkIO{}Mem\r\n\
                 Name{}Used{}Sys{}User{}Total(Read/Write){}Used\r\n\
                 \x1b[0mTOTAL 0 of 0               0.00         0.00         0.00         0.00   (  \
                 0.00   /  0.00   )    0.00   ",
                " ".repeat(19),
                " ".repeat(10),
                " ".repeat(10),
                " ".repeat(32),
                " ".repeat(8),
                " ".repeat(23),
                " ".repeat(10),
                " ".repeat(9),
                " ".repeat(20),
                " ".repeat(7),
            )
        );
        assert_eq!(size(Some(315_392)), "308.00 KiB");
        assert_eq!(size(Some(77_824)), "76.00 KiB");
        assert_eq!(size(None), "-");
        assert_eq!(seconds(Some(1_234_000_000)), "1.23");
    }

    #[test]
    fn what_is_missing_is_no_zero() {
        let text = View { rows: None, styled: false }
            .draw(&[sample("a", 0, None)], Order { key: 'n', reverse: false });
        let line = text.lines().nth(2).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words, ["a", "0.00", "-", "-", "-", "-"]);
    }
}
