//! The bytes of the command socket, LXC's control protocol, and its address.
//!
//! Everything is little-endian at fixed offsets, as C LXC lays its structs out on x86-64. A request
//! is 16 bytes and its data, a response is 16 bytes (with descriptors riding on them) and its data;
//! where there is no data, the last 8 bytes hold a number instead.

use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;

use crate::cgroup::Version;
use crate::identity::{ContainerName, Identity};
use crate::state::State;

/// Length of a request's and of a response's fixed part.
pub const REQUEST_LEN: usize = 16;
/// Most data a request may carry (two times `PATH_MAX`).
pub const DATA_MAX: usize = 8192;
/// Longest literal address; a longer one is hashed.
const ADDRESS_MAX: usize = 105;
/// Length of a [`Message`].
pub const MESSAGE_LEN: usize = 264;

/// The abstract address of a container's command socket, without the leading NUL.
pub fn socket_address(identity: &Identity) -> Vec<u8> {
    let mut path = identity.lxcpath.as_os_str().as_bytes().to_vec();
    path.push(b'/');
    path.extend(identity.name.as_str().as_bytes());
    let literal = [path.as_slice(), b"/command"].concat();
    if literal.len() <= ADDRESS_MAX {
        return literal;
    }
    format!("lxc/{:016x}/command", fnv1a64(&path)).into_bytes()
}

/// The 64-bit FNV-1a hash (RFC 9923).
pub fn fnv1a64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// What a client can ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Command {
    /// Lease a tty; the number asked for, 0 the console, -1 any.
    GetTtyFd = 0,
    /// Unused since the terminal's size travels with its descriptor.
    TerminalWinch = 1,
    /// Kill init; the end of the stream is the answer.
    Stop = 2,
    /// The state's number.
    GetState = 3,
    /// The pid of init.
    GetInitPid = 4,
    /// The `CLONE_NEW*` bits of the container's own namespaces.
    GetCloneFlags = 5,
    /// The path of init's cgroup.
    GetCgroup = 6,
    /// A configuration value.
    GetConfigItem = 7,
    /// The container's name.
    GetName = 8,
    /// The directory of containers.
    GetLxcpath = 9,
    /// Wait for a state.
    AddStateClient = 10,
    /// Read or clear the console's ring buffer.
    ConsoleLog = 11,
    /// Set the state and tell those who wait.
    ServeStateClients = 12,
    /// Hand over a seccomp listener.
    AddSeccompListener = 13,
    /// Change the v2 device rules.
    AddBpfDevice = 14,
    /// Freeze (pure v2).
    Freeze = 15,
    /// Thaw (pure v2).
    Unfreeze = 16,
    /// Init's v2 cgroup (pure v2).
    GetCgroup2Fd = 17,
    /// A pidfd of init.
    GetInitPidfd = 18,
    /// The path of the limiting cgroup.
    GetLimitCgroup = 19,
    /// The limiting v2 cgroup (pure v2).
    GetLimitCgroup2Fd = 20,
    /// The root of the container's devpts.
    GetDevptsFd = 21,
    /// The seccomp listener.
    GetSeccompNotifyFd = 22,
    /// Init's cgroups, one descriptor for each hierarchy.
    GetCgroupContext = 23,
    /// The cgroup of a controller.
    GetCgroupFd = 24,
    /// The limiting cgroup of a controller.
    GetLimitCgroupFd = 25,
    /// The systemd scope the container runs in.
    GetSystemdScope = 26,
}

impl Command {
    const ALL: [Self; 27] = [
        Self::GetTtyFd,
        Self::TerminalWinch,
        Self::Stop,
        Self::GetState,
        Self::GetInitPid,
        Self::GetCloneFlags,
        Self::GetCgroup,
        Self::GetConfigItem,
        Self::GetName,
        Self::GetLxcpath,
        Self::AddStateClient,
        Self::ConsoleLog,
        Self::ServeStateClients,
        Self::AddSeccompListener,
        Self::AddBpfDevice,
        Self::Freeze,
        Self::Unfreeze,
        Self::GetCgroup2Fd,
        Self::GetInitPidfd,
        Self::GetLimitCgroup,
        Self::GetLimitCgroup2Fd,
        Self::GetDevptsFd,
        Self::GetSeccompNotifyFd,
        Self::GetCgroupContext,
        Self::GetCgroupFd,
        Self::GetLimitCgroupFd,
        Self::GetSystemdScope,
    ];
}

fn i32_at(bytes: &[u8], offset: usize) -> Option<i32> {
    Some(i32::from_le_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(offset..offset + 8)?.try_into().ok()?))
}

/// The fixed part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    command: u32,
    datalen: i32,
    data: u64,
}

impl Request {
    /// A request with `len` bytes of data behind it.
    pub fn with_data(command: Command, len: usize) -> Self {
        let datalen = i32::try_from(len).unwrap_or(i32::MAX);
        Self { command: command as u32, datalen, data: 0 }
    }

    /// A request with a number instead of data.
    pub fn with_number(command: Command, number: i32) -> Self {
        Self { command: command as u32, datalen: 0, data: u64::from(number.cast_unsigned()) }
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> [u8; REQUEST_LEN] {
        let mut bytes = [0; REQUEST_LEN];
        bytes[..4].copy_from_slice(&self.command.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.datalen.to_le_bytes());
        bytes[8..].copy_from_slice(&self.data.to_le_bytes());
        bytes
    }

    /// A request from its bytes, of which there must be exactly 16.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != REQUEST_LEN {
            return None;
        }
        Some(Self {
            command: i32_at(bytes, 0)?.cast_unsigned(),
            datalen: i32_at(bytes, 4)?,
            data: u64_at(bytes, 8)?,
        })
    }

    /// What is asked; `None` for a command this version does not know.
    pub fn command(&self) -> Option<Command> {
        Command::ALL.get(usize::try_from(self.command).ok()?).copied()
    }

    /// Number of data bytes that follow; `None` if it is no length.
    pub fn data_len(&self) -> Option<usize> {
        usize::try_from(self.datalen).ok()
    }

    /// The number in place of data: the low 32 bits count.
    pub fn number(&self) -> i32 {
        i32::from_le_bytes([
            self.data.to_le_bytes()[0],
            self.data.to_le_bytes()[1],
            self.data.to_le_bytes()[2],
            self.data.to_le_bytes()[3],
        ])
    }
}

/// The fixed part of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// 0 or a negative errno.
    pub ret: i32,
    datalen: i32,
    data: u64,
}

impl Response {
    /// Success with a number.
    pub fn number(number: i32) -> Self {
        Self { ret: 0, datalen: 0, data: u64::from(number.cast_unsigned()) }
    }

    /// Success with `len` bytes of data.
    pub fn data(len: usize) -> Self {
        Self { ret: 0, datalen: i32::try_from(len).unwrap_or(i32::MAX), data: 0 }
    }

    /// A failure.
    pub fn error(errno: Errno) -> Self {
        Self::number_error(-(errno as i32))
    }

    /// A failure with a number that is no errno.
    pub fn number_error(ret: i32) -> Self {
        Self { ret, datalen: 0, data: 0 }
    }

    /// `number` both as the return value and as the number.
    pub fn both(number: i32) -> Self {
        Self { ret: number, datalen: 0, data: u64::from(number.cast_unsigned()) }
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> [u8; REQUEST_LEN] {
        let mut bytes = [0; REQUEST_LEN];
        bytes[..4].copy_from_slice(&self.ret.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.datalen.to_le_bytes());
        bytes[8..].copy_from_slice(&self.data.to_le_bytes());
        bytes
    }

    /// A response from its bytes, of which there must be exactly 16.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != REQUEST_LEN {
            return None;
        }
        Some(Self { ret: i32_at(bytes, 0)?, datalen: i32_at(bytes, 4)?, data: u64_at(bytes, 8)? })
    }

    /// Number of data bytes that follow; `None` if it is no length.
    pub fn data_len(&self) -> Option<usize> {
        usize::try_from(self.datalen).ok()
    }

    /// The number in place of data.
    pub fn value(&self) -> i32 {
        Request { command: 0, datalen: 0, data: self.data }.number()
    }
}

/// Which states a client waits for: a number for each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateRequest([i32; 8]);

impl StateRequest {
    /// Length on the wire.
    pub const LEN: usize = 32;
    /// The answer to a client that is to wait: the number behind the last state.
    pub const WAIT: i32 = 8;
    /// The value of a client that waits for RUNNING over a reboot.
    const OVER_REBOOT: i32 = 2;

    /// A request for these states.
    pub fn of(states: &[State]) -> Self {
        Self(State::ALL.map(|state| i32::from(states.contains(&state))))
    }

    /// A request for RUNNING after a reboot.
    pub fn after_reboot() -> Self {
        let mut wanted = Self::default();
        wanted.0[State::Running as usize] = Self::OVER_REBOOT;
        wanted
    }

    /// Whether `state` is among them.
    pub fn wants(&self, state: State) -> bool {
        self.0[state as usize] > 0
    }

    /// Whether being in `state` already is an answer: not for one that waits for a reboot.
    pub fn wants_now(&self, state: State) -> bool {
        self.0[state as usize] == 1
    }

    /// Whether it outlives a reboot.
    pub fn survives_reboot(&self) -> bool {
        self.0[State::Running as usize] == Self::OVER_REBOOT
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        for (chunk, number) in bytes.chunks_exact_mut(4).zip(self.0) {
            chunk.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// From exactly 32 bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::LEN {
            return None;
        }
        let mut states = [0; 8];
        for (index, state) in states.iter_mut().enumerate() {
            *state = i32_at(bytes, index * 4)?;
        }
        Some(Self(states))
    }
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A container's new state.
    State(State),
    /// How its init ended, as wait(2) gives it.
    Exit(i32),
}

/// An event as it is sent to those who wait and through lxc-monitord.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The container's name.
    pub name: String,
    /// What happened.
    pub event: Event,
}

impl Message {
    const KIND_STATE: i32 = 0;
    const KIND_EXIT: i32 = 2;
    const VALUE_AT: usize = 260;

    /// The container `name` is in `state` now.
    pub fn state(name: &ContainerName, state: State) -> Self {
        Self { name: name.as_str().to_owned(), event: Event::State(state) }
    }

    /// The init of `name` ended with `status`.
    pub fn exit(name: &ContainerName, status: i32) -> Self {
        Self { name: name.as_str().to_owned(), event: Event::Exit(status) }
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> [u8; MESSAGE_LEN] {
        let mut bytes = [0; MESSAGE_LEN];
        let (kind, value) = match self.event {
            Event::State(state) => (Self::KIND_STATE, state.number()),
            Event::Exit(status) => (Self::KIND_EXIT, status),
        };
        bytes[..4].copy_from_slice(&kind.to_le_bytes());
        let name = self.name.as_bytes();
        let len = name.len().min(255);
        bytes[4..4 + len].copy_from_slice(&name[..len]);
        bytes[Self::VALUE_AT..].copy_from_slice(&value.to_le_bytes());
        bytes
    }

    /// From exactly 264 bytes; `None` also for kinds that nobody sends.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != MESSAGE_LEN {
            return None;
        }
        let value = i32_at(bytes, Self::VALUE_AT)?;
        let event = match i32_at(bytes, 0)? {
            Self::KIND_STATE => Event::State(State::from_number(value)?),
            Self::KIND_EXIT => Event::Exit(value),
            _ => return None,
        };
        let name = bytes[4..Self::VALUE_AT].split(|byte| *byte == 0).next()?;
        Some(Self { name: String::from_utf8_lossy(name).into_owned(), event })
    }
}

/// A request for the console's ring buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsoleLog {
    /// Empty the buffer.
    pub clear: bool,
    /// Return its content.
    pub read: bool,
    /// At most so many bytes; 0 for all.
    pub read_max: u64,
    /// Write it to the log file.
    pub write_logfile: bool,
}

impl ConsoleLog {
    /// From exactly 24 bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != 24 {
            return None;
        }
        Some(Self {
            clear: bytes[0] != 0,
            read: bytes[1] != 0,
            read_max: u64_at(bytes, 8)?,
            write_logfile: bytes[16] != 0,
        })
    }
}

/// The answer about init's cgroups; the descriptors themselves ride along.
#[derive(Clone, Debug)]
pub struct CgroupContext {
    /// The layout's number.
    pub layout: i32,
    /// The sender's numbers of the descriptors.
    pub fds: Vec<i32>,
}

impl CgroupContext {
    /// Length on the wire.
    pub const LEN: usize = 96;
    /// Most descriptors.
    pub const MAX_FDS: usize = 20;

    /// A context of `fds`.
    pub fn of(layout: i32, fds: &[std::os::fd::BorrowedFd<'_>]) -> Self {
        Self { layout, fds: fds.iter().map(std::os::fd::AsRawFd::as_raw_fd).collect() }
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..4].copy_from_slice(&self.layout.to_le_bytes());
        let count = u32::try_from(self.fds.len()).unwrap_or_default();
        bytes[8..12].copy_from_slice(&count.to_le_bytes());
        for (chunk, fd) in bytes[12..].chunks_exact_mut(4).zip(&self.fds) {
            chunk.copy_from_slice(&fd.to_le_bytes());
        }
        bytes
    }
}

/// The cgroup of one controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupFd {
    /// The layout's number.
    pub layout: i32,
    /// The file system's magic number; 0 asks for any.
    kind: i32,
    /// The controller's name.
    pub controller: String,
}

impl CgroupFd {
    /// Length on the wire.
    pub const LEN: usize = 80;
    /// `CGROUP_SUPER_MAGIC` (linux/magic.h).
    const MAGIC_V1: i32 = 0x0027_e0eb;
    /// `CGROUP2_SUPER_MAGIC`.
    const MAGIC_V2: i32 = 0x6367_7270;

    /// A request for the cgroup of `controller`.
    pub fn of(controller: &str) -> Self {
        Self { layout: 0, kind: 0, controller: controller.to_owned() }
    }

    /// Notes the version of the hierarchy; false if the client wanted the other one.
    pub fn set_version(&mut self, version: Version) -> bool {
        let magic = match version {
            Version::V1 => Self::MAGIC_V1,
            Version::V2 => Self::MAGIC_V2,
        };
        let fits = self.kind == 0 || self.kind == magic;
        self.kind = magic;
        fits
    }

    /// The version of the hierarchy in an answer.
    pub fn version(&self) -> Option<Version> {
        match self.kind {
            Self::MAGIC_V1 => Some(Version::V1),
            Self::MAGIC_V2 => Some(Version::V2),
            _ => None,
        }
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..4].copy_from_slice(&self.layout.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.kind.to_le_bytes());
        bytes[12..16].copy_from_slice(&(-1i32).to_le_bytes());
        let name = self.controller.as_bytes();
        let len = name.len().min(63);
        bytes[16..16 + len].copy_from_slice(&name[..len]);
        bytes
    }

    /// From exactly 80 bytes, the name ending in a NUL.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::LEN {
            return None;
        }
        let name = &bytes[16..];
        let end = name.iter().position(|byte| *byte == 0)?;
        Some(Self {
            layout: i32_at(bytes, 0)?,
            kind: i32_at(bytes, 8)?,
            controller: std::str::from_utf8(&name[..end]).ok()?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_literal_up_to_105_bytes() {
        let name = |text: &str| ContainerName::new(text).unwrap();
        let short = Identity::new("/var/lib/lxc", name("b1"));
        assert_eq!(socket_address(&short), b"/var/lib/lxc/b1/command");
        assert_eq!(fnv1a64(b"/var/lib/lxc/b1"), 0x5949_7257_8e72_ee3b);
        let long = Identity::new(format!("/srv/{}", "x".repeat(100)), name("b1"));
        assert_eq!(socket_address(&long), b"lxc/084d2889f8b4dcb0/command");
        let edge = |len: usize| Identity::new(format!("/{}", "x".repeat(len - 11)), name("b"));
        assert_eq!(socket_address(&edge(105)).len(), 105);
        assert!(socket_address(&edge(106)).starts_with(b"lxc/"));
    }

    #[test]
    fn requests_and_responses_as_c_lxc_sends_them() {
        let request = Request::with_number(Command::GetTtyFd, -1);
        assert_eq!(request.encode()[8..12], [0xff; 4]);
        let decoded = Request::decode(&request.encode()).unwrap();
        assert_eq!((decoded.command(), decoded.number()), (Some(Command::GetTtyFd), -1));
        let unknown = [27, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Request::decode(&unknown).unwrap().command(), None);
        assert_eq!(Response::error(Errno::EPERM).encode()[..4], (-1i32).to_le_bytes());
        assert_eq!(Request::decode(&[0; 15]), None);
    }

    #[test]
    fn messages_keep_name_and_value_at_their_offsets() {
        let name = ContainerName::new("c1").unwrap();
        let message = Message::exit(&name, 9 << 8);
        let bytes = message.encode();
        assert_eq!((&bytes[4..7], bytes[261]), (b"c1\0".as_slice(), 9));
        assert_eq!(Message::decode(&bytes), Some(message));
        assert_eq!(Message::decode(&bytes[1..]), None);
    }

    #[test]
    fn waiting_for_running_over_a_reboot_is_no_answer_now() {
        let wanted = StateRequest::after_reboot();
        assert!(wanted.survives_reboot() && wanted.wants(State::Running));
        assert!(!wanted.wants_now(State::Running));
        let stopped = StateRequest::of(&[State::Stopped]);
        assert_eq!(StateRequest::decode(&stopped.encode()), Some(stopped));
        assert!(stopped.wants_now(State::Stopped) && !stopped.survives_reboot());
    }

    #[test]
    fn controller_names_must_end_within_their_field() {
        let mut bytes = CgroupFd::of("memory").encode();
        assert_eq!(CgroupFd::decode(&bytes).unwrap().controller, "memory");
        bytes[16..].fill(b'x');
        assert_eq!(CgroupFd::decode(&bytes), None);
    }
}
