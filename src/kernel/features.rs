//! The features, with LXC's names for them.

use super::{Answer, probe};

/// One feature.
pub struct Feature {
    /// The section it stands in, one of [`SECTIONS`].
    pub section: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The kernel's option for it, without `CONFIG_`.
    pub symbol: Option<&'static str>,
    /// The module it may come in.
    pub module: Option<&'static str>,
    /// Whether no container works without it.
    pub required: bool,
    /// Tries it.
    pub probe: fn() -> Answer,
    /// What to do if it is missing.
    pub hint: Option<&'static str>,
}

/// The sections, in order.
pub const SECTIONS: [&str; 5] =
    ["Namespaces", "Control groups", "Misc", "Checkpoint/Restore", "Beyond options"];

/// The section of what no option of the kernel stands for.
const BEYOND_OPTIONS: usize = 4;

const fn feature(section: usize, name: &'static str, probe: fn() -> Answer) -> Feature {
    let section = SECTIONS[section];
    Feature { section, name, symbol: None, module: None, required: false, probe, hint: None }
}

impl Feature {
    /// Whether only the running kernel can be asked for it.
    pub fn is_beyond_options(&self) -> bool {
        self.section == SECTIONS[BEYOND_OPTIONS]
    }

    const fn symbol(mut self, symbol: &'static str) -> Self {
        self.symbol = Some(symbol);
        self
    }

    const fn module(mut self, module: &'static str) -> Self {
        self.module = Some(module);
        self
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    const fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
}

const NAMESPACE_LIMIT: &str = "see the limits in /proc/sys/user";
const NFT: &str = "lxc-net needs a kernel with nf_tables and its modules (nft_ct, nft_masq)";

/// All of them.
pub const FEATURES: &[Feature] = &[
    feature(0, "Namespaces", probe::namespaces).symbol("NAMESPACES").required(),
    feature(0, "Utsname namespace", probe::uts).symbol("UTS_NS").hint(NAMESPACE_LIMIT),
    feature(0, "Ipc namespace", probe::ipc).symbol("IPC_NS").required().hint(NAMESPACE_LIMIT),
    feature(0, "Pid namespace", probe::pid).symbol("PID_NS").required().hint(NAMESPACE_LIMIT),
    feature(0, "User namespace", probe::user).symbol("USER_NS").hint(
        "containers with lxc.idmap need it; see /proc/sys/user/max_user_namespaces and \
         /proc/sys/kernel/unprivileged_userns_clone",
    ),
    feature(0, "Network namespace", probe::net).symbol("NET_NS").hint(NAMESPACE_LIMIT),
    feature(1, "Cgroups", probe::cgroups).symbol("CGROUPS"),
    feature(1, "Cgroup namespace", probe::cgroup).hint(NAMESPACE_LIMIT),
    feature(1, "Cgroup device", probe::devices).symbol("CGROUP_DEVICE"),
    feature(1, "Cgroup sched", probe::cpu).symbol("CGROUP_SCHED"),
    feature(1, "Cgroup cpu account", probe::cpu_accounting).symbol("CGROUP_CPUACCT"),
    feature(1, "Cgroup memory controller", probe::memory)
        .symbol("MEMCG")
        .hint("some kernels want cgroup_enable=memory on their command line"),
    feature(1, "Cgroup cpuset", probe::cpuset).symbol("CPUSETS"),
    feature(2, "Veth pair device", probe::veth).symbol("VETH").module("veth"),
    feature(2, "Macvlan", probe::macvlan).symbol("MACVLAN").module("macvlan"),
    feature(2, "Vlan", probe::vlan).symbol("VLAN_8021Q").module("8021q"),
    feature(2, "Bridges", probe::bridge).symbol("BRIDGE").module("bridge"),
    feature(2, "Advanced netfilter", probe::not_tried)
        .symbol("NETFILTER_ADVANCED")
        .module("nf_tables"),
    feature(2, "CONFIG_IP_NF_TARGET_MASQUERADE", probe::not_tried)
        .symbol("IP_NF_TARGET_MASQUERADE")
        .module("nf_nat"),
    feature(2, "CONFIG_IP6_NF_TARGET_MASQUERADE", probe::not_tried)
        .symbol("IP6_NF_TARGET_MASQUERADE")
        .module("nf_nat"),
    feature(2, "CONFIG_NETFILTER_XT_TARGET_CHECKSUM", probe::not_tried)
        .symbol("NETFILTER_XT_TARGET_CHECKSUM")
        .module("xt_CHECKSUM"),
    feature(2, "CONFIG_NETFILTER_XT_MATCH_COMMENT", probe::not_tried)
        .symbol("NETFILTER_XT_MATCH_COMMENT")
        .module("xt_comment"),
    feature(2, "FUSE (for use with lxcfs)", probe::fuse).symbol("FUSE_FS").module("fuse"),
    feature(3, "checkpoint restore", probe::checkpoint).symbol("CHECKPOINT_RESTORE"),
    feature(3, "CONFIG_FHANDLE", probe::file_handles).symbol("FHANDLE"),
    feature(3, "CONFIG_EVENTFD", probe::eventfd).symbol("EVENTFD"),
    feature(3, "CONFIG_EPOLL", probe::epoll).symbol("EPOLL"),
    feature(3, "CONFIG_UNIX_DIAG", probe::unix_diagnosis).symbol("UNIX_DIAG"),
    feature(3, "CONFIG_INET_DIAG", probe::inet_diagnosis).symbol("INET_DIAG"),
    feature(3, "CONFIG_PACKET_DIAG", probe::packet_diagnosis).symbol("PACKET_DIAG"),
    feature(3, "CONFIG_NETLINK_DIAG", probe::netlink_diagnosis).symbol("NETLINK_DIAG"),
    feature(3, "File capabilities", probe::file_capabilities),
    feature(BEYOND_OPTIONS, "Detached mounts", probe::detached_mounts)
        .required()
        .hint("they need Linux 5.2, and a sandbox that allows open_tree(2)"),
    feature(BEYOND_OPTIONS, "Idmapped mounts of the root directory", probe::idmapped_mounts)
        .hint("root filesystems for lxc.idmap must then belong to the mapped ids"),
    feature(BEYOND_OPTIONS, "Packet filter (nft)", probe::packet_filter).hint(NFT),
    feature(BEYOND_OPTIONS, "Masquerade (nft)", probe::masquerade).hint(NFT),
    feature(BEYOND_OPTIONS, "Overlay", probe::overlay).module("overlay"),
    feature(BEYOND_OPTIONS, "Time namespace", probe::time),
    feature(BEYOND_OPTIONS, "Device programs (cgroup v2)", probe::device_programs),
    feature(BEYOND_OPTIONS, "Seccomp filters", probe::seccomp),
    feature(BEYOND_OPTIONS, "Process descriptors", probe::pidfds)
        .required()
        .hint("they need Linux 5.3, and a sandbox that allows pidfd_open(2)"),
];
