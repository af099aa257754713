//! Translates settings of one cgroup version into the other's (kernel: admin-guide/cgroup-v1,
//! admin-guide/cgroup-v2.rst).
//!
//! Most settings are [`one_to_one`]s, with one file in each version; others share a file in one of the
//! versions ([`combined`]: quota and period, memory and swap, throttles). A setting without a counterpart
//! is refused with what to write instead ([`unsupported`]). The translation depends on nothing of the
//! host but what its files hold now.

mod combined;
mod one_to_one;
mod unsupported;
mod value;

use super::layout::Version;
pub(super) use value::parse_size;

/// What a file of the container's cgroup holds now; `None` if there is no such file.
pub type Current<'a> = &'a dyn Fn(&str) -> Option<String>;

/// One file and what to write to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The file's name.
    pub file: String,
    /// The text.
    pub value: String,
}

impl Write {
    fn new(file: impl Into<String>, value: impl Into<String>) -> Self {
        Self { file: file.into(), value: value.into() }
    }
}

/// Why a setting cannot be translated to the other version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub why: String,
    /// What the user can write instead.
    pub instead: Option<String>,
}

impl Refusal {
    fn value(value: &str, expected: &str) -> Self {
        Self { why: format!("{value:?} is not a {expected}"), instead: None }
    }
}

/// What to write on a host whose controller is of version `to` for `value` in `file` of the other
/// version.
pub fn write(
    file: &str,
    value: &str,
    to: Version,
    current: Current<'_>,
) -> Result<Vec<Write>, Refusal> {
    let value = value.trim();
    combined::write(file, value, to, current)
        .or_else(|| {
            one_to_one::write(file, value, to, current).map(|write| write.map(|one| vec![one]))
        })
        .unwrap_or_else(|| Err(unsupported::reason(file, to)))
}

/// What `file` of the other version would hold on a host whose controller is of version `on`.
pub fn read(file: &str, on: Version, current: Current<'_>) -> Result<String, Refusal> {
    combined::read(file, on, current)
        .or_else(|| one_to_one::read(file, on, current))
        .unwrap_or_else(|| Err(unsupported::reason(file, on)))
}

/// The controller that `file` belongs to: the part before the first dot.
pub fn controller(file: &str) -> &str {
    file.split_once('.').map_or(file, |(controller, _)| controller)
}

/// What the other version, `to`, calls the controller `name`. On v2 freezing is not a controller but
/// part of every cgroup.
pub fn counterpart(name: &str, to: Version) -> &str {
    match (name, to) {
        ("cpuacct", Version::V2) => "cpu",
        ("blkio", Version::V2) => "io",
        ("freezer", Version::V2) => "cgroup",
        ("io", Version::V1) => "blkio",
        ("cgroup", Version::V1) => "freezer",
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The files of a cgroup nobody set anything in, and those of `set`.
    fn host<'a>(set: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        let fresh = [
            ("cpu.max", "max 100000"),
            ("cpu.cfs_quota_us", "-1"),
            ("cpu.cfs_period_us", "100000"),
            ("cpu.weight", "100"),
            ("cpu.shares", "1024"),
            ("memory.max", "max"),
            ("memory.limit_in_bytes", "9223372036854771712"),
            ("io.weight", "default 100"),
            ("blkio.bfq.weight", "100"),
            ("cgroup.freeze", "0"),
            ("freezer.state", "THAWED"),
        ];
        move |file| {
            let all = set.iter().copied().chain(fresh);
            all.into_iter().find(|(name, _)| *name == file).map(|(_, text)| text.to_owned())
        }
    }

    fn to(version: Version, file: &str, value: &str, set: &[(&str, &str)]) -> String {
        let writes = write(file, value, version, &host(set)).unwrap();
        let writes = writes.iter().map(|one| format!("{}={}", one.file, one.value));
        writes.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn v1_settings_on_v2() {
        let v2 = |file, value| to(Version::V2, file, value, &[("memory.max", "67108864")]);
        assert_eq!(v2("cpu.shares", "512"), "cpu.weight=50");
        assert_eq!(v2("cpu.shares", "2"), "cpu.weight=1");
        assert_eq!(v2("cpu.cfs_quota_us", "25000"), "cpu.max=25000 100000");
        assert_eq!(v2("cpu.cfs_quota_us", "-1"), "cpu.max=max 100000");
        assert_eq!(v2("cpu.cfs_period_us", "50000"), "cpu.max=max 50000");
        assert_eq!(v2("memory.limit_in_bytes", "64M"), "memory.max=67108864");
        assert_eq!(v2("memory.limit_in_bytes", "-1"), "memory.max=max");
        assert_eq!(v2("memory.soft_limit_in_bytes", "1g"), "memory.high=1073741824");
        assert_eq!(v2("memory.memsw.limit_in_bytes", "96M"), "memory.swap.max=33554432");
        assert_eq!(v2("blkio.weight", "1000"), "io.weight=200");
        assert_eq!(v2("blkio.weight_device", "8:0 250"), "io.weight=8:0 50");
        assert_eq!(v2("blkio.throttle.read_bps_device", "8:0 4096"), "io.max=8:0 rbps=4096");
        assert_eq!(v2("blkio.throttle.write_iops_device", "8:0 0"), "io.max=8:0 wiops=max");
        assert_eq!(v2("pids.max", "20"), "pids.max=20");
        assert_eq!(v2("cpuset.cpus", "0-1"), "cpuset.cpus=0-1");
        assert_eq!(v2("freezer.state", "FROZEN"), "cgroup.freeze=1");
        assert_eq!(v2("hugetlb.2MB.limit_in_bytes", "4M"), "hugetlb.2MB.max=4194304");
        assert_eq!(v2("hugetlb.2MB.rsvd.limit_in_bytes", "4M"), "hugetlb.2MB.rsvd.max=4194304");
    }

    #[test]
    fn v2_settings_on_v1() {
        let limit = [("memory.limit_in_bytes", "67108864")];
        let v1 = |file, value| to(Version::V1, file, value, &limit);
        assert_eq!(v1("cpu.weight", "50"), "cpu.shares=512");
        assert_eq!(v1("cpu.max", "25000 50000"), "cpu.cfs_period_us=50000; cpu.cfs_quota_us=25000");
        assert_eq!(v1("cpu.max", "max"), "cpu.cfs_quota_us=-1");
        assert_eq!(v1("memory.max", "max"), "memory.limit_in_bytes=-1");
        assert_eq!(v1("memory.swap.max", "32M"), "memory.memsw.limit_in_bytes=100663296");
        assert_eq!(v1("io.weight", "default 40"), "blkio.bfq.weight=40");
        assert_eq!(
            v1("io.max", "8:0 rbps=4096 wiops=max"),
            "blkio.throttle.read_bps_device=8:0 4096; blkio.throttle.write_iops_device=8:0 0"
        );
        assert_eq!(v1("cgroup.freeze", "1"), "freezer.state=FROZEN");
    }

    #[test]
    fn what_has_no_counterpart_says_what_to_write() {
        for (file, version) in [
            ("cpu.rt_runtime_us", Version::V2),
            ("memory.swappiness", Version::V2),
            ("net_cls.classid", Version::V2),
            ("memory.kmem.limit_in_bytes", Version::V2),
            ("memory.low", Version::V1),
            ("cpuset.cpus.partition", Version::V1),
        ] {
            let refusal = write(file, "1", version, &host(&[])).unwrap_err();
            assert!(refusal.instead.is_some(), "{file}");
        }
        let refusal = write("no.such", "1", Version::V2, &host(&[])).unwrap_err();
        assert!(refusal.why.contains("no counterpart"), "{refusal:?}");
        assert!(write("cpu.shares", "many", Version::V2, &host(&[])).is_err());
        let low = [("memory.max", "67108864")];
        let refusal = write("memory.memsw.limit_in_bytes", "1M", Version::V2, &host(&low));
        assert!(refusal.unwrap_err().why.contains("below"));
    }

    #[test]
    fn values_are_read_in_the_words_asked_for() {
        let v2 = [
            ("cpu.max", "25000 50000"),
            ("memory.max", "67108864"),
            ("memory.swap.max", "33554432"),
            ("io.max", "8:0 rbps=4096 wbps=max riops=max wiops=7\n"),
            ("cpu.stat", "usage_usec 12\nuser_usec 1\n"),
        ];
        let v2 = |file| read(file, Version::V2, &host(&v2)).unwrap();
        assert_eq!(v2("cpu.shares"), "1024\n");
        assert_eq!(v2("cpu.cfs_quota_us"), "25000\n");
        assert_eq!(v2("cpu.cfs_period_us"), "50000\n");
        assert_eq!(v2("memory.limit_in_bytes"), "67108864\n");
        assert_eq!(v2("memory.memsw.limit_in_bytes"), "100663296\n");
        assert_eq!(v2("blkio.throttle.read_bps_device"), "8:0 4096\n");
        assert_eq!(v2("blkio.throttle.write_bps_device"), "");
        assert_eq!(v2("cpuacct.usage"), "12000\n");
        let v1 = [
            ("memory.memsw.limit_in_bytes", "9223372036854771712"),
            ("blkio.throttle.read_bps_device", "8:0 4096\n"),
        ];
        let v1 = |file| read(file, Version::V1, &host(&v1)).unwrap();
        assert_eq!(v1("cpu.weight"), "100\n");
        assert_eq!(v1("cpu.max"), "max 100000\n");
        assert_eq!(v1("memory.max"), "max\n");
        assert_eq!(v1("memory.swap.max"), "max\n");
        assert_eq!(v1("io.max"), "8:0 rbps=4096 wbps=max riops=max wiops=max\n");
    }

    proptest! {
        /// A weight that goes there and back changes by no more than the coarser scale's step.
        #[test]
        fn weights_survive_the_way_back(shares in 11_u64..102_400) {
            let there = write("cpu.shares", &shares.to_string(), Version::V2, &host(&[])).unwrap();
            let weight = [("cpu.weight", there[0].value.as_str())];
            let back = read("cpu.shares", Version::V2, &host(&weight)).unwrap();
            let back: u64 = back.trim().parse().unwrap();
            prop_assert!(back.abs_diff(shares) <= 6, "{shares} -> {back}");
        }

        #[test]
        fn sizes_survive_the_way_back(bytes in 0_u64..1 << 50) {
            let there = write("memory.max", &bytes.to_string(), Version::V1, &host(&[])).unwrap();
            prop_assert_eq!(&there[0].value, &bytes.to_string());
            let set = [("memory.limit_in_bytes", there[0].value.as_str())];
            prop_assert_eq!(
                read("memory.max", Version::V1, &host(&set)).unwrap(),
                format!("{bytes}\n")
            );
        }
    }
}
