//! The data of commands and events that is more than a text or a number.

use super::{i32_at, u64_at};
use crate::cgroup::Version;
use crate::identity::ContainerName;
use crate::state::State;

/// Length of a [`Message`].
pub const MESSAGE_LEN: usize = 264;

/// Which states a client waits for: a number for each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateRequest([i32; 8]);

impl StateRequest {
    /// Length on the wire.
    pub const LEN: usize = 32;
    /// The answer to a client that is to wait: the number after the last state.
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
    /// Write it to the log file, which has it already: output comes there at once.
    pub write_logfile: bool,
}

impl ConsoleLog {
    /// Length on the wire.
    pub const LEN: usize = 24;

    /// The bytes on the wire.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[0] = u8::from(self.clear);
        bytes[1] = u8::from(self.read);
        bytes[8..16].copy_from_slice(&self.read_max.to_le_bytes());
        bytes[16] = u8::from(self.write_logfile);
        bytes
    }

    /// From exactly 24 bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::LEN {
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
    fn a_request_for_the_console_log_comes_out_as_it_was_put_in() {
        let wanted =
            ConsoleLog { clear: true, read: false, read_max: 1 << 40, write_logfile: true };
        assert_eq!(ConsoleLog::decode(&wanted.encode()), Some(wanted));
        assert_eq!(ConsoleLog::decode(&wanted.encode()[1..]), None);
    }

    #[test]
    fn controller_names_must_end_within_their_field() {
        let mut bytes = CgroupFd::of("memory").encode();
        assert_eq!(CgroupFd::decode(&bytes).unwrap().controller, "memory");
        bytes[16..].fill(b'x');
        assert_eq!(CgroupFd::decode(&bytes), None);
    }
}
