//! The trials.

use std::path::Path;

use netlink_packet_route::link::InfoKind;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};
use nix::sys::wait::{WaitStatus, waitpid};

use super::Answer;
use crate::config::Namespace;
use crate::mount::idmapped;
use crate::namespace::NamespaceSet;
use crate::network::probe;
use crate::sys::bpf::instruction::{MOV_K, R0, exit, with_number};
use crate::sys::process::{self, CloneOptions, Cloned};
use crate::sys::{bpf, mount};
use crate::table;

/// The exit code of a trial that failed without an errno.
const NO_ERRNO: i32 = 255;

/// Tries in a child in new namespaces, as root of a user namespace where the caller is not root.
fn try_in(kinds: &[Namespace], trial: impl FnOnce() -> Result<(), Errno>) -> Answer {
    let mut set = NamespaceSet::of(kinds.iter().copied());
    if !nix::unistd::geteuid().is_root() {
        set = NamespaceSet::of(set.kinds().chain([Namespace::User]));
    }
    match process::clone3(set.flags(), CloneOptions::default()) {
        Ok(Cloned::Parent(pid, _)) => match waitpid(pid, None) {
            Ok(WaitStatus::Exited(_, 0)) => Answer::Present,
            Ok(WaitStatus::Exited(_, NO_ERRNO)) => Answer::Absent(None),
            Ok(WaitStatus::Exited(_, code)) => Answer::Absent(Some(Errno::from_raw(code))),
            _ => Answer::Unknown,
        },
        Ok(Cloned::Child) => {
            let code = trial().map_or_else(|errno| errno as i32, |()| 0);
            process::exit_now(code.min(NO_ERRNO))
        }
        Err(error) => Answer::Absent(error.raw_os_error().map(Errno::from_raw)),
    }
}

fn to_errno(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw)
}

fn exists(path: &str) -> Answer {
    if Path::new(path).exists() { Answer::Present } else { Answer::Absent(None) }
}

fn works<T>(result: std::io::Result<T>) -> Answer {
    match result {
        Ok(_) => Answer::Present,
        Err(error) => Answer::Absent(Some(to_errno(&error))),
    }
}

pub fn namespaces() -> Answer {
    exists("/proc/self/ns")
}

macro_rules! namespace {
    ($($name:ident $kind:ident)*) => { $(
        pub fn $name() -> Answer {
            try_in(&[Namespace::$kind], || Ok(()))
        }
    )* };
}
namespace! { uts Uts ipc Ipc pid Pid user User net Net cgroup Cgroup time Time }

pub fn cgroups() -> Answer {
    exists("/proc/self/cgroup")
}

/// Whether one of these controllers is known to a hierarchy of either version, and enabled.
fn controller(name: &str) -> Answer {
    let v1 = std::fs::read_to_string("/proc/cgroups").unwrap_or_default();
    let in_v1 = v1.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.first() == Some(&name) && words.last() == Some(&"1")
    });
    let in_v2 = || {
        let root = mount_points("cgroup2").into_iter().next()?;
        let file = Path::new(&root).join("cgroup.controllers");
        let text = std::fs::read_to_string(file).ok()?;
        text.split_whitespace().any(|word| word == name).then_some(())
    };
    if in_v1 || in_v2().is_some() { Answer::Present } else { Answer::Absent(None) }
}

/// By its v1 controller, or on v2 by a program that allows everything.
pub fn devices() -> Answer {
    match controller("devices") {
        Answer::Present => Answer::Present,
        _ => device_programs(),
    }
}

pub fn device_programs() -> Answer {
    let allow = [with_number(MOV_K, R0, 0, 1), exit()];
    match bpf::load_device_program(&allow) {
        // Only root may load them at all.
        Err(error) if to_errno(&error) == Errno::EPERM => Answer::Unknown,
        result => works(result),
    }
}

pub fn cpu() -> Answer {
    controller("cpu")
}

/// A part of every v2 cgroup's statistics, if not a v1 controller.
pub fn cpu_accounting() -> Answer {
    match controller("cpuacct") {
        Answer::Present => Answer::Present,
        _ => controller("cpu"),
    }
}

pub fn memory() -> Answer {
    controller("memory")
}

pub fn cpuset() -> Answer {
    controller("cpuset")
}

fn link(kind: InfoKind) -> Answer {
    try_in(&[Namespace::Net], || {
        probe::link(kind).map_err(|error| error.errno.map_or(Errno::UnknownErrno, Errno::from_raw))
    })
}

pub fn veth() -> Answer {
    link(InfoKind::Veth)
}

pub fn macvlan() -> Answer {
    link(InfoKind::MacVlan)
}

pub fn vlan() -> Answer {
    link(InfoKind::Vlan)
}

pub fn bridge() -> Answer {
    link(InfoKind::Bridge)
}

/// `ENOEXEC` stands for the missing program.
fn filter(rules: &str) -> Answer {
    let answer = try_in(&[Namespace::Net], || match probe::filter(rules) {
        Some(true) => Ok(()),
        Some(false) => Err(Errno::EOPNOTSUPP),
        None => Err(Errno::ENOEXEC),
    });
    if answer == Answer::Absent(Some(Errno::ENOEXEC)) { Answer::Unknown } else { answer }
}

pub fn packet_filter() -> Answer {
    filter(
        "table inet t { chain c { type filter hook forward priority 0; ct state new accept; }; }",
    )
}

pub fn masquerade() -> Answer {
    filter("table inet t { chain c { type nat hook postrouting priority 100; masquerade; }; }")
}

/// For what only a rule of iptables(8) could tell: the kernel's own configuration is asked.
pub fn not_tried() -> Answer {
    Answer::Unknown
}

fn filesystem(name: &str) -> Answer {
    try_in(&[Namespace::Mnt], || {
        mount::open_filesystem(name).map(drop).map_err(|error| to_errno(&error))
    })
}

pub fn fuse() -> Answer {
    filesystem("fuse")
}

pub fn overlay() -> Answer {
    filesystem("overlay")
}

pub fn checkpoint() -> Answer {
    exists("/proc/sys/kernel/ns_last_pid")
}

pub fn file_handles() -> Answer {
    match works(process::file_handle_support()) {
        // The root's file system may lack them; the call is there.
        Answer::Absent(Some(Errno::EOPNOTSUPP | Errno::EOVERFLOW)) => Answer::Present,
        answer => answer,
    }
}

pub fn eventfd() -> Answer {
    works(nix::sys::eventfd::EventFd::new().map_err(Into::into))
}

pub fn epoll() -> Answer {
    let flags = nix::sys::epoll::EpollCreateFlags::EPOLL_CLOEXEC;
    works(nix::sys::epoll::Epoll::new(flags).map_err(Into::into))
}

/// Asks sock_diag(7) about a family with a request that is too short for it: `ENOENT` if there is
/// nobody to complain of that.
fn diagnosis(family: AddressFamily) -> Answer {
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const NLM_F_REQUEST: u16 = 1;
    /// A netlink header and four bytes.
    const LENGTH: u32 = 20;
    let ask = || -> nix::Result<()> {
        let protocol = SockProtocol::NetlinkSockDiag;
        let socket =
            socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
        let mut request = [0; LENGTH as usize];
        request[..4].copy_from_slice(&LENGTH.to_ne_bytes());
        request[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        request[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
        request[16] = u8::try_from(family as i32).unwrap_or_default();
        let raw = std::os::fd::AsRawFd::as_raw_fd(&socket);
        send(raw, &request, MsgFlags::empty())?;
        let mut answer = [0; 64];
        recv(raw, &mut answer, MsgFlags::empty())?;
        // nlmsgerr: the header and a negative errno.
        let [.., a, b, c, d] = answer[..LENGTH as usize] else { return Err(Errno::EBADMSG) };
        match i32::from_ne_bytes([a, b, c, d]) {
            error if error == -(Errno::ENOENT as i32) => Err(Errno::ENOENT),
            _ => Ok(()),
        }
    };
    works(ask().map_err(Into::into))
}

pub fn unix_diagnosis() -> Answer {
    diagnosis(AddressFamily::Unix)
}

pub fn inet_diagnosis() -> Answer {
    diagnosis(AddressFamily::Inet)
}

pub fn packet_diagnosis() -> Answer {
    diagnosis(AddressFamily::Packet)
}

pub fn netlink_diagnosis() -> Answer {
    diagnosis(AddressFamily::Netlink)
}

pub fn file_capabilities() -> Answer {
    exists("/proc/sys/kernel/cap_last_cap")
}

pub fn seccomp() -> Answer {
    exists("/proc/sys/kernel/seccomp/actions_avail")
}

pub fn pidfds() -> Answer {
    works(process::pidfd_open(nix::unistd::getpid()))
}

/// Clones the mounts, detached; all, for in a user namespace none below may be uncovered.
fn cloned_root() -> std::io::Result<std::os::fd::OwnedFd> {
    mount::open_tree(mount::at_cwd(), Path::new("/"), mount::OPEN_TREE_CLONE | mount::AT_RECURSIVE)
}

pub fn detached_mounts() -> Answer {
    try_in(&[Namespace::Mnt], || cloned_root().map(drop).map_err(|error| to_errno(&error)))
}

pub fn idmapped_mounts() -> Answer {
    if !nix::unistd::geteuid().is_root() {
        return Answer::Unknown;
    }
    match idmapped::try_in(Path::new("/")) {
        Ok(()) => Answer::Present,
        Err(error) => Answer::Absent(error.errno.map(Errno::from_raw)),
    }
}

/// Where file systems of type `kind` are mounted.
pub fn mount_points(kind: &str) -> Vec<String> {
    let mounts = table::read("/proc/self/mounts").unwrap_or_default();
    let points = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let point = words.next()?;
        (words.next() == Some(kind)).then(|| table::unescape(point))
    });
    points.collect()
}
