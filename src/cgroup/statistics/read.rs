//! Reading the kernel's counters (kernel: admin-guide/cgroup-v1, admin-guide/cgroup-v2.rst).

use std::cell::RefCell;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use nix::dir::{Dir, Entry, Type};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fstat};
use nix::sys::uio::pread;

use super::super::file;
use super::super::layout::Version;
use super::super::translate::parse_size;
use super::{Cpu, Extent, Io, Keep, Limit, Memory, Pids, Pressure, Pressures, Waiting};

/// A directory and the version it is of.
#[derive(Debug)]
pub(super) struct Source {
    dir: Arc<OwnedFd>,
    version: Version,
    keep: Keep,
    /// The files that were opened, by name.
    open: RefCell<Vec<(&'static str, OwnedFd)>>,
}

impl Source {
    pub(super) fn new((dir, version): (Arc<OwnedFd>, Version), keep: Keep) -> Self {
        Self { dir, version, keep, open: RefCell::default() }
    }

    /// The text of `file`; `None` if it cannot be read.
    fn text(&self, file: &'static str) -> Option<String> {
        if let Some((_, open)) = self.open.borrow().iter().find(|(name, _)| *name == file) {
            return text_of(open);
        }
        let opened = file::open(self.dir.as_fd(), file, OFlag::O_RDONLY).ok()?;
        let text = text_of(&opened);
        if self.keep == Keep::Files {
            self.open.borrow_mut().push((file, opened));
        }
        text
    }

    fn number(&self, file: &'static str) -> Option<u64> {
        self.text(file)?.trim().parse().ok()
    }

    /// A number, or no limit.
    fn limit(&self, file: &'static str) -> Option<Limit> {
        let size = parse_size(self.text(file)?.trim()).ok()?;
        Some(size.map_or(Limit::Max, Limit::Of))
    }

    /// Processes killed for the limit of memory. Each v1 cgroup counts its own only, so those below
    /// are asked, too.
    fn oom_kills_v1(&self) -> Option<u64> {
        let own = keyed(&self.text("memory.oom_control")?, "oom_kill")?;
        // The kernel counts the cgroups below as links of the directory.
        if fstat(&self.dir).is_ok_and(|stat| stat.st_nlink <= 2) {
            return Some(own);
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut entries = Dir::openat(&self.dir, ".", flags, Mode::empty()).ok()?;
        let is_child = |entry: &Entry| {
            entry.file_type() == Some(Type::Directory)
                && ![c".", c".."].contains(&entry.file_name())
        };
        let below = entries.iter().flatten().filter(is_child).filter_map(|entry| {
            // A cgroup that was removed meanwhile has nothing more to tell.
            let dir = file::open(self.dir.as_fd(), entry.file_name().to_str().ok()?, flags).ok()?;
            Self::new((Arc::new(dir), self.version), Keep::Directories).oom_kills_v1()
        });
        Some(own + below.sum::<u64>())
    }

    /// Processes killed for the limit of memory.
    pub(super) fn oom_kills(&self) -> Option<u64> {
        match self.version {
            Version::V1 => self.oom_kills_v1(),
            Version::V2 => keyed(&self.text("memory.events")?, "oom_kill"),
        }
    }

    pub(super) fn cpu(&self, throttling: Option<&Self>, extent: Extent) -> Cpu {
        match self.version {
            Version::V1 => {
                let throttled =
                    extent.beyond_totals(|| throttling.and_then(|source| source.text("cpu.stat")));
                let throttled = |key| keyed(throttled.as_ref()?, key);
                let ticks = extent.beyond_totals(|| self.text("cpuacct.stat"));
                // USER_HZ, which is 100 wherever Linux runs.
                let ticks = |key| Some(keyed(ticks.as_ref()?, key)? * 10_000_000);
                Cpu {
                    usage_nanoseconds: self.number("cpuacct.usage"),
                    user_nanoseconds: ticks("user"),
                    system_nanoseconds: ticks("system"),
                    throttled_periods: throttled("nr_throttled"),
                    throttled_nanoseconds: throttled("throttled_time"),
                }
            }
            Version::V2 => {
                let text = self.text("cpu.stat");
                let number = |key| keyed(text.as_ref()?, key);
                let nanoseconds = |key| number(key).map(|microseconds| microseconds * 1000);
                Cpu {
                    usage_nanoseconds: nanoseconds("usage_usec"),
                    user_nanoseconds: nanoseconds("user_usec"),
                    system_nanoseconds: nanoseconds("system_usec"),
                    throttled_periods: number("nr_throttled"),
                    throttled_nanoseconds: nanoseconds("throttled_usec"),
                }
            }
        }
    }

    pub(super) fn memory(&self, extent: Extent) -> Memory {
        let version = Some(self.version);
        // A number in a file of its own.
        let further = |file| extent.beyond_totals(|| self.number(file));
        match self.version {
            Version::V1 => {
                let stat = extent.beyond_totals(|| self.text("memory.stat"));
                let number = |key| keyed(stat.as_ref()?, key);
                Memory {
                    usage_bytes: self.number("memory.usage_in_bytes"),
                    anon_bytes: number("total_rss"),
                    cache_bytes: number("total_cache"),
                    kernel_bytes: self.number("memory.kmem.usage_in_bytes"),
                    swap_bytes: number("total_swap"),
                    peak_bytes: further("memory.max_usage_in_bytes"),
                    limit_bytes: extent.beyond_totals(|| self.limit("memory.limit_in_bytes")),
                    oom_events: None,
                    oom_kills: self.oom_kills_v1(),
                    version,
                }
            }
            Version::V2 => {
                let stat = self.text("memory.stat");
                let number = |key| keyed(stat.as_ref()?, key);
                let events = self.text("memory.events");
                let events = |key| keyed(events.as_ref()?, key);
                let kernel = ["kernel_stack", "pagetables", "sock", "slab"];
                Memory {
                    usage_bytes: further("memory.current"),
                    anon_bytes: number("anon"),
                    cache_bytes: number("file"),
                    kernel_bytes: kernel.into_iter().map(number).sum(),
                    swap_bytes: further("memory.swap.current"),
                    peak_bytes: further("memory.peak"),
                    limit_bytes: extent.beyond_totals(|| self.limit("memory.max")),
                    oom_events: events("oom"),
                    oom_kills: events("oom_kill"),
                    version,
                }
            }
        }
    }

    pub(super) fn io(&self, extent: Extent) -> Io {
        match self.version {
            Version::V1 => {
                // Including the cgroups below, where the kernel counts them (Linux 4.12).
                let text = |recursive, own| self.text(recursive).or_else(|| self.text(own));
                let bytes = text(
                    "blkio.throttle.io_service_bytes_recursive",
                    "blkio.throttle.io_service_bytes",
                );
                let requests = extent.beyond_totals(|| {
                    text("blkio.throttle.io_serviced_recursive", "blkio.throttle.io_serviced")
                });
                let sum = |text: &Option<String>, word| by_operation(text.as_ref()?, word);
                Io {
                    read_bytes: sum(&bytes, "Read"),
                    written_bytes: sum(&bytes, "Write"),
                    reads: sum(&requests, "Read"),
                    writes: sum(&requests, "Write"),
                    listed_bytes: bytes.as_deref().and_then(|text| keyed(text, "Total")),
                    listed_requests: requests.as_deref().and_then(|text| keyed(text, "Total")),
                }
            }
            Version::V2 => {
                let text = self.text("io.stat");
                let sum = |word| by_word(text.as_ref()?, word);
                let bytes = ["rbytes", "wbytes", "dbytes"].map(sum);
                let requests = ["rios", "wios", "dios"].map(sum);
                Io {
                    read_bytes: bytes[0],
                    written_bytes: bytes[1],
                    reads: requests[0],
                    writes: requests[1],
                    listed_bytes: bytes.into_iter().sum(),
                    listed_requests: requests.into_iter().sum(),
                }
            }
        }
    }

    pub(super) fn pids(&self) -> Pids {
        Pids { current: self.number("pids.current"), limit: self.limit("pids.max") }
    }

    pub(super) fn pressures(&self) -> Pressures {
        let of = |file| self.text(file).map(|text| pressure(&text)).unwrap_or_default();
        Pressures { cpu: of("cpu.pressure"), memory: of("memory.pressure"), io: of("io.pressure") }
    }
}

/// What an open file says now.
fn text_of(file: &OwnedFd) -> Option<String> {
    // Each of these files is one record, which the kernel gives in one piece.
    let mut text = [0; 1 << 14];
    loop {
        match pread(file, &mut text, 0) {
            Ok(len) => return String::from_utf8(text[..len].to_vec()).ok(),
            Err(Errno::EINTR) => {}
            Err(_) => return None,
        }
    }
}

/// The number after the word `key` at a line's beginning.
fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// The sum over all devices of lines `MAJOR:MINOR OPERATION NUMBER`; `None` where no device is
/// counted, for the total is 0 then, whatever was done.
fn by_operation(text: &str, operation: &str) -> Option<u64> {
    let numbers = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next().filter(|word| *word == operation)?;
        words.next()?.parse::<u64>().ok()
    });
    numbers.fold(None, |sum, number| Some(sum.unwrap_or(0) + number))
}

/// The sum over all devices of the words `word=NUMBER`. A container that did nothing yet has no lines.
fn by_word(text: &str, word: &str) -> Option<u64> {
    let words = text.split_whitespace().filter_map(|pair| pair.split_once('='));
    let numbers = words.filter(|(name, _)| *name == word).map(|(_, number)| number.parse::<u64>());
    numbers.sum::<Result<u64, _>>().ok()
}

fn pressure(text: &str) -> Pressure {
    let line = |kind: &str| {
        let words = text.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(' '))?;
        let word = |name: &str| {
            words.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        Some(Waiting {
            percent_10s: word("avg10")?.parse().ok()?,
            percent_60s: word("avg60")?.parse().ok()?,
            percent_300s: word("avg300")?.parse().ok()?,
            total_microseconds: word("total")?.parse().ok()?,
        })
    };
    Pressure { some: line("some"), full: line("full") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captured_files_are_read() {
        let v1 = "8:0 Read 4096\n8:0 Write 512\n8:0 Sync 1\n8:0 Total 4608\n\
                  8:16 Read 4\n8:16 Total 4\nTotal 4612\n";
        assert_eq!(by_operation(v1, "Read"), Some(4100));
        assert_eq!(by_operation("Total 0\n", "Write"), None);
        assert_eq!(by_operation("", "Write"), None);
        let v2 = "8:0 rbytes=4096 wbytes=512 rios=1 wios=2\n8:16 rbytes=4 wbytes=0\n";
        assert_eq!(by_word(v2, "rbytes"), Some(4100));
        assert_eq!(by_word("", "rbytes"), Some(0));
        assert_eq!(keyed("oom 1\noom_kill 7\noom_group_kill 0\n", "oom_kill"), Some(7));
        assert_eq!(keyed("usage_usec 7\n", "usage"), None);
        let text = "some avg10=1.50 avg60=0.25 avg300=0.00 total=77\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=5\n";
        let pressure = pressure(text);
        let some = pressure.some.unwrap();
        assert!((some.percent_10s - 1.5).abs() < f64::EPSILON && some.total_microseconds == 77);
        assert_eq!(pressure.full.unwrap().total_microseconds, 5);
    }

    /// A directory with these files, as a source of `version`.
    fn source(
        name: &str,
        version: Version,
        files: &[(&str, &str)],
    ) -> (std::path::PathBuf, Source) {
        let path = std::env::temp_dir().join(format!("lxc-rs-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        for (file, text) in files {
            std::fs::write(path.join(file), text).unwrap();
        }
        let dir = OwnedFd::from(std::fs::File::open(&path).unwrap());
        (path, Source::new((Arc::new(dir), version), Keep::Files))
    }

    #[test]
    fn missing_is_missing() {
        for version in [Version::V1, Version::V2] {
            let (path, source) = source("nothing", version, &[]);
            assert_eq!(source.cpu(None, Extent::All), Cpu::default());
            let memory = source.memory(Extent::All);
            assert_eq!(memory, Memory { version: Some(version), ..Memory::default() });
            assert_eq!(memory.shown_by_info(), None);
            assert_eq!(source.io(Extent::All), Io::default());
            assert_eq!(source.pids(), Pids::default());
            assert_eq!(source.pressures(), Pressures::default());
            std::fs::remove_dir_all(path).unwrap();
        }
    }

    #[test]
    fn memory_on_both_versions() {
        let v1 = [
            ("memory.usage_in_bytes", "1000\n"),
            ("memory.stat", "rss 1\ntotal_cache 300\ntotal_rss 500\ntotal_swap 7\n"),
            ("memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
        ];
        let (path, source_v1) = source("memory-v1", Version::V1, &v1);
        let memory = source_v1.memory(Extent::All);
        assert_eq!((memory.shown_by_info(), memory.with_swap()), (Some(1000), Some(1007)));
        let totals = source_v1.memory(Extent::Totals);
        assert_eq!((totals.shown_by_info(), totals.oom_kills), (Some(1000), Some(3)));
        assert_eq!((totals.anon_bytes, totals.limit_bytes), (None, None));
        assert_eq!(
            (memory.limit_bytes, memory.oom_kills, memory.oom_events),
            (Some(Limit::Max), Some(3), None)
        );
        assert_eq!(source_v1.oom_kills(), Some(3));
        std::fs::remove_dir_all(path).unwrap();
        let v2 = [
            ("memory.current", "1000\n"),
            ("memory.stat", "anon 500\nfile 300\nkernel_stack 1\npagetables 2\nsock 3\nslab 4\n"),
            ("memory.max", "4096\n"),
            ("memory.events", "low 0\noom 2\noom_kill 1\n"),
        ];
        let (path, source_v2) = source("memory-v2", Version::V2, &v2);
        let memory = source_v2.memory(Extent::All);
        for memory in [memory, source_v2.memory(Extent::Totals)] {
            assert_eq!((memory.shown_by_info(), memory.kernel_bytes), (Some(800), Some(10)));
        }
        assert_eq!((memory.limit_bytes, memory.swap_bytes), (Some(Limit::Of(4096)), None));
        assert_eq!((memory.oom_kills, memory.oom_events), (Some(1), Some(2)));
        assert_eq!(source_v2.oom_kills(), Some(1));
        std::fs::remove_dir_all(path).unwrap();
    }
}
