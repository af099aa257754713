//! The configuration of one container as plain data.
//!
//! Every field belongs to the key named beside it (lxc.container.conf(5)). The key registry parses
//! into it and prints from it; everything else only reads it. Values are parsed once, at the edge:
//! nothing behind this module looks at text again, except where the kernel is the one to parse it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::forward::Forward;
use super::hook::HookStage;
use super::host_end::HostEnd;
use super::namespace::Namespace;
use crate::origin::{Located, Origin};

/// A container's configuration, all files and overrides merged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where each scalar key was last set, by its full name (`lxc.net.0.link`).
    pub origins: BTreeMap<String, Origin>,

    /// `lxc.arch`: the personality of init.
    pub arch: Option<Arch>,
    /// `lxc.uts.name`: the hostname; unset leaves the host's.
    pub uts_name: Option<String>,
    /// `lxc.init.cmd`: words; default `/sbin/init`.
    pub init_cmd: Option<String>,
    /// `lxc.execute.cmd`: words.
    pub execute_cmd: Option<String>,
    /// `lxc.init.cwd`: the working directory of init.
    pub init_cwd: Option<PathBuf>,
    /// `lxc.init.uid`, inside the user namespace.
    pub init_uid: u32,
    /// `lxc.init.gid`, inside the user namespace.
    pub init_gid: u32,
    /// `lxc.init.groups`: supplementary groups; none drops them.
    pub init_groups: Vec<u32>,
    /// `lxc.ephemeral`: destroy the container after it stopped.
    pub ephemeral: bool,
    /// `lxc.signal.halt`: number; `None` chooses by what init handles.
    pub signal_halt: Option<i32>,
    /// `lxc.signal.reboot`: number; default SIGINT.
    pub signal_reboot: Option<i32>,
    /// `lxc.signal.stop`: number; default SIGKILL.
    pub signal_stop: Option<i32>,
    /// `lxc.start.*` and `lxc.group`.
    pub start: Start,
    /// `lxc.monitor.unshare`: the monitor gets a mount namespace before the pre-start hooks.
    pub monitor_unshare: bool,
    /// `lxc.monitor.signal.pdeath`: number, 0 for none; default SIGKILL.
    pub monitor_pdeath: Option<i32>,
    /// `lxc.no_new_privs`.
    pub no_new_privs: bool,
    /// `lxc.keyring.session` as LXC stores it: true keeps the caller's keyring.
    pub keyring_keep: bool,
    /// `lxc.sched.core`: a core scheduling cookie of its own.
    pub sched_core: bool,
    /// `lxc.log.*`.
    pub log: Log,

    /// `lxc.console.*`.
    pub console: Console,
    /// `lxc.tty.max`: number of `/dev/ttyN`.
    pub tty_max: u32,
    /// `lxc.tty.dir`: directory under `/dev` for console and ttys.
    pub tty_dir: Option<String>,
    /// `lxc.pty.max`: size of the container's own devpts; 0 for none.
    pub pty_max: u32,
    /// `lxc.autodev`: `None` means true.
    pub autodev: Option<bool>,
    /// `lxc.autodev.tmpfs.size`, bytes; 0 means the default of 500000.
    pub autodev_size: u64,

    /// `lxc.environment`: `NAME=VALUE` each, or `NAME`; for init, attach and hooks inside.
    pub environment: Vec<Located<String>>,
    /// `lxc.environment.runtime`: for init and attach only.
    pub environment_runtime: Vec<Located<String>>,
    /// `lxc.environment.hooks`: for hooks inside only.
    pub environment_hooks: Vec<Located<String>>,

    /// `lxc.idmap`.
    pub idmap: Vec<Located<IdMap>>,

    /// `lxc.mount.fstab`.
    pub mount_fstab: Option<PathBuf>,
    /// `lxc.mount.entry`: fstab lines.
    pub mount_entries: Vec<Located<String>>,
    /// `lxc.mount.auto`.
    pub mount_auto: MountAuto,

    /// `lxc.rootfs.*`.
    pub rootfs: Rootfs,
    /// `lxc.net.N.*`, by N.
    pub net: BTreeMap<u32, Net>,

    /// `lxc.cgroup.*` and `lxc.cgroup2.*`.
    pub cgroup: Cgroup,
    /// `lxc.cap.drop`: names without `CAP_`, or numbers.
    pub cap_drop: Vec<Located<String>>,
    /// `lxc.cap.keep`: likewise; `Some(empty)` (the value `none`) keeps nothing.
    pub cap_keep: Option<Vec<Located<String>>>,

    /// `lxc.apparmor.*`.
    pub apparmor: AppArmor,
    /// `lxc.selinux.*`.
    pub selinux: SeLinux,
    /// `lxc.seccomp.*`.
    pub seccomp: Seccomp,

    /// `lxc.namespace.clone`: only these are new.
    pub namespace_clone: Option<Vec<Namespace>>,
    /// `lxc.namespace.keep`: these are inherited.
    pub namespace_keep: Option<Vec<Namespace>>,
    /// `lxc.namespace.share.NS`: a pid, a container's name, or its path.
    pub namespace_share: BTreeMap<Namespace, Located<String>>,
    /// `lxc.time.offset.boot`, nanoseconds.
    pub time_boot: Option<i64>,
    /// `lxc.time.offset.monotonic`, nanoseconds.
    pub time_monotonic: Option<i64>,

    /// `lxc.prlimit.RES`, once each, in order.
    pub prlimit: Vec<Located<(String, Rlimit)>>,
    /// `lxc.sysctl.NAME`, in order.
    pub sysctl: Vec<Located<(String, String)>>,
    /// `lxc.proc.FILE`, in order.
    pub proc: Vec<Located<(String, String)>>,

    /// `lxc.hook.STAGE`, by stage.
    pub hooks: BTreeMap<HookStage, Vec<Located<String>>>,
    /// `lxc.hook.version`.
    pub hook_version: u8,
}

impl Config {
    /// The line that last set the scalar `key`.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.origins.get(key)
    }

    /// Whether `/dev` is a tmpfs that the start fills (`lxc.autodev`, on unless it is set to 0).
    pub fn has_autodev(&self) -> bool {
        self.autodev.unwrap_or(true)
    }

    /// Whether the container has the host's network namespace: every link is of type `none`, and there is
    /// one.
    pub fn keeps_host_network(&self) -> bool {
        !self.net.is_empty() && self.net.values().all(|net| net.kind == NetKind::None)
    }

    /// Whether the container runs in a user namespace of its own.
    pub fn is_unprivileged(&self) -> bool {
        !self.idmap.is_empty()
    }
}

/// `lxc.arch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Arch {
    /// A 32-bit personality (`PER_LINUX32`).
    Bits32,
    /// The native 64-bit personality (`PER_LINUX`).
    Bits64,
}

/// `lxc.start.*`, `lxc.group`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Start {
    /// `lxc.start.auto`.
    pub auto: bool,
    /// `lxc.start.delay`, seconds.
    pub delay: u32,
    /// `lxc.start.order`: lower starts earlier.
    pub order: i32,
    /// `lxc.group`.
    pub groups: Vec<String>,
}

/// `lxc.log.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `lxc.log.file`.
    pub file: Option<PathBuf>,
    /// `lxc.log.level`: 0 TRACE to 8 FATAL.
    pub level: Option<u8>,
    /// `lxc.log.syslog`: the facility.
    pub syslog: Option<String>,
}

impl Log {
    /// The level's word in upper case, ERROR unless it is set.
    pub fn level_word(&self) -> &'static str {
        const WORDS: [&str; 9] =
            ["TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "ERROR", "CRIT", "ALERT", "FATAL"];
        WORDS.get(usize::from(self.level.unwrap_or(5))).copied().unwrap_or("ERROR")
    }
}

/// `lxc.console.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Console {
    /// `lxc.console.path`.
    pub path: Option<ConsolePath>,
    /// `lxc.console.logfile`.
    pub logfile: Option<PathBuf>,
    /// `lxc.console.size`, bytes; 0 for no bound.
    pub log_size: u64,
    /// `lxc.console.buffer.size`, bytes; 0 for no ring buffer.
    pub buffer_size: u64,
    /// `lxc.console.rotate`.
    pub rotate: bool,
}

/// `lxc.console.path`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConsolePath {
    /// `none`: no console at all.
    None,
    /// The console's peer: a terminal or a file.
    Path(PathBuf),
}

/// One line of `lxc.idmap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdMap {
    /// Users or groups.
    pub kind: IdKind,
    /// First id inside.
    pub inside: u32,
    /// First id outside.
    pub outside: u32,
    /// Number of ids, at least 1.
    pub range: u32,
}

impl fmt::Display for IdMap {
    /// As in `lxc.idmap`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, inside, outside, range } = self;
        write!(f, "{} {inside} {outside} {range}", kind.letter())
    }
}

impl IdMap {
    /// The ids outside, from the first to the one after the last.
    pub fn outside_ids(&self) -> Range<u64> {
        let first = u64::from(self.outside);
        first..first + u64::from(self.range)
    }
}

/// What an id map is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdKind {
    /// `u`.
    User,
    /// `g`.
    Group,
}

impl IdKind {
    /// Each of them.
    pub const BOTH: [Self; 2] = [Self::User, Self::Group];

    /// Its letter in `lxc.idmap`.
    pub fn letter(self) -> char {
        if self == Self::User { 'u' } else { 'g' }
    }

    /// What has such ids.
    pub fn word(self) -> &'static str {
        if self == Self::User { "user" } else { "group" }
    }
}

/// `lxc.mount.auto`: each family as last set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MountAuto {
    /// `proc…`.
    pub proc: Option<AutoMode>,
    /// `sys…`.
    pub sys: Option<AutoMode>,
    /// `cgroup…`, `cgroup-full…`, `cgroup2…`.
    pub cgroup: Option<AutoCgroup>,
    /// `shmounts:HOST[:CONTAINER]`.
    pub shmounts: Option<(PathBuf, Option<PathBuf>)>,
}

/// How an automatic mount may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AutoMode {
    /// `:ro`.
    ReadOnly,
    /// `:rw`.
    ReadWrite,
    /// `:mixed`, also without a suffix for proc and sys.
    Mixed,
}

/// `lxc.mount.auto = cgroup…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoCgroup {
    /// `None`: read-write if the container keeps `CAP_SYS_ADMIN`, else mixed.
    pub mode: Option<AutoMode>,
    /// `cgroup-full`: the whole hierarchy is visible.
    pub full: bool,
    /// `cgroup2`: a pure unified mount.
    pub unified: bool,
    /// `:force`: also where there is a cgroup namespace.
    pub force: bool,
}

/// `lxc.rootfs.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rootfs {
    /// `lxc.rootfs.path`; `None` shares the host's root.
    pub path: Option<RootfsPath>,
    /// `lxc.rootfs.mount`.
    pub mount: Option<PathBuf>,
    /// `lxc.rootfs.options`.
    pub options: Option<String>,
    /// `lxc.rootfs.managed`; `None` means true.
    pub managed: Option<bool>,
    /// `lxc.rootfs.size`: the most bytes that it may take.
    pub size: Option<u64>,
}

/// `lxc.rootfs.path`: `[BACKEND:]SOURCE`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootfsPath {
    /// The text before the first colon, if it names a backend (`dir`, `overlay`, …).
    pub backend: Option<String>,
    /// The rest.
    pub source: String,
}

/// `lxc.net.N.*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Net {
    /// `type`, with what only that type has.
    pub kind: NetKind,
    /// `flags`: any text sets the link up.
    pub up: bool,
    /// `link`: bridge or parent.
    pub link: Option<String>,
    /// `name`: inside.
    pub name: Option<String>,
    /// `mtu`.
    pub mtu: Option<u32>,
    /// `hwaddr`, random digits already chosen.
    pub hwaddr: Option<[u8; 6]>,
    /// `ipv4.address`.
    pub ipv4: Vec<Located<Ipv4Address>>,
    /// `ipv4.gateway`.
    pub ipv4_gateway: Option<Gateway<Ipv4Addr>>,
    /// `ipv6.address`.
    pub ipv6: Vec<Located<Ipv6Address>>,
    /// `ipv6.gateway`.
    pub ipv6_gateway: Option<Gateway<Ipv6Addr>>,
    /// `forward`: ports of the host that lead to it.
    pub forwards: Vec<Located<Forward>>,
    /// `l2proxy`.
    pub l2proxy: bool,
    /// `limit.*`, `isolated` and `filter`.
    pub host_end: HostEnd,
    /// `script.up`.
    pub script_up: Option<String>,
    /// `script.down`.
    pub script_down: Option<String>,
    /// Where each of its keys was last set, by the part after `lxc.net.N.` (`type`, `link`, …).
    pub origins: BTreeMap<String, Origin>,
}

impl Net {
    /// An empty link of `kind`.
    pub fn new(kind: NetKind) -> Self {
        Self {
            kind,
            up: false,
            link: None,
            name: None,
            mtu: None,
            hwaddr: None,
            ipv4: Vec::new(),
            ipv4_gateway: None,
            ipv6: Vec::new(),
            ipv6_gateway: None,
            forwards: Vec::new(),
            l2proxy: false,
            host_end: HostEnd::default(),
            script_up: None,
            script_down: None,
            origins: BTreeMap::new(),
        }
    }

    /// Its addresses of both families, each with its line.
    pub fn addresses(&self) -> impl Iterator<Item = (IpAddr, Option<&Origin>)> {
        let ipv4 = self.ipv4.iter().map(|one| (IpAddr::from(one.address), one.origin.as_ref()));
        let ipv6 = self.ipv6.iter().map(|one| (IpAddr::from(one.address), one.origin.as_ref()));
        ipv4.chain(ipv6)
    }

    /// The line that last set `key` (`link`, `ipv4.gateway`, …) of this link.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.origins.get(key)
    }
}

/// `lxc.net.N.type`, with the keys of that type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetKind {
    /// Loopback only, and up.
    Empty,
    /// The host's network namespace.
    None,
    /// A pair of which one end is inside.
    Veth(Veth),
    /// A MAC-address based sublink of `link`.
    Macvlan(Macvlan),
    /// A sublink of `link` with its MAC address.
    Ipvlan(Ipvlan),
    /// A VLAN of `link`.
    Vlan(Vlan),
    /// `link` itself moves inside.
    Phys,
}

impl NetKind {
    /// The value of `lxc.net.N.type`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::None => "none",
            Self::Veth(_) => "veth",
            Self::Macvlan(_) => "macvlan",
            Self::Ipvlan(_) => "ipvlan",
            Self::Vlan(_) => "vlan",
            Self::Phys => "phys",
        }
    }
}

/// `lxc.net.N.macvlan.*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Macvlan {
    /// `macvlan.mode`: private, vepa, bridge or passthru.
    pub mode: String,
}

/// `lxc.net.N.ipvlan.*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ipvlan {
    /// `ipvlan.mode`: l3, l3s or l2.
    pub mode: String,
    /// `ipvlan.isolation`: bridge, private or vepa.
    pub isolation: String,
}

/// `lxc.net.N.vlan.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vlan {
    /// `vlan.id`.
    pub id: Option<u16>,
}

/// `lxc.net.N.veth.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Veth {
    /// `veth.mode = router` (default bridge).
    pub router: bool,
    /// `veth.pair`: the host end's name.
    pub pair: Option<String>,
    /// `veth.ipv4.route`: network and prefix length.
    pub ipv4_routes: Vec<Located<(Ipv4Addr, u8)>>,
    /// `veth.ipv6.route`.
    pub ipv6_routes: Vec<Located<(Ipv6Addr, u8)>>,
    /// `veth.vlan.id`.
    pub vlan_id: Option<Untagged>,
    /// `veth.vlan.tagged.id`.
    pub vlan_tagged: Vec<u16>,
    /// `veth.n_rxqueues`.
    pub rx_queues: Option<u32>,
    /// `veth.n_txqueues`.
    pub tx_queues: Option<u32>,
}

/// `lxc.net.N.veth.vlan.id`: what a bridge makes of packets without a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Untagged {
    /// `none`: they are in no VLAN.
    None,
    /// They are in this one.
    Vlan(u16),
}

impl Veth {
    /// The networks of both families that the host routes to the container, each with its line.
    pub fn routes(&self) -> impl Iterator<Item = ((IpAddr, u8), Option<&Origin>)> {
        let ipv4 = self.ipv4_routes.iter().map(|one| ((one.0.into(), one.1), one.origin.as_ref()));
        let ipv6 = self.ipv6_routes.iter().map(|one| ((one.0.into(), one.1), one.origin.as_ref()));
        ipv4.chain(ipv6)
    }
}

/// `lxc.net.N.ipv4.address`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ipv4Address {
    /// The address.
    pub address: Ipv4Addr,
    /// Prefix length.
    pub prefix: u8,
    /// Broadcast address; none for /31 and /32.
    pub broadcast: Option<Ipv4Addr>,
}

/// `lxc.net.N.ipv6.address`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ipv6Address {
    /// The address.
    pub address: Ipv6Addr,
    /// Prefix length.
    pub prefix: u8,
}

/// `lxc.net.N.ipvX.gateway`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gateway<A> {
    /// An address.
    Address(A),
    /// `auto`: the first address of `link` on the host.
    Auto,
    /// `dev`: a route to the device.
    Device,
}

impl<A> Gateway<A> {
    /// The same with its address as another type.
    pub fn map<B>(self, convert: impl FnOnce(A) -> B) -> Gateway<B> {
        match self {
            Self::Address(address) => Gateway::Address(convert(address)),
            Self::Auto => Gateway::Auto,
            Self::Device => Gateway::Device,
        }
    }
}

/// `lxc.cgroup.*`, `lxc.cgroup2.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cgroup {
    /// `lxc.cgroup.FILE = VALUE` (v1 names), in order.
    pub v1: Vec<Located<(String, String)>>,
    /// `lxc.cgroup2.FILE = VALUE`, in order.
    pub v2: Vec<Located<(String, String)>>,
    /// `lxc.cgroup.dir`.
    pub dir: Option<PathBuf>,
    /// `lxc.cgroup.dir.monitor`.
    pub monitor: Option<PathBuf>,
    /// `lxc.cgroup.dir.monitor.pivot`.
    pub pivot: Option<PathBuf>,
    /// `lxc.cgroup.dir.container`.
    pub container: Option<PathBuf>,
    /// `lxc.cgroup.dir.container.inner`.
    pub inner: Option<PathBuf>,
    /// `lxc.cgroup.relative`: below the caller's own cgroup instead of the root one.
    pub relative: bool,
}

/// `lxc.apparmor.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AppArmor {
    /// `lxc.apparmor.profile`.
    pub profile: Option<String>,
    /// `lxc.apparmor.allow_incomplete`.
    pub allow_incomplete: bool,
    /// `lxc.apparmor.allow_nesting`.
    pub allow_nesting: bool,
    /// `lxc.apparmor.raw`.
    pub raw: Vec<Located<String>>,
}

/// `lxc.selinux.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeLinux {
    /// `lxc.selinux.context`.
    pub context: Option<String>,
    /// `lxc.selinux.context.keyring`.
    pub keyring: Option<String>,
}

/// `lxc.seccomp.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seccomp {
    /// `lxc.seccomp.profile`.
    pub profile: Option<PathBuf>,
    /// `lxc.seccomp.allow_nesting`.
    pub allow_nesting: bool,
    /// `lxc.seccomp.notify.proxy`.
    pub notify_proxy: Option<String>,
    /// `lxc.seccomp.notify.cookie`.
    pub notify_cookie: Option<String>,
}

/// `lxc.prlimit.RES = SOFT[:HARD]`; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rlimit {
    /// The soft limit.
    pub soft: Option<u64>,
    /// The hard limit.
    pub hard: Option<u64>,
}
