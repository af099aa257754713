//! What a container uses, on every layout. What cannot be read is `None`, never zero.

use std::os::fd::{AsFd, BorrowedFd};

use super::layout::Version;
use super::tree::read_file;

/// The use of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time, nanoseconds.
    pub cpu: Option<u64>,
    /// Block io, bytes.
    pub io: Option<u64>,
    /// Memory, bytes.
    pub memory: Option<u64>,
    /// Memory of the kernel for it, bytes.
    pub kernel_memory: Option<u64>,
    /// Memory and swap beyond it, bytes.
    pub swap: Option<u64>,
}

impl Usage {
    /// Reads the use; `cgroup` opens the container's cgroup of a controller.
    pub fn read<Fd: AsFd>(cgroup: impl Fn(&str) -> Option<(Fd, Version)>) -> Self {
        let mut usage = Self::default();
        match cgroup("cpuacct").or_else(|| cgroup("cpu")) {
            Some((dir, Version::V1)) => usage.cpu = number(dir.as_fd(), "cpuacct.usage"),
            Some((dir, Version::V2)) => {
                usage.cpu =
                    keyed(dir.as_fd(), "cpu.stat", "usage_usec").map(|micros| micros * 1000);
            }
            None => {}
        }
        match cgroup("blkio").or_else(|| cgroup("io")) {
            Some((dir, Version::V1)) => {
                usage.io = keyed(dir.as_fd(), "blkio.throttle.io_service_bytes", "Total");
            }
            Some((dir, Version::V2)) => usage.io = io_total(dir.as_fd()),
            None => {}
        }
        match cgroup("memory") {
            Some((dir, Version::V1)) => {
                let dir = dir.as_fd();
                usage.memory = number(dir, "memory.usage_in_bytes");
                usage.kernel_memory = number(dir, "memory.kmem.usage_in_bytes");
                usage.swap = number(dir, "memory.memsw.usage_in_bytes")
                    .zip(usage.memory)
                    .map(|(both, memory)| both.saturating_sub(memory));
            }
            Some((dir, Version::V2)) => usage.read_memory_v2(dir.as_fd()),
            None => {}
        }
        usage
    }

    fn read_memory_v2(&mut self, dir: BorrowedFd<'_>) {
        let sum = |keys: &[&str]| {
            keys.iter().map(|key| keyed(dir, "memory.stat", key)).sum::<Option<u64>>()
        };
        self.memory = sum(&["anon", "file"]);
        self.kernel_memory = sum(&["kernel_stack", "pagetables", "sock", "slab"]);
        self.swap = number(dir, "memory.swap.current");
    }
}

fn number(dir: BorrowedFd<'_>, file: &str) -> Option<u64> {
    read_file(dir, file).ok()?.trim().parse().ok()
}

/// The number behind `key` in the last line that begins with it.
fn keyed(dir: BorrowedFd<'_>, file: &str, key: &str) -> Option<u64> {
    let text = read_file(dir, file).ok()?;
    text.lines().rev().find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
}

fn io_total(dir: BorrowedFd<'_>) -> Option<u64> {
    let text = read_file(dir, "io.stat").ok()?;
    let fields = text.split_whitespace().filter_map(|field| field.split_once('='));
    let bytes = fields.filter(|(key, _)| ["rbytes", "wbytes"].contains(key));
    Some(bytes.filter_map(|(_, value)| value.parse::<u64>().ok()).sum())
}
