//! What a container uses, on every layout. What cannot be read is `None`, never zero.

mod from_monitor;
mod read;
#[cfg(test)]
mod tests;

use std::os::fd::OwnedFd;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::layout::Version;
pub use from_monitor::{FromMonitor, Hierarchies};
use read::Source;

/// A kind of statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// CPU time.
    Cpu,
    /// Memory and swap.
    Memory,
    /// Block devices.
    Io,
    /// Processes and threads.
    Pids,
    /// Waiting for resources.
    Pressure,
}

impl Part {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Cpu, Self::Memory, Self::Io, Self::Pids, Self::Pressure];

    /// The v1 controllers that count this part; the first one that exists is used.
    fn controllers(self) -> &'static [&'static str] {
        match self {
            Self::Cpu => &["cpuacct"],
            Self::Memory => &["memory"],
            Self::Io => &["blkio", "io"],
            Self::Pids => &["pids"],
            Self::Pressure => &[],
        }
    }
}

/// All that the kernel counts for a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Statistics {
    /// CPU time.
    pub cpu: Cpu,
    /// Memory and swap.
    pub memory: Memory,
    /// Block devices.
    pub io: Io,
    /// Processes and threads.
    pub pids: Pids,
    /// Waiting for resources.
    pub pressure: Pressures,
}

/// CPU time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cpu {
    /// Used, nanoseconds.
    pub usage_nanoseconds: Option<u64>,
    /// Used by programs, nanoseconds.
    pub user_nanoseconds: Option<u64>,
    /// Used by the kernel for them, nanoseconds.
    pub system_nanoseconds: Option<u64>,
    /// Periods in which the quota ran out.
    pub throttled_periods: Option<u64>,
    /// Time that processes waited for the next period, nanoseconds.
    pub throttled_nanoseconds: Option<u64>,
}

/// Memory and swap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Charged in all, bytes.
    pub usage_bytes: Option<u64>,
    /// Anonymous memory, bytes.
    pub anon_bytes: Option<u64>,
    /// Page cache, bytes.
    pub cache_bytes: Option<u64>,
    /// Memory of the kernel: stacks, page tables, sockets, objects; bytes.
    pub kernel_bytes: Option<u64>,
    /// Swapped out, bytes.
    pub swap_bytes: Option<u64>,
    /// The most that was ever charged, bytes (v2: Linux 5.19).
    pub peak_bytes: Option<u64>,
    /// The limit, bytes.
    pub limit_bytes: Option<Limit>,
    /// How often the limit was hit and nothing could be freed (v2).
    pub oom_events: Option<u64>,
    /// Processes killed because of the limit.
    pub oom_kills: Option<u64>,
    /// The cgroup version that counted.
    #[serde(skip)]
    version: Option<Version>,
}

impl Memory {
    /// The use that `lxc-info` has always shown: on v1 all that is charged, on v2 programs and files.
    pub fn shown_by_info(&self) -> Option<u64> {
        match self.version? {
            Version::V1 => self.usage_bytes,
            Version::V2 => Some(self.anon_bytes? + self.cache_bytes?),
        }
    }

    /// Memory and swap together, bytes.
    pub fn with_swap(&self) -> Option<u64> {
        Some(self.usage_bytes? + self.swap_bytes?)
    }
}

/// Block devices, all together. v1 counts what goes to a device only once some cgroup was throttled
/// on it (Linux 6.10); before, nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Io {
    /// Read, bytes.
    pub read_bytes: Option<u64>,
    /// Written, bytes.
    pub written_bytes: Option<u64>,
    /// Requests to read.
    pub reads: Option<u64>,
    /// Requests to write.
    pub writes: Option<u64>,
    /// What LXC lists: the kernel's total of bytes, on v1 even if no device was counted.
    #[serde(skip)]
    pub listed_bytes: Option<u64>,
    /// The total of requests, likewise.
    #[serde(skip)]
    pub listed_requests: Option<u64>,
}

/// Processes and threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pids {
    /// How many there are.
    pub current: Option<u64>,
    /// How many there may be.
    pub limit: Option<Limit>,
}

/// A limit that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// There is none.
    Max,
    /// So much.
    Of(u64),
}

impl Limit {
    /// The number, if there is one.
    pub fn number(self) -> Option<u64> {
        match self {
            Self::Max => None,
            Self::Of(number) => Some(number),
        }
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Max => serializer.serialize_str("max"),
            Self::Of(number) => serializer.serialize_u64(*number),
        }
    }
}

/// Waiting for resources (kernel: accounting/psi.rst).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Pressures {
    /// For CPU time.
    pub cpu: Pressure,
    /// For memory.
    pub memory: Pressure,
    /// For block devices.
    pub io: Pressure,
}

/// Waiting for one resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Pressure {
    /// At least one process waited.
    pub some: Option<Waiting>,
    /// All of them did.
    pub full: Option<Waiting>,
}

/// The share of the time that was spent waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Waiting {
    /// Of the last 10 seconds, per cent.
    pub percent_10s: f64,
    /// Of the last minute, per cent.
    pub percent_60s: f64,
    /// Of the last 5 minutes, per cent.
    pub percent_300s: f64,
    /// Since the beginning, microseconds.
    pub total_microseconds: u64,
}

/// What stays open between two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The directories only: few descriptors.
    Directories,
    /// The files as well: each further look takes one system call for each file.
    Files,
}

impl Keep {
    /// The most descriptors that it takes for one container.
    pub fn most(self) -> usize {
        match self {
            Self::Directories => 8,
            Self::Files => 32,
        }
    }
}

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// What `lxc-info` shows.
    Totals,
    /// All.
    All,
}

impl Extent {
    /// What `read` reads, unless only totals are wanted.
    fn beyond_totals<T>(self, read: impl FnOnce() -> Option<T>) -> Option<T> {
        if self == Self::All { read() } else { None }
    }
}

/// What statistics are read from, held open.
#[derive(Debug)]
pub struct Sources {
    held: Vec<(Part, Source)>,
    /// Where v1 counts throttling: with the CPU time, or in a hierarchy of its own.
    throttling: Option<Source>,
}

/// A source of a container's cgroups.
pub trait Directories {
    /// The directory of a controller, with its version.
    fn of_controller(&self, controller: &str) -> Option<(Arc<OwnedFd>, Version)>;
    /// The directory in the v2 hierarchy, which may have no controllers.
    fn unified(&self) -> Option<Arc<OwnedFd>>;
}

impl Sources {
    /// Opens what `parts` need.
    pub fn open(directories: &impl Directories, parts: &[Part], keep: Keep) -> Self {
        let mut sources = Self { held: Vec::new(), throttling: None };
        for part in parts {
            let found = part.controllers().iter().find_map(|name| directories.of_controller(name));
            let found = found.or_else(|| {
                // Without a v1 controller it is counted on v2, if at all; CPU time always is there.
                let on_v2 = match part {
                    Part::Cpu | Part::Pressure => true,
                    Part::Memory | Part::Io | Part::Pids => false,
                };
                on_v2.then(|| directories.unified()).flatten().map(|dir| (dir, Version::V2))
            });
            if *part == Part::Cpu && matches!(found, Some((_, Version::V1))) {
                sources.throttling =
                    directories.of_controller("cpu").map(|dir| Source::new(dir, keep));
            }
            sources.held.extend(found.map(|found| (*part, Source::new(found, keep))));
        }
        sources
    }

    /// Reads them.
    pub fn read(&self) -> Statistics {
        self.read_to(Extent::All)
    }

    /// Reads what `lxc-info` shows, which takes half of the files; the rest is `None`.
    pub fn totals(&self) -> Statistics {
        self.read_to(Extent::Totals)
    }

    /// Reads how many processes were killed for the limit of memory, and nothing else.
    pub fn oom_kills(&self) -> Option<u64> {
        let (_, memory) = self.held.iter().find(|(part, _)| *part == Part::Memory)?;
        memory.oom_kills()
    }

    fn read_to(&self, extent: Extent) -> Statistics {
        let mut statistics = Statistics::default();
        for (part, source) in &self.held {
            match part {
                Part::Cpu => statistics.cpu = source.cpu(self.throttling.as_ref(), extent),
                Part::Memory => statistics.memory = source.memory(extent),
                Part::Io => statistics.io = source.io(extent),
                Part::Pids => statistics.pids = source.pids(),
                Part::Pressure => statistics.pressure = source.pressures(),
            }
        }
        statistics
    }
}
