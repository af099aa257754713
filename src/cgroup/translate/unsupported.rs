//! Settings without a counterpart, and what to write instead.

use super::super::layout::Version;
use super::Refusal;

/// What stands in place of a v1 file on v2; the longest matching beginning counts.
const ON_V2: &[(&str, &str)] = &[
    ("cpu.rt_", "limit real-time priorities with lxc.prlimit.rtprio"),
    ("memory.swappiness", "set memory.swap.max to 0 to keep the container from swapping"),
    ("memory.kmem.", "kernel memory counts into memory.max: limit that"),
    ("memory.oom_control", "memory.oom.group makes the kernel kill all of a container or nothing"),
    ("memory.use_hierarchy", "remove the line: limits always hold for all that is below"),
    ("memory.move_charge_at_immigrate", "remove the line: memory stays where it was charged"),
    ("cpuset.cpu_exclusive", "lxc.cgroup2.cpuset.cpus.partition = root"),
    ("cpuset.sched_load_balance", "lxc.cgroup2.cpuset.cpus.partition = isolated"),
    ("cpuset.", "only cpuset.cpus and cpuset.mems go on"),
    ("net_cls.", "match the container's cgroup in nftables: socket cgroupv2"),
    (
        "net_prio.",
        "match the container's cgroup in nftables: socket cgroupv2, and set meta priority",
    ),
    ("blkio.leaf_weight", "remove the line: processes are beside no other cgroups"),
    ("notify_on_release", "remove the line: lxc.hook.post-stop runs at the end"),
    ("release_agent", "remove the line: lxc.hook.post-stop runs at the end"),
];

/// What stands in place of a v2 file on v1.
const ON_V1: &[(&str, &str)] = &[
    ("cpu.weight.nice", "lxc.cgroup.cpu.shares, 1024 for nice 0"),
    ("cpu.uclamp.", "remove the line"),
    ("memory.min", "memory.high keeps other containers small: it becomes their soft limit"),
    ("memory.low", "memory.high keeps other containers small: it becomes their soft limit"),
    ("memory.oom.group", "remove the line: the kernel kills single processes"),
    ("memory.swap.high", "memory.swap.max"),
    ("memory.zswap.", "memory.swap.max"),
    ("io.latency", "io.max, which becomes blkio.throttle.*"),
    ("io.cost", "io.max, which becomes blkio.throttle.*"),
    ("io.prio", "io.weight"),
    ("cpuset.cpus.partition", "lxc.cgroup.cpuset.cpu_exclusive = 1"),
    ("cpuset.cpus.exclusive", "lxc.cgroup.cpuset.cpu_exclusive = 1"),
    ("cgroup.max.", "pids.max"),
    ("cgroup.subtree_control", "remove the line: every controller has a tree of its own"),
];

pub(super) fn reason(file: &str, on: Version) -> Refusal {
    let (name, table) = match on {
        Version::V1 => ("v1", ON_V1),
        Version::V2 => ("v2", ON_V2),
    };
    let instead = table
        .iter()
        .filter(|(beginning, _)| file.starts_with(beginning))
        .max_by_key(|(beginning, _)| beginning.len());
    Refusal {
        why: format!("it has no counterpart on cgroup {name}"),
        instead: instead.map(|(_, instead)| (*instead).to_owned()),
    }
}
